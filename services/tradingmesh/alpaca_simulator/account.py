"""The account's money: cash, positions, marks and buying power, all exact.

The broker keeps its own books rather than the mesh's ledger, so that comparing the two at the end proves something.
"""

from collections.abc import Callable, Iterable
from decimal import ROUND_DOWN, Context, Decimal
from typing import Literal

import msgspec

from tradingmesh.core.money import EXACT, ZERO, notional
from tradingmesh.core.signal import Side

Mark = Callable[[str], Decimal]
"""The current price of a symbol."""

_CUT = Context(prec=200, rounding=ROUND_DOWN)
_QUANTUM = Decimal("1E-9")


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The account's settings, named and shaped as Alpaca's; those that no order meets are kept and given back."""

    disable_overnight_trading: bool = False
    fractional_trading: bool = True
    max_margin_multiplier: Literal["1", "2", "4"] = "4"
    max_options_trading_level: Literal[0, 1, 2, 3] = 0
    no_shorting: bool = False
    ptp_no_exception_entry: bool = False
    suspend_trade: bool = False
    trade_confirm_email: Literal["all", "none"] = "all"


class Holding:
    """One position: signed quantity and cost. Closing releases cost in proportion, cut to nine decimals.

    `cost` is what the open quantity was bought for (negative for a short one). At every moment
    cash + costs = starting cash + realised profit - commissions, to the last digit.
    """

    __slots__ = ("cost", "quantity", "realised")

    def __init__(self) -> None:
        self.quantity = ZERO
        self.cost = ZERO
        self.realised = ZERO

    def apply(self, signed_quantity: Decimal, price: Decimal) -> None:
        """Books a fill; one that passes through zero closes the old position and opens the new one."""
        closing = ZERO
        if self.quantity and (self.quantity > 0) != (signed_quantity > 0):
            closing = min(abs(signed_quantity), abs(self.quantity)).copy_sign(signed_quantity)
            self._close(closing, price)
        opening = EXACT.subtract(signed_quantity, closing)
        self.quantity = EXACT.add(self.quantity, opening)
        self.cost = EXACT.add(self.cost, notional(opening, price))

    def _close(self, closing: Decimal, price: Decimal) -> None:
        released = self.cost
        if closing != -self.quantity:
            share = _CUT.divide(_CUT.multiply(self.cost, -closing), self.quantity)
            released = share.quantize(_QUANTUM, context=_CUT)
        self.quantity = EXACT.add(self.quantity, closing)
        self.cost = EXACT.subtract(self.cost, released)
        self.realised = EXACT.add(self.realised, EXACT.subtract(-notional(closing, price), released))

    @property
    def average_price(self) -> Decimal:
        """What a share cost on average, to nine decimals: for showing."""
        return rounded_ratio(self.cost, self.quantity)


class Account:
    """Cash and positions. `commission_per_share` is charged on every share of every fill."""

    def __init__(self, cash: Decimal, commission_per_share: Decimal = ZERO) -> None:
        self.starting_cash = cash
        self.cash = cash
        self.commission_per_share = commission_per_share
        self.commissions = ZERO
        self.configuration = Configuration()
        self._holdings: dict[str, Holding] = {}

    def apply_fill(self, symbol: str, side: Side, quantity: Decimal, price: Decimal) -> Decimal:
        """Books a fill and returns its commission."""
        signed = quantity if side is Side.BUY else -quantity
        self._holdings.setdefault(symbol, Holding()).apply(signed, price)
        commission = notional(quantity, self.commission_per_share)
        self.commissions = EXACT.add(self.commissions, commission)
        self.cash = EXACT.subtract(EXACT.subtract(self.cash, notional(signed, price)), commission)
        return commission

    def quantity(self, symbol: str) -> Decimal:
        """The signed position."""
        holding = self._holdings.get(symbol)
        return holding.quantity if holding else ZERO

    def positions(self) -> dict[str, Holding]:
        """The positions that are not flat. Any thread may ask: `list` takes the items in one step."""
        return {symbol: holding for symbol, holding in list(self._holdings.items()) if holding.quantity}

    def realised(self) -> Decimal:
        """Profit of what was closed, before commissions."""
        return _sum(holding.realised for holding in self._holdings.values())

    def market_value(self, mark: Mark, side: Side) -> Decimal:
        """What the long (`BUY`) or the short (`SELL`) positions are worth; negative for short ones."""
        return _sum(
            notional(holding.quantity, mark(symbol))
            for symbol, holding in self._holdings.items()
            if holding.quantity * side.sign > 0
        )

    def equity(self, mark: Mark) -> Decimal:
        """Cash and positions at the current prices."""
        longs, shorts = self.market_value(mark, Side.BUY), self.market_value(mark, Side.SELL)
        return EXACT.add(self.cash, EXACT.add(longs, shorts))

    @property
    def multiplier(self) -> Decimal:
        """How many times its equity the account may hold."""
        return Decimal(self.configuration.max_margin_multiplier)

    def buying_power(self, mark: Mark, held: Decimal, multiplier: Decimal) -> Decimal:
        """What new positions may cost: equity x multiplier, less the positions and what open orders hold, never < 0."""
        gross = EXACT.subtract(self.market_value(mark, Side.BUY), self.market_value(mark, Side.SELL))
        total = EXACT.multiply(self.equity(mark), multiplier)
        return max(EXACT.subtract(EXACT.subtract(total, gross), held), ZERO)


def rounded_ratio(part: Decimal, whole: Decimal) -> Decimal:
    """A ratio to nine decimals; 0 where there is no whole. For showing, never for booking."""
    return _CUT.divide(part, whole).quantize(_QUANTUM, context=_CUT) if whole else ZERO


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total
