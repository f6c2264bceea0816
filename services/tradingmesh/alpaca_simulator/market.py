"""What the market did so far: the latest of each symbol, and a bounded history for the historical endpoints."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from tradingmesh.alpaca_simulator.packed_ticks import PackedQuotes, PackedTrades
from tradingmesh.alpaca_simulator.timeframes import new_york_day
from tradingmesh.alpaca_simulator.times import midnight_ns
from tradingmesh.core.market import Quote, Tick, Trade
from tradingmesh.core.tape.bars import MinuteBars, TradedBar, joined

T = TypeVar("T")

TICKS_MAX = 50_000
"""How many trades, and how many quotes, are kept of one symbol; the oldest go first."""
BARS_MAX = 20_000


class Items(Protocol[T]):
    """What keeps the items of a history: a list, or leaner."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: slice, /) -> list[T]: ...

    def __delitem__(self, at: slice, /) -> None: ...

    def append(self, item: T, /) -> None:
        """Takes the next one."""


class History(Generic[T]):
    """The last items of one kind, numbered from 1 on in the order in which they came."""

    def __init__(self, at_most: int, items: Items[T] | None = None) -> None:
        self._at_most = at_most
        self._dropped = 0
        self._items: Items[T] = [] if items is None else items
        self._times = array("q")

    def append(self, item: T, timestamp_ns: int) -> None:
        """Takes the newest item. Its time is not before that of the one before it."""
        self._items.append(item)
        self._times.append(timestamp_ns)
        if len(self._items) >= 2 * self._at_most:
            self._dropped += self._at_most
            del self._items[: self._at_most]
            del self._times[: self._at_most]

    @property
    def count(self) -> int:
        """How many items ever came: the number of the latest."""
        return self._dropped + len(self._items)

    @property
    def latest(self) -> T | None:
        """The newest item."""
        return next(iter(self._items[-1:]), None)

    def between(self, start_ns: int, end_ns: int) -> Iterator[tuple[int, T]]:
        """Number and item of what falls into this time, both ends included, as far as it is kept."""
        oldest = max(0, len(self._items) - self._at_most)
        first = bisect_left(self._times, start_ns, oldest)
        last = bisect_right(self._times, end_ns, first)
        return zip(range(self._dropped + first + 1, self._dropped + last + 1), self._items[first:last], strict=True)


class _Histories(dict[str, History[T]]):
    """A history by symbol, made when its first item comes."""

    def __init__(self, make: Callable[[str], History[T]]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, symbol: str) -> History[T]:
        made = self[symbol] = self._make(symbol)
        return made


class Market:
    """The market as the tape has told it so far. `now_ns` is the market's time: that of the latest tick."""

    def __init__(self, ticks_max: int = TICKS_MAX) -> None:
        self.now_ns = 0
        self._trades: _Histories[Trade] = _Histories(lambda symbol: History(ticks_max, PackedTrades(symbol)))
        self._quotes: _Histories[Quote] = _Histories(lambda symbol: History(ticks_max, PackedQuotes(symbol)))
        self._bars: _Histories[TradedBar] = _Histories(lambda _: History(BARS_MAX))
        self._builder = MinuteBars()
        self._done: list[TradedBar] = []

    def record(self, event: Tick) -> None:
        """Takes the next tick of the tape."""
        self.now_ns = event.timestamp_ns
        for done in self._builder.on_tick(event):
            self._bars[done.bar.symbol].append(done, done.bar.timestamp_ns)
            self._done.append(done)
        if type(event) is Trade:
            self._trades[event.symbol].append(event, event.timestamp_ns)
        elif type(event) is Quote:
            self._quotes[event.symbol].append(event, event.timestamp_ns)

    def take_bars(self) -> list[TradedBar]:
        """The minute bars that were done since this was last asked."""
        done, self._done = self._done, []
        return done

    def latest_trade(self, symbol: str) -> Trade | None:
        """The last trade."""
        return self.trades(symbol).latest

    def latest_quote(self, symbol: str) -> Quote | None:
        """The last quote."""
        return self.quotes(symbol).latest

    def trades(self, symbol: str) -> History[Trade]:
        """The trades of a symbol."""
        return self._trades.get(symbol) or History(0)

    def quotes(self, symbol: str) -> History[Quote]:
        """The quotes of a symbol."""
        return self._quotes.get(symbol) or History(0)

    def bars(self, symbol: str) -> History[TradedBar]:
        """The minute bars of a symbol that are done."""
        return self._bars.get(symbol) or History(0)

    def day_bar(self, symbol: str) -> TradedBar | None:
        """The bar of the New York day that it is, up to now."""
        start_ns = midnight_ns(new_york_day(self.now_ns))
        minutes = [traded for _, traded in self.bars(symbol).between(start_ns, self.now_ns)]
        running = self._builder.running(symbol)
        minutes += [running] if running else []
        return joined(minutes, start_ns) if minutes else None
