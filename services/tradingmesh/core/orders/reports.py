"""What the order table says of an order: the fill and the end for the ledger, the events for whoever watches."""

from decimal import Decimal

from tradingmesh.core.events import OrderCanceled, OrderPlaced, OrderRejected
from tradingmesh.core.fills import Fill, OrderClosed
from tradingmesh.core.ids import signal_of
from tradingmesh.core.money import EXACT, ZERO, plain
from tradingmesh.core.orders.effects import Tell
from tradingmesh.core.orders.record import Execution, Order, OrderStatus, OrderUpdate
from tradingmesh.core.risk.reservations import reservation_id
from tradingmesh.core.standing import OrderWorking

UNSAID_QUANTITY = Decimal(10) ** 12
"""Stands for the quantity of an order by notional: more than any fill."""
_ENDED_UNFILLED = (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REPLACED)


def fill_id_of(order_id: str, fill_id: str, cumulative: Decimal) -> str:
    """The broker's id of a fill, or one that the order and its progress decide."""
    return fill_id or f"{order_id}:{plain(cumulative)}"


def fill_keys(fill_id: str, cumulative: Decimal) -> tuple[str, str]:
    """What a fill is known by within its order: its id, and how far the order was filled with it."""
    return fill_id, f"={plain(cumulative)}"


def keys_of(update: OrderUpdate) -> tuple[str, ...]:
    """The keys of the update's execution; none where it has none."""
    if update.execution is None:
        return ()
    cumulative = update.cumulative_quantity
    return fill_keys(fill_id_of(update.order_id, update.execution.fill_id, cumulative), cumulative)


def adopted(update: OrderUpdate, filled_before: Decimal) -> Order:
    """An order that was not placed here, as we take it in. One that the broker shows no more is named by its id.

    One of ours of another outbox uses the reservation that its signal has; any other is given one of its own.
    """
    signal = signal_of(update.client_order_id)
    return Order(
        client_order_id=update.client_order_id or update.order_id,
        symbol=update.symbol,
        side=update.side,
        quantity=update.quantity if update.quantity is not None else UNSAID_QUANTITY,
        created_ns=update.created_ns,
        reservation_id=reservation_id(signal) if signal else f"o-{update.order_id}",
        limit_price=update.limit_price,
        stop_price=update.stop_price,
        order_id=update.order_id,
        filled_quantity=max(filled_before, ZERO),
        notional=update.notional,
    )


def working_of(order: Order) -> OrderWorking:
    """What an order may still fill, as its reservation is made by.

    Of an ended one that is what the broker speaks of and we have not heard. How much of a notional is left is not told
    by quantities, so all of it is, less what fills from now on.
    """
    by_notional = order.notional is not None and not order.terminal
    most = order.reported_quantity if order.terminal else max(order.quantity, order.reported_quantity)
    return OrderWorking(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        open_quantity=None if by_notional else EXACT.subtract(most, order.filled_quantity),
        price=order.limit_price if order.limit_price is not None else order.stop_price,
        open_notional=order.notional if by_notional else None,
    )


def fill_of(order: Order, update: OrderUpdate, execution: Execution) -> Fill:
    """The fill, as it is booked."""
    return Fill(
        fill_id=fill_id_of(order.order_id, execution.fill_id, update.cumulative_quantity),
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=execution.quantity,
        price=execution.price,
        cumulative_quantity=update.cumulative_quantity,
        timestamp_ns=update.timestamp_ns,
        reference_price=order.reference_price,
    )


def closed_of(order: Order, update: OrderUpdate) -> OrderClosed:
    """The end of the order, as its reservation is released by."""
    return OrderClosed(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        status=order.status,
        filled_quantity=order.filled_quantity,
        timestamp_ns=update.timestamp_ns,
        reason=update.reason,
    )


def tell_of(before: Order, after: Order, update: OrderUpdate) -> list[Tell]:
    """The events of a move: placed, canceled (or expired, or replaced), rejected."""
    if before.status is after.status:
        return []
    told: list[Tell] = []
    names: dict[str, object] = {"client_order_id": after.client_order_id, "symbol": after.symbol}
    if before.status is OrderStatus.INTENDED and after.status is not OrderStatus.REJECTED:
        placed = {**names, "order_id": after.order_id, "side": after.side, "quantity": after.quantity}
        told.append(Tell(OrderPlaced, after.trace_id, placed))
    if after.status is OrderStatus.REJECTED:
        told.append(Tell(OrderRejected, after.trace_id, {**names, "reason": update.reason}))
    if after.status in _ENDED_UNFILLED:
        ended = {"order_id": after.order_id, "status": after.status, "filled_quantity": after.filled_quantity}
        told.append(Tell(OrderCanceled, after.trace_id, {**names, **ended}))
    return told
