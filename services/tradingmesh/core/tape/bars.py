"""Bars out of trades: one a minute and symbol, and longer ones out of those. Sums are integers, so nothing rounds."""

from collections.abc import Sequence

import msgspec

from tradingmesh.core.market import Bar, Tick, Trade

MINUTE_NS = 60 * 10**9


class TradedBar(msgspec.Struct, frozen=True, gc=False):
    """A bar, and what a `Bar` leaves out: how many trades it is made of and what they turned over.

    `turnover_e4` is the sum of price x size.
    """

    bar: Bar
    trades: int
    turnover_e4: int

    @property
    def vwap_e4(self) -> int:
        """The volume-weighted average price, cut to 1/10,000; the close where nothing but zero sizes traded."""
        return self.turnover_e4 // self.bar.volume if self.bar.volume else self.bar.close_e4


class MinuteBars:
    """Builds the bars of any number of symbols from their ticks, which come in time order.

    A bar is done once any tick of a later minute has come. A minute without a trade has no bar.
    """

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._minute_end_ns = 0

    def on_tick(self, tick: Tick) -> Sequence[TradedBar]:
        """Counts the tick in, and gives the bars that were done by its time, each once, in order of first trade."""
        done: Sequence[TradedBar] = ()
        if tick.timestamp_ns >= self._minute_end_ns:
            done = [running.bar() for running in self._running.values()]
            self._running.clear()
            self._minute_end_ns = (tick.timestamp_ns // MINUTE_NS + 1) * MINUTE_NS
        if type(tick) is Trade:
            running = self._running.get(tick.symbol)
            if running is None:
                self._running[tick.symbol] = _Running(tick, self._minute_end_ns - MINUTE_NS)
            else:
                running.add(tick)
        return done

    def running(self, symbol: str) -> TradedBar | None:
        """The bar of the minute that is not over yet."""
        running = self._running.get(symbol)
        return running.bar() if running else None


class _Running:
    """A bar that trades are still added to."""

    __slots__ = ("close_e4", "high_e4", "low_e4", "open_e4", "start_ns", "symbol", "trades", "turnover_e4", "volume")

    def __init__(self, trade: Trade, start_ns: int) -> None:
        self.symbol = trade.symbol
        self.start_ns = start_ns
        self.open_e4 = self.high_e4 = self.low_e4 = self.close_e4 = trade.price_e4
        self.volume = trade.size
        self.trades = 1
        self.turnover_e4 = trade.price_e4 * trade.size

    def add(self, trade: Trade) -> None:
        price_e4 = trade.price_e4
        if price_e4 > self.high_e4:
            self.high_e4 = price_e4
        elif price_e4 < self.low_e4:
            self.low_e4 = price_e4
        self.close_e4 = price_e4
        self.volume += trade.size
        self.trades += 1
        self.turnover_e4 += price_e4 * trade.size

    def bar(self) -> TradedBar:
        bar = Bar(self.symbol, self.open_e4, self.high_e4, self.low_e4, self.close_e4, self.volume, self.start_ns)
        return TradedBar(bar, self.trades, self.turnover_e4)


def joined(bars: Sequence[TradedBar], start_ns: int) -> TradedBar:
    """One bar, beginning at `start_ns`, of a symbol's bars in time order; at least one."""
    parts = [traded.bar for traded in bars]
    bar = Bar(
        symbol=parts[0].symbol,
        open_e4=parts[0].open_e4,
        high_e4=max(part.high_e4 for part in parts),
        low_e4=min(part.low_e4 for part in parts),
        close_e4=parts[-1].close_e4,
        volume=sum(part.volume for part in parts),
        timestamp_ns=start_ns,
    )
    return TradedBar(bar, sum(traded.trades for traded in bars), sum(traded.turnover_e4 for traded in bars))
