"""The life of an order: one transition table, status x event -> status.

Statuses and events are Alpaca's ("Orders at Alpaca" and "Websocket streaming" in its documentation), and one status of
ours before them: INTENDED, on our disk and not yet known to be at the broker. Events may come late, twice or in the
wrong order. Where that does no harm the table keeps the status; where it contradicts what is known the move is illegal,
raises, and leaves the order as it was.
"""

import msgspec

from tradingmesh.core.errors import IllegalTransitionError
from tradingmesh.core.money import EXACT
from tradingmesh.core.orders.record import Execution, Order, OrderEvent, OrderStatus, OrderUpdate

_S = OrderStatus
_E = OrderEvent
Row = dict[OrderEvent, OrderStatus]
EVENTS = frozenset(OrderEvent)

_ENDS: Row = {
    _E.FILL: _S.FILLED,
    _E.CANCELED: _S.CANCELED,
    _E.EXPIRED: _S.EXPIRED,
    _E.REPLACED: _S.REPLACED,
    _E.REJECTED: _S.REJECTED,
}
_MOVES: Row = {
    _E.PENDING_NEW: _S.PENDING_NEW,
    _E.ACCEPTED: _S.ACCEPTED,
    _E.NEW: _S.NEW,
    _E.PARTIAL_FILL: _S.PARTIALLY_FILLED,
    _E.STOPPED: _S.STOPPED,
    _E.SUSPENDED: _S.SUSPENDED,
    _E.CALCULATED: _S.CALCULATED,
    _E.DONE_FOR_DAY: _S.DONE_FOR_DAY,
    _E.PENDING_CANCEL: _S.PENDING_CANCEL,
    _E.PENDING_REPLACE: _S.PENDING_REPLACE,
    _E.RESTATED: _S.NEW,
    _E.ORDER_CANCEL_REJECTED: _S.NEW,
    _E.ORDER_REPLACE_REJECTED: _S.NEW,
}


def _stays(status: OrderStatus, *events: OrderEvent) -> Row:
    return dict.fromkeys(events, status)


def _open(status: OrderStatus, *stays: OrderEvent) -> Row:
    """An open order goes wherever the event says, but for the events that are old news to it."""
    return _ENDS | _MOVES | _stays(status, *stays)


def _final(status: OrderStatus, own: OrderEvent) -> Row:
    """A terminal status is final: every event is old news (a late fill is booked all the same), another end is not."""
    return _stays(status, own, _E.FILL, *_MOVES)


_ACKNOWLEDGED = (_E.PENDING_NEW, _E.ACCEPTED)
_ARRIVED = (*_ACKNOWLEDGED, _E.NEW, _E.RESTATED)
_REFUSED_CHANGES = (_E.ORDER_CANCEL_REJECTED, _E.ORDER_REPLACE_REJECTED)
_PENDING = (*_ARRIVED, _E.PARTIAL_FILL, _E.STOPPED, _E.CALCULATED, _E.SUSPENDED)

TRANSITIONS: dict[OrderStatus, Row] = {
    _S.INTENDED: _open(_S.INTENDED),
    _S.PENDING_NEW: _open(_S.PENDING_NEW),
    _S.ACCEPTED: _open(_S.ACCEPTED),
    _S.NEW: _open(_S.NEW, *_ACKNOWLEDGED),
    _S.PARTIALLY_FILLED: {
        event: status
        for event, status in _open(_S.PARTIALLY_FILLED, *_ARRIVED, *_REFUSED_CHANGES).items()
        if event is not _E.REJECTED
    },
    _S.STOPPED: _open(_S.STOPPED, *_ARRIVED, *_REFUSED_CHANGES),
    _S.SUSPENDED: _open(_S.SUSPENDED, *_ACKNOWLEDGED, *_REFUSED_CHANGES),
    _S.CALCULATED: _open(_S.CALCULATED, *_ACKNOWLEDGED, *_REFUSED_CHANGES),
    _S.DONE_FOR_DAY: _open(_S.DONE_FOR_DAY, *_ACKNOWLEDGED, *_REFUSED_CHANGES),
    _S.PENDING_CANCEL: _open(_S.PENDING_CANCEL, *_PENDING, _E.ORDER_REPLACE_REJECTED),
    _S.PENDING_REPLACE: _open(_S.PENDING_REPLACE, *_PENDING, _E.ORDER_CANCEL_REJECTED),
    _S.FILLED: _final(_S.FILLED, _E.FILL),
    _S.CANCELED: _final(_S.CANCELED, _E.CANCELED),
    _S.EXPIRED: _final(_S.EXPIRED, _E.EXPIRED),
    _S.REPLACED: _final(_S.REPLACED, _E.REPLACED),
    _S.REJECTED: _final(_S.REJECTED, _E.REJECTED),
}


def next_status(status: OrderStatus, event: OrderEvent) -> OrderStatus:
    """Where the event leads. Raises `IllegalTransitionError`."""
    to = TRANSITIONS[status].get(event)
    if to is None:
        raise IllegalTransitionError(f"{event} does not fit an order that is {status}")
    return to


def advance(order: Order, update: OrderUpdate, fresh: Execution | None) -> Order:
    """The order after an update, with `fresh` booked: the update's execution, unless it was booked before.

    What the broker says it executed counts, even where it is more than was ordered. A kind of event that is not known
    moves no status. Raises `IllegalTransitionError` where the table forbids the move; the order given is then still the
    truth. No event with an execution is ever forbidden.
    """
    status = next_status(order.status, OrderEvent(update.event)) if update.event in EVENTS else order.status
    filled = EXACT.add(order.filled_quantity, fresh.quantity) if fresh is not None else order.filled_quantity
    if status is OrderStatus.NEW and filled:
        status = OrderStatus.PARTIALLY_FILLED
    return msgspec.structs.replace(
        order,
        order_id=update.order_id or order.order_id,
        created_ns=update.created_ns or order.created_ns,
        status=status,
        quantity=order.quantity if update.quantity is None else update.quantity,
        limit_price=order.limit_price if update.limit_price is None else update.limit_price,
        stop_price=order.stop_price if update.stop_price is None else update.stop_price,
        notional=order.notional if update.notional is None else update.notional,
        filled_quantity=filled,
        reported_quantity=max(order.reported_quantity, update.cumulative_quantity, filled),
    )
