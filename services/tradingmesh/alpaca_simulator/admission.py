"""Whether the account may place an order: settings, wash trades, the position it closes or the buying power it needs.

Each check raises `RefusalError`; none changes anything.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from tradingmesh.alpaca_simulator import refusals
from tradingmesh.alpaca_simulator.account import Account, Configuration, Mark
from tradingmesh.alpaca_simulator.order_body import is_fractional
from tradingmesh.alpaca_simulator.orders import NewOrder, Order
from tradingmesh.alpaca_simulator.symbol_book import SymbolBook
from tradingmesh.core.money import EXACT, ZERO, notional, of_e4
from tradingmesh.core.signal import OrderType, Side

NOTIONAL_MIN = Decimal(1)
_MARKET_MARGIN = Decimal("1.03")
"""A market order is held at 3 % past the touch, and a short sale at no less (Alpaca: "Understand orders")."""


class Standing(NamedTuple):
    """What an order is measured against; `open_orders` are all of the account's but the one that is replaced."""

    account: Account
    book: SymbolBook
    mark: Mark
    open_orders: Sequence[Order]


def admit(order: NewOrder, standing: Standing) -> tuple[str, Decimal]:
    """The order's position intent, and what is held for each of its shares. Raises `RefusalError`."""
    account, book, mark, open_orders = standing
    others = [other for other in open_orders if other.symbol == order.symbol]
    check_settings(order, account.configuration)
    check_wash_trade(order, others)
    position = account.quantity(order.symbol)
    if position * order.side.sign < 0:
        check_closing(order, position, others, book)
        return f"{order.side}_to_close", ZERO
    if order.side is Side.SELL:
        check_shorting(order, account.configuration)
    hold = hold_price(order, book)
    cost = (order.notional or ZERO) if order.quantity is None else notional(order.quantity, hold)
    available = account.buying_power(mark, held_cost(open_orders), account.multiplier)
    if cost > available:
        raise refusals.insufficient_buying_power(available, cost)
    return f"{order.side}_to_open", hold


def check_settings(order: NewOrder, settings: Configuration) -> None:
    """What the account's configuration and Alpaca's smallest order say."""
    if settings.suspend_trade:
        raise refusals.forbidden("trade suspended by user")
    if is_fractional(order.quantity) and not settings.fractional_trading:
        raise refusals.forbidden("account is not allowed to trade fractional shares")
    if order.notional is not None and order.notional < NOTIONAL_MIN:
        raise refusals.forbidden(f"cost basis must be >= minimal amount of order {NOTIONAL_MIN}")


def check_wash_trade(order: NewOrder, others: Iterable[Order]) -> None:
    """No open order on the other side that could trade with this one."""
    for other in others:
        if other.side is order.side:
            continue
        if order.limit_price is None or other.limit_price is None:
            raise refusals.wash_trade(other.order_id, "market/stop")
        buy, sell = (order, other) if order.side is Side.BUY else (other, order)
        if (buy.limit_price or ZERO) >= (sell.limit_price or ZERO):
            raise refusals.wash_trade(other.order_id, "limit")


def check_closing(order: NewOrder, position: Decimal, others: Iterable[Order], book: SymbolBook) -> None:
    """A closing order closes no more than the position has, less what other orders close already."""
    existing = abs(position)
    held = held_quantity(others, order.side, book)
    requested = wanted_quantity(order, book)
    if requested > EXACT.subtract(existing, held):
        raise refusals.insufficient_quantity(order.symbol, requested, existing, held)


def check_shorting(order: NewOrder, settings: Configuration) -> None:
    """Short sales are of whole shares, and may be switched off."""
    if settings.no_shorting:
        raise refusals.forbidden("account is not allowed to short")
    if is_fractional(order.quantity):
        raise refusals.unprocessable("fractional orders cannot be sold short")


def held_quantity(others: Iterable[Order], side: Side, book: SymbolBook) -> Decimal:
    """The shares that open orders of this side are to close."""
    total = ZERO
    for other in others:
        if other.side is side and not opens(other):
            total = EXACT.add(total, other.leaves_at(book.price()))
    return total


def wanted_quantity(order: NewOrder, book: SymbolBook) -> Decimal:
    """The order's quantity; of a notional order an estimate at the present price."""
    if order.quantity is not None:
        return order.quantity
    price = of_e4(book.touch_e4(order.side)) or book.price()
    return (order.notional or ZERO) / price if price else ZERO


def hold_price(order: NewOrder, book: SymbolBook) -> Decimal:
    """What buying power is held at for each share of an opening order; 0 while the symbol has no price."""
    asked = order.limit_price or order.stop_price or ZERO
    if order.side is Side.BUY and order.type is not OrderType.MARKET:
        return asked
    ask = of_e4(book.touch_e4(Side.BUY)) or book.price()
    return max(asked, EXACT.multiply(ask, _MARKET_MARGIN))


def held_cost(orders: Iterable[Order]) -> Decimal:
    """The buying power that open orders hold."""
    held = ZERO
    for order in orders:
        if not opens(order):
            continue
        if order.quantity is None:
            cost = EXACT.subtract(order.notional or ZERO, order.filled_value)
        else:
            cost = notional(order.leaves_at(order.hold_price), order.hold_price)
        held = EXACT.add(held, cost)
    return held


def opens(order: Order) -> bool:
    """Whether the order was placed to open or add to a position."""
    return order.position_intent.endswith("open")
