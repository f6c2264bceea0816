"""A strategy of your own: buy when the price leaves its average by a band, sell when it comes back.

Run it with the whole mesh, from the root of the repository:

    TRADINGMESH_STRATEGY_PATH=examples .venv/bin/tradingmesh up -f examples/breakout.yaml
"""

from collections.abc import Sequence
from decimal import Decimal

from tradingmesh.core.errors import ConfigError
from tradingmesh.core.market import Trade
from tradingmesh.core.signal import Side
from tradingmesh.core.signals.features import Ema
from tradingmesh.core.strategy import NONE, Strategy, Wish


class Breakout(Strategy):
    """The manifest's `params` are the arguments of the constructor; the symbols' states are kept apart here."""

    def __init__(self, period: int = 50, band_percent: float = 0.1, quantity: int = 100) -> None:
        if not 0 < band_percent < 100:
            raise ConfigError(f"band_percent: {band_percent} is not between 0 and 100")
        self._period = period
        self._band = band_percent / 100
        self._quantity = Decimal(quantity)
        self._averages: dict[str, Ema] = {}
        self._long: set[str] = set()
        self._asked: set[str] = set()

    def on_trade(self, trade: Trade) -> Sequence[Wish]:
        """Told of each trade of its symbols; answers with what it would trade, mostly nothing."""
        symbol, price_e4 = trade.symbol, trade.price_e4
        average = self._averages.setdefault(symbol, Ema(self._period))
        average.update(price_e4)
        if average.count < self._period or symbol in self._asked:
            return NONE
        if symbol not in self._long and price_e4 > average.value * (1 + self._band):
            return self._wish(symbol, Side.BUY, price_e4)
        if symbol in self._long and price_e4 < average.value:
            return self._wish(symbol, Side.SELL, price_e4)
        return NONE

    def on_approved(self, wish: Wish) -> None:
        """The order is on its way: only now it counts as held, or sold."""
        self._asked.discard(wish.symbol)
        (self._long.add if wish.side is Side.BUY else self._long.discard)(wish.symbol)

    def on_refused(self, wish: Wish) -> None:
        """Nothing was traded."""
        self._asked.discard(wish.symbol)

    def _wish(self, symbol: str, side: Side, price_e4: int) -> Sequence[Wish]:
        self._asked.add(symbol)
        return (Wish(symbol, side, self._quantity, price_e4, reason="breakout"),)
