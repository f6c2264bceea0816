"""An order as the broker keeps it: immutable, a change makes the next version of it."""

from decimal import ROUND_DOWN, Context, Decimal
from enum import StrEnum

import msgspec

from tradingmesh.core.fills import Fill
from tradingmesh.core.money import EXACT, QUANTITY_DECIMALS, ZERO
from tradingmesh.core.signal import OrderType, Side, TimeInForce

_QUANTUM = Decimal(1).scaleb(-QUANTITY_DECIMALS)
_DIVIDE_DOWN = Context(prec=60, rounding=ROUND_DOWN)


class Status(StrEnum):
    """The order statuses that occur here, in Alpaca's words."""

    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"


OPEN = frozenset({Status.ACCEPTED, Status.PENDING_NEW, Status.NEW, Status.PARTIALLY_FILLED})


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for, in itself consistent; exactly one of `quantity` and `notional` is set."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    extended_hours: bool = False
    client_order_id: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an order. `filled_value` is the exact sum of quantity x price over its fills.

    `hold_price` is what buying power is held at for each share; 0 where the order closes a position.
    """

    order_id: str
    number: int
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    limit_e4: int
    stop_e4: int
    extended_hours: bool
    position_intent: str
    hold_price: Decimal
    triggered: bool
    status: Status
    submitted_ns: int
    updated_ns: int
    expires_ns: int
    filled_quantity: Decimal = ZERO
    filled_value: Decimal = ZERO
    filled_ns: int | None = None
    expired_ns: int | None = None
    canceled_ns: int | None = None
    replaced_ns: int | None = None
    replaces: str | None = None
    replaced_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN

    def leaves_at(self, price: Decimal) -> Decimal:
        """The quantity still to trade; for a notional order what its remaining money buys at `price`, rounded down."""
        if self.quantity is not None:
            return EXACT.subtract(self.quantity, self.filled_quantity)
        if price == 0:
            return ZERO
        left = EXACT.subtract(self.notional or ZERO, self.filled_value)
        return _DIVIDE_DOWN.divide(left, price).quantize(_QUANTUM, context=_DIVIDE_DOWN).normalize(EXACT)


class TradeUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What the `trade_updates` stream tells: the event, the order after it, and for a fill its figures.

    `update_id` is Alpaca's `execution_id`, which every update has; that of a fill is the fill's own.
    """

    event: str
    update_id: str
    order: Order
    timestamp_ns: int
    execution: Fill | None = None
    position_quantity: Decimal | None = None


class Execution(msgspec.Struct, frozen=True):
    """One fill with what the account's activities tell of it."""

    fill: Fill
    leaves_quantity: Decimal
    order_status: Status
    commission: Decimal
