"""A strategy that wishes at random: what it wants is of no interest, only what becomes of it."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from tradingmesh.core.market import Quote
from tradingmesh.core.signal import OrderType, Side
from tradingmesh.core.strategy import NONE, Strategy, Wish

QUANTITY_MAX = 100


class Whims(Strategy):
    """Wishes at each quote with a chance; `chance` is changed from outside."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.chance = 0.0

    def on_quote(self, quote: Quote) -> Sequence[Wish]:
        """Now and then a wish."""
        if self._random.random() >= self.chance:
            return NONE
        side = Side.BUY if self._random.random() < 0.6 else Side.SELL
        quantity = Decimal(self._random.randint(1, QUANTITY_MAX))
        price_e4 = (quote.bid_e4 + quote.ask_e4) // 2
        if self._random.random() < 0.3:
            limit = Decimal(price_e4 // 100).scaleb(-2)
            return [Wish(quote.symbol, side, quantity, price_e4, OrderType.LIMIT, limit_price=limit)]
        return [Wish(quote.symbol, side, quantity, price_e4)]
