"""An order as we keep it, and what the broker says of it. The words are Alpaca's own (docs.alpaca.markets).

How an order moves from one status to the next is told in `orders`.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from tradingmesh.core.money import ZERO
from tradingmesh.core.signal import OrderType, Side, Signal, TimeInForce


class OrderStatus(StrEnum):
    """Where an order stands."""

    INTENDED = "intended"
    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    DONE_FOR_DAY = "done_for_day"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"


class OrderEvent(StrEnum):
    """Every kind of event on Alpaca's `trade_updates`, also those that alpaca-py's `TradeEvent` lacks."""

    NEW = "new"
    FILL = "fill"
    PARTIAL_FILL = "partial_fill"
    CANCELED = "canceled"
    EXPIRED = "expired"
    DONE_FOR_DAY = "done_for_day"
    REPLACED = "replaced"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PENDING_NEW = "pending_new"
    STOPPED = "stopped"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    CALCULATED = "calculated"
    SUSPENDED = "suspended"
    ORDER_REPLACE_REJECTED = "order_replace_rejected"
    ORDER_CANCEL_REJECTED = "order_cancel_rejected"
    RESTATED = "restated"


TERMINAL = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REPLACED, OrderStatus.REJECTED}
)


class Execution(msgspec.Struct, frozen=True):
    """What was traded in one fill. `fill_id` is empty where the broker gave none."""

    fill_id: str
    quantity: Decimal
    price: Decimal


class OrderUpdate(msgspec.Struct, frozen=True, tag="update"):
    """What the broker says of one order, on its stream or when asked. `event` is a word of `OrderEvent`, or unknown.

    `cumulative_quantity` is what the order has filled in all, this execution included. `quantity` is None where the
    broker does not say: an order by notional, or an account activity, which does not name the client order id either.
    """

    event: str
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    cumulative_quantity: Decimal
    timestamp_ns: int
    quantity: Decimal | None = None
    execution: Execution | None = None
    created_ns: int = 0
    reason: str = ""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    notional: Decimal | None = None


class Order(msgspec.Struct, frozen=True):
    """One order. `filled_quantity` is what we booked, `reported_quantity` the most that the broker has spoken of.

    An order that was not placed here has a `reservation_id` too. `created_ns` is the broker's time once known.
    `close_reported` is set when its `OrderClosed` is on its way, so that there is one.
    """

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    created_ns: int
    reservation_id: str = ""
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reference_price: Decimal | None = None
    valid_until_ns: int = 0
    trace_id: str = ""
    order_id: str = ""
    status: OrderStatus = OrderStatus.INTENDED
    filled_quantity: Decimal = ZERO
    reported_quantity: Decimal = ZERO
    close_reported: bool = False
    notional: Decimal | None = None

    @property
    def terminal(self) -> bool:
        """The broker will fill it no more."""
        return self.status in TERMINAL

    @property
    def short(self) -> bool:
        """The broker speaks of more fills than were heard."""
        return self.filled_quantity < self.reported_quantity

    @property
    def closed(self) -> bool:
        """Terminal, and every fill the broker speaks of is booked."""
        return self.status in TERMINAL and self.filled_quantity >= self.reported_quantity


def order_of(signal: Signal, client_order_id: str, reservation_id: str, now_ns: int, trace_id: str) -> Order:
    """The order that an approved signal becomes."""
    return Order(
        client_order_id=client_order_id,
        symbol=signal.symbol,
        side=signal.side,
        quantity=signal.quantity,
        created_ns=now_ns,
        reservation_id=reservation_id,
        order_type=signal.order_type,
        time_in_force=signal.time_in_force,
        limit_price=signal.limit_price,
        stop_price=signal.stop_price,
        reference_price=signal.reference_price,
        valid_until_ns=signal.valid_until_ns,
        trace_id=trace_id,
    )
