"""What the checks know of one symbol, in scaled integers: its quote, its mark, its position and its working orders."""

from decimal import Decimal

from tradingmesh.core.money import EXACT
from tradingmesh.core.signal import Side

_E4_TO_E9 = 100_000


class SymbolBook:
    """One symbol. Prices of quotes are x 1e4 as they came, everything else x 1e9 or x 1e18.

    The mark is the mid of the newest quote; the last trade where there is no two-sided quote; the last fill's price
    where there is neither (right after a restart).

    Of the working orders' quantity, `..._marked_e9` has no price of its own and is worth the mark; of their notional
    (without that), `..._money_e18` is of orders by notional, whose quantity the mark decides. So nothing is guessed at
    when an order is taken in, perhaps before there is a price, and both follow the market.
    """

    __slots__ = (
        "ask_e4",
        "bid_e4",
        "buying_e9",
        "buying_e18",
        "buying_marked_e9",
        "buying_money_e18",
        "gross_e18",
        "held_e18",
        "last_e4",
        "quantity_e9",
        "quote_ns",
        "received_ns",
        "seed_e9",
        "selling_e9",
        "selling_e18",
        "selling_marked_e9",
        "selling_money_e18",
        "symbol",
    )

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.bid_e4 = self.ask_e4 = 0
        self.quote_ns = self.received_ns = 0
        self.last_e4 = self.seed_e9 = 0
        self.quantity_e9 = 0
        self.buying_e9 = self.selling_e9 = 0
        self.buying_e18 = self.selling_e18 = 0
        self.buying_marked_e9 = self.selling_marked_e9 = 0
        self.buying_money_e18 = self.selling_money_e18 = 0
        self.held_e18 = self.gross_e18 = 0

    @property
    def quoted(self) -> bool:
        """Whether the newest quote has both sides."""
        return self.bid_e4 > 0 and self.ask_e4 > 0

    @property
    def mid_e9(self) -> int:
        """The mid of the newest quote."""
        return (self.bid_e4 + self.ask_e4) * (_E4_TO_E9 // 2)

    @property
    def mark_e9(self) -> int:
        """What one share is worth."""
        if self.bid_e4 > 0 and self.ask_e4 > 0:  # `quoted` and `mid_e9` spelt out: this is asked for at every check
            return (self.bid_e4 + self.ask_e4) * (_E4_TO_E9 // 2)
        return self.last_e4 * _E4_TO_E9 or self.seed_e9

    @property
    def mark(self) -> Decimal:
        """What one share is worth, in dollars."""
        return Decimal(self.mark_e9).scaleb(-9, EXACT)

    def far_side_e9(self, side: Side) -> int:
        """What a market order would pay (the ask) or get (the bid)."""
        return (self.ask_e4 if side is Side.BUY else self.bid_e4) * _E4_TO_E9

    def exposure_e9(self, side: Side) -> int:
        """The position in the direction of `side` if every working order of that side fills."""
        if side is Side.BUY:
            return self.quantity_e9 + self.buying_e9 + self._shares_e9(self.buying_money_e18)
        return self.selling_e9 + self._shares_e9(self.selling_money_e18) - self.quantity_e9

    def exposure_e18(self, side: Side) -> int:
        """The same as a notional: the position at its mark, working orders at their prices."""
        if side is Side.BUY:
            return self.buying_e18 + (self.quantity_e9 + self.buying_marked_e9) * self.mark_e9
        return self.selling_e18 - (self.quantity_e9 - self.selling_marked_e9) * self.mark_e9

    def reserve(self, side: Side, quantity_e9: int, price_e9: int, money_e18: int = 0) -> None:
        """Adds a working order; negative amounts take it off again."""
        notional_e18 = quantity_e9 * price_e9 + money_e18
        marked_e9 = 0 if price_e9 else quantity_e9
        if side is Side.BUY:
            self.buying_e9 += quantity_e9
            self.buying_e18 += notional_e18
            self.buying_marked_e9 += marked_e9
            self.buying_money_e18 += money_e18
        else:
            self.selling_e9 += quantity_e9
            self.selling_e18 += notional_e18
            self.selling_marked_e9 += marked_e9
            self.selling_money_e18 += money_e18

    def _shares_e9(self, money_e18: int) -> int:
        """What the money trades at the mark, rounded up; none without a mark, where every order is refused anyway."""
        mark_e9 = self.mark_e9
        return -(-money_e18 // mark_e9) if money_e18 and mark_e9 else 0
