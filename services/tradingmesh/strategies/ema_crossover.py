"""`ema-crossover`: long while the fast average is above the slow one, flat while it is below."""

from collections.abc import Sequence
from decimal import Decimal

from tradingmesh.core.errors import ConfigError
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.signal import Side
from tradingmesh.core.signals.features import Ema, mid_e4
from tradingmesh.core.strategy import NONE, Strategy, Wish
from tradingmesh.strategies.holding import Holding
from tradingmesh.strategies.params import period
from tradingmesh.strategies.params import quantity as exact_quantity


class _Symbol:
    __slots__ = ("fast", "holding", "slow")

    def __init__(self, fast: int, slow: int) -> None:
        self.fast = Ema(fast)
        self.slow = Ema(slow)
        self.holding = Holding(pause=slow)


class EmaCrossover(Strategy):
    """Buys `quantity` where the fast average of the price rises above the slow one, sells it where it falls below.

    The averages follow trades, or the mid of the quotes with `on: mid`. Nothing is wished before `slow` samples. It is
    long or flat, never short: Alpaca takes no order that turns a long position into a short one.
    """

    def __init__(self, fast: int = 10, slow: int = 50, quantity: int | str | Decimal = 100, on: str = "trade") -> None:
        """Raises `ConfigError` naming a wrong parameter."""
        self._fast = period("fast", fast)
        self._slow = period("slow", slow)
        self._quantity = exact_quantity("quantity", quantity)
        if fast >= slow:
            raise ConfigError(f"fast: {fast} is not below slow {slow}")
        if on not in ("trade", "mid"):
            raise ConfigError(f"on: {on!r} is neither 'trade' nor 'mid'")
        self._on_trades = on == "trade"
        self._symbols: dict[str, _Symbol] = {}

    def on_trade(self, trade: Trade) -> Sequence[Wish]:
        """A sample, unless the averages follow the mid."""
        if self._on_trades:
            return self._sample(trade.symbol, trade.price_e4)
        return NONE

    def on_quote(self, quote: Quote) -> Sequence[Wish]:
        """A sample where the averages follow the mid."""
        if self._on_trades or not (quote.bid_e4 and quote.ask_e4):
            return NONE
        return self._sample(quote.symbol, mid_e4(quote.bid_e4, quote.ask_e4))

    def on_approved(self, wish: Wish) -> None:
        """The side has changed."""
        self._symbols[wish.symbol].holding.approved()

    def on_refused(self, wish: Wish) -> None:
        """Nothing has changed; another try waits for `slow` samples at which it would act."""
        self._symbols[wish.symbol].holding.refused()

    def _sample(self, symbol: str, price_e4: float) -> Sequence[Wish]:
        state = self._symbols.get(symbol)
        if state is None:
            state = self._symbols[symbol] = _Symbol(self._fast, self._slow)
        fast = state.fast.update(price_e4)
        slow = state.slow.update(price_e4)
        holding = state.holding
        if (fast < slow if holding.long else fast > slow) and state.slow.count >= self._slow and holding.may_wish():
            holding.wished()
            side = Side.SELL if holding.long else Side.BUY
            return (Wish(symbol, side, self._quantity, int(price_e4), reason=f"fast {fast:.2f}, slow {slow:.2f}"),)
        return NONE
