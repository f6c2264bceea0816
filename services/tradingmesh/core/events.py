"""Every `SystemEvent`: what happened, told to whoever watches. Events inform; nothing is booked from one."""

from decimal import Decimal

import msgspec

from tradingmesh.core.checks import Check
from tradingmesh.core.fills import Fill, Position
from tradingmesh.core.market import Bar, Quote, Trade
from tradingmesh.core.signal import Side, Signal


class EventMetadata(msgspec.Struct, frozen=True):
    """What every event carries."""

    event_id: str
    timestamp_ns: int
    component: str
    trace_id: str


class _Event(msgspec.Struct, frozen=True, tag_field="event_type", tag=True, kw_only=True):
    metadata: EventMetadata


class MarketData(_Event, frozen=True):
    """A bar, or a trade or quote whose trace is recorded: a sample for who watches, not the market data itself."""

    trade: Trade | None = None
    quote: Quote | None = None
    bar: Bar | None = None


class OrderPlaced(_Event, frozen=True):
    """The broker has the order."""

    client_order_id: str
    order_id: str
    symbol: str
    side: Side
    quantity: Decimal


class OrderFilled(_Event, frozen=True):
    """A fill is booked."""

    fill: Fill
    commission: Decimal
    slippage: Decimal | None = None


class OrderCanceled(_Event, frozen=True):
    """The order ended unfilled or partly filled, by cancel or expiry."""

    client_order_id: str
    order_id: str
    symbol: str
    status: str
    filled_quantity: Decimal


class OrderRejected(_Event, frozen=True):
    """The broker or the last risk check refused the order."""

    client_order_id: str
    symbol: str
    reason: str


class PositionOpened(_Event, frozen=True):
    """A position where there was none."""

    position: Position


class PositionUpdated(_Event, frozen=True):
    """A position changed."""

    position: Position


class PositionClosed(_Event, frozen=True):
    """A position is flat again; `realised` is its profit since the start."""

    symbol: str
    realised: Decimal


class SignalApproved(_Event, frozen=True):
    """The risk manager approved a signal."""

    signal: Signal
    reservation_id: str


class SignalRejected(_Event, frozen=True):
    """The risk manager refused a signal, or did not answer in time."""

    signal: Signal
    check: Check
    reason: str


class CircuitBreakerTripped(_Event, frozen=True):
    """The breaker opened: signals and orders are refused until it resets."""

    reason: str


class CircuitBreakerReset(_Event, frozen=True):
    """The breaker is closed again."""

    reason: str


class ApiBreakerOpened(_Event, frozen=True):
    """The broker's API does not answer: nothing but cancels is tried, and orders are refused."""

    reason: str


class ApiBreakerClosed(_Event, frozen=True):
    """The broker's API answers again."""

    reason: str


class BrokerReconciled(_Event, frozen=True):
    """The broker was asked for everything, and this is new: what was not as we had it, and whether orders may go now.

    Numbers of fills booked that the stream had not told, orders adopted, orders that the broker does not know, orders
    short of fills that it speaks of, rows of its answer that cannot be read; `differences` are positions and cash.
    """

    in_sync: bool
    missed_fill: int
    adopted: int
    missing: int
    short: int
    unreadable: int
    differences: tuple[str, ...]
    duration_ms: int


class LimitsChanged(_Event, frozen=True):
    """The risk manager took another manifest while it runs: each change as `field old -> new`."""

    generation: int | None
    changes: tuple[str, ...]


class EngineFenced(_Event, frozen=True):
    """Another execution engine has taken over: this one sends no order any more."""

    instance: str
    reason: str


class ComponentStarted(_Event, frozen=True):
    """A component's work loop runs."""

    instance: str
    version: str


class ComponentStopped(_Event, frozen=True):
    """A component drained and stops."""

    instance: str


class SubscriberSlow(_Event, frozen=True):
    """A subscriber is behind, or missed messages: what it knows of the market is old, or incomplete."""

    instance: str
    channel: str
    lag_ms: int
    missed: int


class LinkLost(_Event, frozen=True):
    """Connections of a channel ended, or were found half-open. They are made again without anybody's doing."""

    instance: str
    channel: str
    peer: str
    lost: int


class StageLatency(msgspec.Struct, frozen=True):
    """How long one stage took since the beat before."""

    stage: str
    p50_us: float
    p99_us: float
    count: int


class ComponentBeat(_Event, frozen=True):
    """How a component fares, told every second. `gaps` are the messages that it missed since it started."""

    instance: str
    version: str
    not_ready: tuple[str, ...]
    gaps: int
    stages: tuple[StageLatency, ...]


class LedgerPosition(msgspec.Struct, frozen=True):
    """One position at its mark. Money and quantities are exact, as text."""

    symbol: str
    quantity: str
    cost: str
    mark: str
    realised: str
    unrealised: str


class Ledger(msgspec.Struct, frozen=True):
    """What the risk manager's ledger comes to. Of many positions not all are told: `positions_count` is of all."""

    cash: str
    equity: str
    realised: str
    unrealised: str
    day_profit: str
    positions: tuple[LedgerPosition, ...]
    positions_count: int


class LedgerTold(_Event, frozen=True):
    """The ledger, told twice a second as it then is: one that is lost is made good by the next."""

    ledger: Ledger


class ComponentError(_Event, frozen=True):
    """Something in a component needs attention."""

    instance: str
    error: str


SystemEvent = (
    MarketData
    | OrderPlaced
    | OrderFilled
    | OrderCanceled
    | OrderRejected
    | PositionOpened
    | PositionUpdated
    | PositionClosed
    | SignalApproved
    | SignalRejected
    | CircuitBreakerTripped
    | CircuitBreakerReset
    | ApiBreakerOpened
    | ApiBreakerClosed
    | BrokerReconciled
    | LimitsChanged
    | EngineFenced
    | ComponentStarted
    | ComponentStopped
    | SubscriberSlow
    | LinkLost
    | ComponentBeat
    | LedgerTold
    | ComponentError
)
