"""What a client sends to place or replace an order, read into `NewOrder` and `Changes`, or refused as Alpaca does."""

from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from tradingmesh.alpaca_simulator import refusals
from tradingmesh.alpaca_simulator.orders import NewOrder
from tradingmesh.core.errors import InputError
from tradingmesh.core.money import PRICE_DECIMALS, QUANTITY_DECIMALS, parse
from tradingmesh.core.signal import OrderType, Side, TimeInForce

CLIENT_ORDER_ID_MAX = 128
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
AMOUNT_MAX = Decimal(10**9)
"""The largest quantity, notional and price: what keeps every product exact within 60 digits."""


class OrderBody(msgspec.Struct, frozen=True):
    """The JSON body of POST /v2/orders; numbers may be JSON numbers or text, both are read exactly."""

    symbol: str | None = None
    side: str | None = None
    type: str | None = None
    time_in_force: str | None = None
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    extended_hours: bool | None = None
    client_order_id: str | None = None
    order_class: str | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    legs: Any = None
    take_profit: Any = None
    stop_loss: Any = None


class ReplaceBody(msgspec.Struct, frozen=True):
    """The JSON body of PATCH /v2/orders/{order_id}."""

    qty: Decimal | None = None
    notional: Decimal | None = None
    time_in_force: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    client_order_id: str | None = None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a replacement changes; what is None stays as it was."""

    quantity: Decimal | None = None
    time_in_force: TimeInForce | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    client_order_id: str = ""


_read_order = msgspec.json.Decoder(OrderBody)
_read_replace = msgspec.json.Decoder(ReplaceBody)


def read_new_order(raw: bytes) -> NewOrder:
    """The order that the body asks for. Raises `RefusalError`."""
    body = _decode(_read_order, raw)
    if body.order_class not in (None, "", "simple") or body.legs or body.take_profit or body.stop_loss:
        raise refusals.unprocessable(f"order_class {body.order_class or 'complex'} is not supported by the simulator")
    if body.type == "trailing_stop" or body.trail_price is not None or body.trail_percent is not None:
        raise refusals.unprocessable("trailing_stop orders are not supported by the simulator")
    if body.time_in_force in ("opg", "cls"):
        raise refusals.unprocessable(f"time_in_force {body.time_in_force} is not supported by the simulator")
    if not body.symbol:
        raise refusals.invalid("symbol is required")
    if (body.qty is None) == (body.notional is None):
        wanted = "qty or notional is required" if body.qty is None else "only one of qty or notional is accepted"
        raise refusals.invalid(wanted)
    order = NewOrder(
        symbol=body.symbol,
        side=_enum(Side, "side", body.side),
        type=_enum(OrderType, "type", body.type),
        time_in_force=_enum(TimeInForce, "time_in_force", body.time_in_force),
        quantity=_amount("qty", body.qty, QUANTITY_DECIMALS),
        notional=_amount("notional", body.notional, QUANTITY_DECIMALS),
        limit_price=_price("limit_price", body.limit_price),
        stop_price=_price("stop_price", body.stop_price),
        extended_hours=bool(body.extended_hours),
        client_order_id=_client_order_id(body.client_order_id),
    )
    check_consistent(order)
    return order


def read_changes(raw: bytes) -> Changes:
    """The changes that the body asks for. Raises `RefusalError`."""
    body = _decode(_read_replace, raw)
    if body.notional is not None:
        raise refusals.unprocessable("notional orders cannot be replaced")
    if body.trail is not None:
        raise refusals.unprocessable("trail is only valid for trailing_stop orders")
    tif = None if body.time_in_force is None else _enum(TimeInForce, "time_in_force", body.time_in_force)
    return Changes(
        quantity=_amount("qty", body.qty, QUANTITY_DECIMALS),
        time_in_force=tif,
        limit_price=_price("limit_price", body.limit_price),
        stop_price=_price("stop_price", body.stop_price),
        client_order_id=_client_order_id(body.client_order_id),
    )


def check_consistent(order: NewOrder) -> None:
    """That the parts of the order go together. Raises `RefusalError`."""
    wants_limit = order.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    wants_stop = order.type in (OrderType.STOP, OrderType.STOP_LIMIT)
    if wants_limit != (order.limit_price is not None):
        raise refusals.invalid(f"{order.type} orders {'require' if wants_limit else 'must not have'} limit_price")
    if wants_stop != (order.stop_price is not None):
        raise refusals.invalid(f"{order.type} orders {'require' if wants_stop else 'must not have'} stop_price")
    if order.extended_hours and (order.type is not OrderType.LIMIT or order.time_in_force in IMMEDIATE):
        raise refusals.unprocessable("extended hours order must be DAY or GTC limit orders")
    if order.notional is not None and order.type is not OrderType.MARKET:
        raise refusals.unprocessable("notional orders must be market orders")
    if is_fractional(order.quantity) and order.time_in_force is not TimeInForce.DAY:
        raise refusals.unprocessable("fractional orders must be DAY orders")


def is_fractional(quantity: Decimal | None) -> bool:
    """Whether this is not a number of whole shares; the quantity of a notional order (None) never is."""
    return quantity is None or quantity != quantity.to_integral_value()


def _decode(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise refusals.malformed() from None


def _enum(kind: type[E], field: str, value: str | None) -> E:
    if value is None:
        raise refusals.invalid(f"{field} is required")
    try:
        return kind(value)
    except ValueError:
        raise refusals.invalid(f"invalid {field} {value[:40]!r}") from None


def _amount(field: str, value: Decimal | None, decimals: int) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = parse(value, field=field, decimals=decimals)
    except InputError as error:
        raise refusals.invalid(str(error)) from None
    if amount <= 0:
        raise refusals.unprocessable(f"{field} must be > 0")
    if amount > AMOUNT_MAX:
        raise refusals.unprocessable(f"{field} must be <= {AMOUNT_MAX}")
    return amount


def _price(field: str, value: Decimal | None) -> Decimal | None:
    price = _amount(field, value, PRICE_DECIMALS)
    if price is None:
        return None
    increment = Decimal("0.01") if price >= 1 else Decimal("0.0001")
    if price % increment:
        raise refusals.sub_penny(field, price)
    return price


def _client_order_id(value: str | None) -> str:
    if value is not None and len(value) > CLIENT_ORDER_ID_MAX:
        raise refusals.invalid(f"client_order_id must be no more than {CLIENT_ORDER_ID_MAX} characters")
    return value or ""
