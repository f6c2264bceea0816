"""Positions and cash by average cost, exact: nothing is rounded, and cash + cost - realised never changes.

A position keeps its total cost, not an average price. When part of it closes, the closed part takes
`cost x closed / quantity` of the cost, cut to nine decimals; the rest stays with what is still open, and the last share
to close takes all that remains. A fill through zero closes first and opens with what is left. Commission reduces cash
and realised alike.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Context, Decimal

from tradingmesh.core.fills import Fill, Position
from tradingmesh.core.money import EXACT, ZERO
from tradingmesh.core.signal import Side

SHARE_DECIMALS = 9
_SHARE_STEP = Decimal(1).scaleb(-SHARE_DECIMALS)
# Wide enough that the product is exact, so that cutting twice (at 200 digits, then at nine decimals) cuts once.
_CUT = Context(prec=200, rounding=ROUND_DOWN)


def cash_impact(side: Side, quantity: Decimal, price: Decimal, commission: Decimal) -> Decimal:
    """What a fill does to cash: a buy pays, a sell earns, both pay the commission."""
    earned = EXACT.multiply(EXACT.multiply(quantity, price), -side.sign)
    return EXACT.subtract(earned, commission)


def taken_over(quantity: Decimal, price: Decimal) -> Decimal:
    """What it does to cash to take over a position at a price: equity stays as it is."""
    return EXACT.multiply(EXACT.multiply(quantity, price), Decimal(-1))


def share_of_cost(position: Position, closed: Decimal) -> Decimal:
    """The part of the cost that leaves with `closed` of the position's quantity (unsigned)."""
    held = position.quantity.copy_abs()
    if closed == held:
        return position.cost
    if closed == 0:
        return ZERO
    exact = _CUT.divide(_CUT.multiply(position.cost, closed), held)
    return exact.quantize(_SHARE_STEP, context=_CUT)


def after_fill(position: Position, side: Side, quantity: Decimal, price: Decimal, commission: Decimal) -> Position:
    """The position once `quantity` (positive) was bought or sold at `price`."""
    sign = side.sign
    opposite = position.quantity < 0 if sign > 0 else position.quantity > 0
    closed = min(quantity, position.quantity.copy_abs()) if opposite else ZERO
    share = share_of_cost(position, closed)
    earned = EXACT.multiply(EXACT.multiply(closed, price), -sign)
    gained = EXACT.subtract(EXACT.subtract(earned, share), commission)
    opened = EXACT.multiply(EXACT.multiply(EXACT.subtract(quantity, closed), price), sign)
    return Position(
        symbol=position.symbol,
        quantity=EXACT.add(position.quantity, EXACT.multiply(quantity, sign)),
        cost=EXACT.add(EXACT.subtract(position.cost, share), opened),
        realised=EXACT.add(position.realised, gained),
    )


class Ledger:
    """Cash and every position ever held. A position that closed stays, flat, with what it earned."""

    def __init__(self, cash: Decimal) -> None:
        self.cash = cash
        self._positions: dict[str, Position] = {}

    def position(self, symbol: str) -> Position:
        """The position in `symbol`: flat where there never was one."""
        return self._positions.get(symbol) or Position(symbol, ZERO, ZERO, ZERO)

    def positions(self) -> Iterable[Position]:
        """Every position, in the order of their first fills."""
        return self._positions.values()

    def book(self, fill: Fill, commission: Decimal) -> tuple[Position, Position]:
        """Books one fill; returns the position before and after. Changes nothing if it raises (`Inexact`)."""
        before = self.position(fill.symbol)
        after = after_fill(before, fill.side, fill.quantity, fill.price, commission)
        self.cash = EXACT.add(self.cash, cash_impact(fill.side, fill.quantity, fill.price, commission))
        self._positions[fill.symbol] = after
        return before, after

    def knows(self, symbol: str) -> bool:
        """Whether there ever was a position in it."""
        return symbol in self._positions

    def take_over(self, symbol: str, quantity: Decimal, price: Decimal) -> None:
        """A position that the account had before, as though it were bought (or sold short) now, at what it is worth."""
        self.cash = EXACT.add(self.cash, taken_over(quantity, price))
        self._positions[symbol] = Position(symbol, quantity, EXACT.multiply(quantity, price), ZERO)

    def load(self, cash: Decimal, positions: Iterable[Position]) -> None:
        """Takes what a snapshot has, in place of all."""
        self.cash = cash
        self._positions = {position.symbol: position for position in positions}

    @property
    def realised(self) -> Decimal:
        """Realised profit since the start, commissions taken off."""
        return total(position.realised for position in self._positions.values())

    def unrealised(self, marks: Mapping[str, Decimal]) -> Decimal:
        """What the open positions would earn, sold at `marks`. Raises `KeyError` for an open position without one."""
        return total(
            EXACT.subtract(EXACT.multiply(position.quantity, marks[position.symbol]), position.cost)
            for position in self._positions.values()
            if position.quantity
        )

    def equity(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Cash plus the value of every open position at `marks`."""
        held = total(
            EXACT.multiply(position.quantity, marks[position.symbol])
            for position in self._positions.values()
            if position.quantity
        )
        return EXACT.add(self.cash, held)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result
