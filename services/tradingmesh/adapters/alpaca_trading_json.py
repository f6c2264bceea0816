"""Alpaca's trading JSON, read into order updates and written from orders. Money stays text on its way to `Decimal`.

Three places tell of an order, in three shapes: the `trade_updates` stream, the orders endpoint, and the account
activities of type FILL (docs.alpaca.markets: "Websocket streaming", "Orders", "Account activities").
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tradingmesh.core.errors import InputError
from tradingmesh.core.money import PRICE_DECIMALS, QUANTITY_DECIMALS, ZERO, parse, plain
from tradingmesh.core.orders.effects import Held
from tradingmesh.core.orders.record import Execution, Order, OrderEvent, OrderUpdate
from tradingmesh.core.signal import Side

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_SECOND = timedelta(seconds=1)
CASH_DECIMALS = 27
"""A commission is a rate times a quantity, which may be finer than a price."""
_EVENT_OF_STATUS = {
    "partially_filled": OrderEvent.PARTIAL_FILL,
    "filled": OrderEvent.FILL,
    "accepted_for_bidding": OrderEvent.ACCEPTED,
    "held": OrderEvent.ACCEPTED,
}
Json = Mapping[str, Any]


def stream_update(data: Json) -> OrderUpdate:
    """What `trade_updates` says. Raises `InputError` naming the field that does not fit."""
    order = _mapping(data, "order")
    event = _text(data, "event")
    fills = event in (OrderEvent.FILL, OrderEvent.PARTIAL_FILL)
    execution = _execution(data, str(data.get("execution_id") or "")) if fills else None
    when = data.get("timestamp") or order.get("updated_at") or order.get("created_at")
    return _consistent(_update(order, event, time_ns(when, "timestamp"), execution))


def order_update(order: Json) -> OrderUpdate:
    """What the orders endpoint says: the order's status as the event that led there. Raises `InputError`."""
    status = _text(order, "status")
    when = order.get("updated_at") or order.get("submitted_at") or order.get("created_at")
    return _update(order, _EVENT_OF_STATUS.get(status, status), time_ns(when, "updated_at"), None)


def fill_update(activity: Json) -> OrderUpdate:
    """What an account activity says. Its id is a time, `::` and, as far as is known, the execution's id.

    Raises `InputError`.
    """
    update = OrderUpdate(
        event=_text(activity, "type"),
        order_id=_text(activity, "order_id"),
        client_order_id="",
        symbol=_text(activity, "symbol"),
        side=_side(activity),
        cumulative_quantity=_quantity(activity, "cum_qty"),
        timestamp_ns=time_ns(activity.get("transaction_time"), "transaction_time"),
        execution=_execution(activity, _text(activity, "id").rpartition("::")[2]),
    )
    return _consistent(update)


def clock_ns(clock: Json) -> int:
    """What time it is at the broker. Raises `InputError`."""
    return time_ns(clock.get("timestamp"), "timestamp")


def held_position(position: Json) -> Held:
    """What the positions endpoint says of one. Raises `InputError`."""
    quantity = parse(position.get("qty") or "", field="qty", decimals=QUANTITY_DECIMALS).copy_abs()
    price = position.get("current_price") or position.get("avg_entry_price") or ""
    return Held(
        symbol=_text(position, "symbol"),
        quantity=-quantity if _text(position, "side") == "short" else quantity,
        price=parse(price, field="current_price", decimals=PRICE_DECIMALS),
    )


def account_cash(account: Json) -> Decimal:
    """The account's cash. Raises `InputError`."""
    return parse(account.get("cash") or "", field="cash", decimals=CASH_DECIMALS)


def order_request(order: Order) -> dict[str, str]:
    """The body of POST /v2/orders."""
    body = {
        "symbol": order.symbol,
        "side": order.side.value,
        "qty": plain(order.quantity),
        "type": order.order_type.value,
        "time_in_force": order.time_in_force.value,
        "client_order_id": order.client_order_id,
    }
    if order.limit_price is not None:
        body["limit_price"] = plain(order.limit_price)
    if order.stop_price is not None:
        body["stop_price"] = plain(order.stop_price)
    return body


def time_ns(text: object, field: str) -> int:
    """Nanoseconds of an RFC 3339 time. Raises `InputError` naming the field."""
    match = _TIME.fullmatch(str(text))
    if match is None:
        raise InputError(f"{field}: {text!r} is not an RFC 3339 time")
    whole, digits, offset = match.groups()
    try:
        moment = datetime.fromisoformat(whole + offset)
    except ValueError:
        raise InputError(f"{field}: {text!r} is not a time") from None
    return (moment - _EPOCH) // _SECOND * 1_000_000_000 + int((digits or "0").ljust(9, "0"))


def rfc3339(at_ns: int) -> str:
    """The time to the microsecond, rounded down."""
    moment = _EPOCH + timedelta(microseconds=at_ns // 1_000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _update(order: Json, event: str, timestamp_ns: int, execution: Execution | None) -> OrderUpdate:
    filled = order.get("filled_qty")
    quantity = order.get("qty")
    created = order.get("submitted_at") or order.get("created_at")
    return OrderUpdate(
        event=event,
        order_id=_text(order, "id"),
        client_order_id=_text(order, "client_order_id"),
        symbol=_text(order, "symbol"),
        side=_side(order),
        cumulative_quantity=ZERO if filled is None else _quantity(order, "filled_qty"),
        timestamp_ns=timestamp_ns,
        quantity=None if quantity is None else _quantity(order, "qty"),
        execution=execution,
        created_ns=time_ns(created, "created_at") if created else 0,
        limit_price=_amount(order, "limit_price"),
        stop_price=_amount(order, "stop_price"),
        notional=_amount(order, "notional"),
    )


def _consistent(update: OrderUpdate) -> OrderUpdate:
    """A fill is told from the next by what its order had filled with it, so that must be said, and fit."""
    execution, filled = update.execution, update.cumulative_quantity
    if execution is not None and execution.quantity > filled:
        raise InputError(f"a fill of {execution.quantity} is more than the {filled} that its order has filled")
    return update


def _execution(data: Json, fill_id: str) -> Execution:
    price = parse(data.get("price") or "", field="price", decimals=PRICE_DECIMALS)
    quantity = _quantity(data, "qty")
    if quantity <= 0 or price <= 0:
        raise InputError(f"a fill of {quantity} at {price}")
    return Execution(fill_id, quantity, price)


def _amount(data: Json, field: str) -> Decimal | None:
    """Dollars, where there are any: a market order's limit price is null."""
    value = data.get(field)
    return None if value is None else parse(value, field=field, decimals=PRICE_DECIMALS)


def _quantity(data: Json, field: str) -> Decimal:
    value = data.get(field)
    quantity = parse("" if value is None else value, field=field, decimals=QUANTITY_DECIMALS)
    if quantity < 0:
        raise InputError(f"{field}: {quantity} is negative")
    return quantity


def _side(data: Json) -> Side:
    side = data.get("side")
    if side == "sell_short":
        return Side.SELL
    try:
        return Side(str(side))
    except ValueError:
        raise InputError(f"side: {side!r} is neither buy nor sell") from None


def _text(data: Json, field: str) -> str:
    value = data.get(field)
    if not isinstance(value, str) or not value:
        raise InputError(f"{field}: {value!r} where text belongs")
    return value


def _mapping(data: Json, field: str) -> Json:
    value = data.get(field)
    if not isinstance(value, Mapping):
        raise InputError(f"{field}: {value!r} where an object belongs")
    return value
