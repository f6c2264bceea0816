"""The newest orders and fills. An order's events come from several processes, so in any order, and one may lack."""

from decimal import Decimal

import msgspec

from tradingmesh.core.events import OrderCanceled, OrderFilled, OrderPlaced, OrderRejected
from tradingmesh.core.money import ZERO
from tradingmesh.core.page.rows import FILLS_MAX, ORDERS_MAX, FillRow, OrderRow, amount, milliseconds, short

Orders = tuple[OrderRow, ...]
Fills = tuple[FillRow, ...]
OrderEvent = OrderPlaced | OrderFilled | OrderCanceled | OrderRejected


def status_of(row: OrderRow) -> str:
    """Where the order stands, in Alpaca's words."""
    if row.ended:
        return row.ended
    if row.quantity is not None and row.filled >= row.quantity:
        return "filled"
    return "partially_filled" if row.filled else "new"


def with_event(orders: Orders, event: OrderEvent) -> Orders:
    """The orders after the event, newest first; the oldest goes where there is no room."""
    client_order_id = _client_order_id(event)
    at = next((n for n, row in enumerate(orders) if row.client_order_id == client_order_id), None)
    if at is None:
        return (_changed(_begun(event, client_order_id), event), *orders[: ORDERS_MAX - 1])
    return (*orders[:at], _changed(orders[at], event), *orders[at + 1 :])


def with_fill(fills: Fills, event: OrderFilled) -> Fills:
    """The fills with this one, newest first; each is there once."""
    fill = event.fill
    if any(row.fill_id == fill.fill_id for row in fills):
        return fills
    row = FillRow(
        fill_id=short(fill.fill_id),
        client_order_id=short(fill.client_order_id),
        symbol=short(fill.symbol),
        side=fill.side.value,
        quantity=amount(fill.quantity),
        price=amount(fill.price),
        commission=amount(event.commission),
        slippage=amount(event.slippage),
        booked_ms=milliseconds(event.metadata.timestamp_ns),
        trace_id=short(event.metadata.trace_id),
    )
    return (row, *fills[: FILLS_MAX - 1])


def _client_order_id(event: OrderEvent) -> str:
    return short(event.fill.client_order_id if isinstance(event, OrderFilled) else event.client_order_id)


def _begun(event: OrderEvent, client_order_id: str) -> OrderRow:
    told = event.fill if isinstance(event, OrderFilled) else event
    side = told.side.value if isinstance(event, OrderPlaced | OrderFilled) else ""  # type: ignore[union-attr]
    meta = event.metadata
    at_ms, trace_id = milliseconds(meta.timestamp_ns), short(meta.trace_id)
    return OrderRow(client_order_id, short(told.symbol), side, None, ZERO, "", "", at_ms, trace_id)


def _changed(row: OrderRow, event: OrderEvent) -> OrderRow:
    match event:
        case OrderPlaced():
            quantity = _number(event.quantity)
            return msgspec.structs.replace(row, quantity=quantity, side=event.side.value)
        case OrderFilled():
            return msgspec.structs.replace(row, filled=_more(row, event.fill.cumulative_quantity))
        case OrderCanceled():
            filled = _more(row, event.filled_quantity)
            return msgspec.structs.replace(row, filled=filled, ended=short(event.status))
        case OrderRejected():
            return msgspec.structs.replace(row, ended="rejected", reason=short(event.reason))


def _more(row: OrderRow, quantity: Decimal) -> Decimal:
    """Fills of one order may come out of order: the largest sum counts."""
    return max(row.filled, _number(quantity) or ZERO)


def _number(value: Decimal) -> Decimal | None:
    return value if value.is_finite() else None
