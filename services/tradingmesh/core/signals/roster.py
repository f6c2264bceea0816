"""The strategies at work: who hears which event, what they wish, and who was stopped because it raised.

The code of a strategy is its author's. Whatever it raises stops that strategy alone: it is told of nothing any more,
and the others go on.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from tradingmesh.core.market import Bar, MarketEvent, Quote, Trade
from tradingmesh.core.money import PRICE_E4_MAX
from tradingmesh.core.strategy import Strategy, Wish


class Running(NamedTuple):
    """A strategy at work: the manifest's name and symbols, and the instance."""

    name: str
    symbols: frozenset[str]
    strategy: Strategy


class Wished(msgspec.Struct, frozen=True):
    """A strategy's wish at a market time."""

    by: Running
    wish: Wish
    market_ns: int


class StrategyStopped(msgspec.Struct, frozen=True):
    """A strategy raised, and is told of nothing any more."""

    name: str
    error: str


Heard = Sequence[Wished | StrategyStopped]
_Handlers = list[tuple[Running, Callable[[Any], Sequence[Wish]]]]


class Roster:
    """All strategies of one signal generator. `stopped` has the error of each that was stopped."""

    def __init__(self, running: Iterable[Running]) -> None:
        self._handlers: dict[type, dict[str, _Handlers]] = {Trade: {}, Quote: {}, Bar: {}}
        self.stopped: dict[str, str] = {}
        for one in running:
            self._enlist(one)

    def on_event(self, event: MarketEvent) -> Heard:
        """Tells the event to the strategies of its symbol, and returns what they wish: nearly always nothing."""
        handlers = self._handlers[type(event)].get(event.symbol)
        if handlers is None:
            return ()
        heard: list[Wished | StrategyStopped] | None = None
        for by, handle in handlers:
            try:
                wishes = handle(event)
                if wishes:
                    heard = heard or []
                    heard.extend([Wished(by, _checked(wish), event.timestamp_ns) for wish in wishes])
            except Exception as error:  # noqa: BLE001 - a strategy is its author's code; its fault stops it alone
                heard = [*(heard or []), self._stop(by, error)]
        return heard or ()

    def approved(self, by: Running, wish: Wish) -> Sequence[StrategyStopped]:
        """Tells a strategy that its wish was approved."""
        return self._tell(by, by.strategy.on_approved, wish)

    def refused(self, by: Running, wish: Wish) -> Sequence[StrategyStopped]:
        """Tells a strategy that its wish was refused."""
        return self._tell(by, by.strategy.on_refused, wish)

    def _tell(self, by: Running, tell: Callable[[Wish], None], wish: Wish) -> Sequence[StrategyStopped]:
        if by.name in self.stopped:
            return ()
        try:
            tell(wish)
        except Exception as error:  # noqa: BLE001 - a strategy is its author's code; its fault stops it alone
            return (self._stop(by, error),)
        return ()

    def _enlist(self, one: Running) -> None:
        """Only overridden methods are called: a strategy of trades costs nothing at a quote."""
        strategy, kind = one.strategy, type(one.strategy)
        for event, method, handle in (
            (Trade, Strategy.on_trade, strategy.on_trade),
            (Quote, Strategy.on_quote, strategy.on_quote),
            (Bar, Strategy.on_bar, strategy.on_bar),
        ):
            if getattr(kind, method.__name__) is not method:
                for symbol in one.symbols:
                    self._handlers[event].setdefault(symbol, []).append((one, handle))

    def _stop(self, by: Running, error: Exception) -> StrategyStopped:
        self.stopped[by.name] = f"{type(error).__name__}: {error}"
        for by_symbol in self._handlers.values():
            for symbol in by_symbol:
                by_symbol[symbol] = [entry for entry in by_symbol[symbol] if entry[0] is not by]
        return StrategyStopped(by.name, self.stopped[by.name])


def _checked(wish: object) -> Wish:
    if not isinstance(wish, Wish):
        raise TypeError(f"a strategy returned {wish!r}, which is no Wish")
    price_e4: object = wish.reference_price_e4  # a strategy's author need not have run a type checker
    if not isinstance(price_e4, int) or not 0 <= price_e4 <= PRICE_E4_MAX:
        raise TypeError(f"a strategy wished with a reference_price_e4 of {price_e4!r:.40}")
    optional = {"limit_price": wish.limit_price, "stop_price": wish.stop_price}
    amounts = {name: value for name, value in optional.items() if value is not None}
    for name, amount in ({"quantity": wish.quantity} | amounts).items():
        if not isinstance(amount, Decimal):
            raise TypeError(f"a strategy wished with a {name} of {amount!r:.40}, which is no Decimal")
    return wish
