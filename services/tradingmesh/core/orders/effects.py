"""What the order table is told by the broker, and what it wants done. Shells do it in the order given.

What `Save` and `Send` carry is on disk before anything after it leaves the process: a `Submit` never overtakes its
intent, a report is never pushed before it is durable.
"""

from decimal import Decimal

import msgspec

from tradingmesh.core.checks import RiskCheckRequest
from tradingmesh.core.fills import Report
from tradingmesh.core.orders.api_breaker import ApiState
from tradingmesh.core.orders.record import Order, OrderUpdate


class SubmitRefused(msgspec.Struct, frozen=True, tag="submit-refused"):
    """The broker said no to a new order: it does not exist there."""

    client_order_id: str
    reason: str


class SubmitUnanswered(msgspec.Struct, frozen=True, tag="submit-unanswered"):
    """Whether the broker has the order could not be found out: only a reconciliation can tell."""

    client_order_id: str
    reason: str


class SubmitAnswered(msgspec.Struct, frozen=True, tag="submit-answered"):
    """The broker has the order: its own words about it."""

    update: OrderUpdate


class CancelFailed(msgspec.Struct, frozen=True, tag="cancel-failed"):
    """A cancel did not get through: most often because the order had ended meanwhile."""

    client_order_id: str
    reason: str


class Held(msgspec.Struct, frozen=True):
    """A position as the broker has it: signed quantity, and what a share is worth there."""

    symbol: str
    quantity: Decimal
    price: Decimal


class Unreadable(msgspec.Struct, frozen=True):
    """An order or a fill of the broker's that cannot be read; `symbol` is empty where not even that can be told."""

    symbol: str
    reason: str


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """What the broker says when asked for everything since a time of its own: orders, then the account, then fills.

    Asked in that order, the fills are never behind the orders, nor behind `positions` and `cash`; these are None where
    the account was not looked at. `missing` are the client order ids that were asked for and that it does not know;
    `broker_ns` is its clock before the first question.
    """

    broker_ns: int
    orders: tuple[OrderUpdate, ...]
    fills: tuple[OrderUpdate, ...]
    missing: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    positions: tuple[Held, ...] | None = None
    cash: Decimal | None = None


class SnapshotFailed(msgspec.Struct, frozen=True, tag="snapshot-failed"):
    """The broker could not be asked. Refused keys will be refused again: there is no hurry to try."""

    reason: str
    keys_refused: bool = False


class StreamState(msgspec.Struct, frozen=True, tag="stream-state"):
    """The broker's order stream: `problem` is empty while it listens, from that moment on."""

    problem: str


class ApiMoved(msgspec.Struct, frozen=True, tag="api-moved"):
    """The breaker round the broker's API moved. `problem` is why calls are refused; empty while it is closed.

    From `retry_ns` of the monotonic clock on, an open one lets a question through.
    """

    state: ApiState
    problem: str
    retry_ns: int


class UpdateUnreadable(msgspec.Struct, frozen=True, tag="update-unreadable"):
    """The stream brought something that cannot be read as an order update: what it told must be asked for."""

    reason: str


BrokerEvent = (
    OrderUpdate
    | SubmitRefused
    | SubmitUnanswered
    | SubmitAnswered
    | CancelFailed
    | Snapshot
    | SnapshotFailed
    | StreamState
    | ApiMoved
    | UpdateUnreadable
)


class Origin(msgspec.Struct, frozen=True):
    """The message that a signal came in: its trace, whether that is recorded, and when it was sent (wall time)."""

    trace_id: str = ""
    flags: int = 0
    sent_ns: int = 0


class Ask(msgspec.Struct, frozen=True):
    """Ask the risk manager, at stage ORDER."""

    request: RiskCheckRequest
    origin: Origin


class Save(msgspec.Struct, frozen=True):
    """Keep the order on disk as it is now."""

    order: Order


class Send(msgspec.Struct, frozen=True):
    """Put the report into the outbox, and push it until it is acknowledged."""

    report: Report


class Submit(msgspec.Struct, frozen=True):
    """The order is approved, and ready for the broker."""

    order: Order
    origin: Origin


class Cancel(msgspec.Struct, frozen=True):
    """Ask the broker to cancel the order."""

    order: Order


class Tell(msgspec.Struct, frozen=True):
    """Publish a system event of this type."""

    type_: type
    trace_id: str
    fields: dict[str, object]


class Notice(msgspec.Struct, frozen=True):
    """Count `what`, and log its details: something that a person may want to look into."""

    what: str
    detail: str


Effect = Ask | Save | Send | Submit | Cancel | Tell | Notice
