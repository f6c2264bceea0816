"""`mean-reversion`: long where the mid has fallen far below its average, flat again once it is back."""

from collections.abc import Sequence
from decimal import Decimal

from tradingmesh.core.errors import ConfigError
from tradingmesh.core.market import Quote
from tradingmesh.core.signal import Side
from tradingmesh.core.signals.features import ZScore, mid_e4
from tradingmesh.core.strategy import NONE, Strategy, Wish
from tradingmesh.strategies.holding import Holding
from tradingmesh.strategies.params import period, threshold
from tradingmesh.strategies.params import quantity as exact_quantity


class _Symbol:
    __slots__ = ("holding", "score")

    def __init__(self, window: int) -> None:
        self.score = ZScore(window)
        self.holding = Holding(pause=window)


class MeanReversion(Strategy):
    """Buys `quantity` where the mid lies `entry` standard deviations below its average, sells within `exit` of it.

    Average and deviation are exponential over `window` quotes; nothing is wished before as many. It is long or flat,
    never short.
    """

    def __init__(
        self,
        window: int = 200,
        entry: float = 2.0,
        exit: float = 0.5,  # noqa: A002 - the manifest's word for it
        quantity: int | str | Decimal = 100,
    ) -> None:
        """Raises `ConfigError` naming a wrong parameter."""
        self._window = period("window", window)
        self._entry = threshold("entry", entry)
        self._exit = threshold("exit", exit)
        self._quantity = exact_quantity("quantity", quantity)
        if exit >= entry:
            raise ConfigError(f"exit: {exit} is not below entry {entry}")
        self._symbols: dict[str, _Symbol] = {}

    def on_quote(self, quote: Quote) -> Sequence[Wish]:
        """A sample, where both sides are quoted."""
        if not (quote.bid_e4 and quote.ask_e4):
            return NONE
        state = self._symbols.get(quote.symbol)
        if state is None:
            state = self._symbols[quote.symbol] = _Symbol(self._window)
        mid = mid_e4(quote.bid_e4, quote.ask_e4)
        score = state.score.update(mid)
        holding = state.holding
        acts = score >= -self._exit if holding.long else score <= -self._entry
        if acts and state.score.count >= self._window and holding.may_wish():
            holding.wished()
            side = Side.SELL if holding.long else Side.BUY
            return (Wish(quote.symbol, side, self._quantity, int(mid), reason=f"score {score:.2f}"),)
        return NONE

    def on_approved(self, wish: Wish) -> None:
        """The side has changed."""
        self._symbols[wish.symbol].holding.approved()

    def on_refused(self, wish: Wish) -> None:
        """Nothing has changed; another try waits for `window` quotes at which it would act."""
        self._symbols[wish.symbol].holding.refused()
