"""What the broker did with our orders, in the order it was heard: fills and the ends of orders.

Both travel the fills channel as a `Report`, as does what `standing` tells: written to the outbox with the next
`symbol_sequence` of their symbol, sent until acknowledged, and applied by the risk manager in that sequence, each once.
"""

from decimal import Decimal

import msgspec

from tradingmesh.core.signal import Side
from tradingmesh.core.standing import BrokerPosition, EngineStarted, OpeningPosition, OrderWorking


class Fill(msgspec.Struct, frozen=True, tag="fill"):
    """One execution. `fill_id` is Alpaca's `execution_id`, or `order_id:cumulative` where the broker gives none."""

    fill_id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    cumulative_quantity: Decimal
    timestamp_ns: int
    reference_price: Decimal | None = None


class OrderClosed(msgspec.Struct, frozen=True, tag="closed"):
    """The order will fill no more: what is left of its reservation is free. `status` is the terminal order status."""

    order_id: str
    client_order_id: str
    symbol: str
    status: str
    filled_quantity: Decimal
    timestamp_ns: int
    reason: str = ""


Body = Fill | OrderClosed | OrderWorking | OpeningPosition | BrokerPosition | EngineStarted


class Report(msgspec.Struct, frozen=True):
    """A fill or an end, with its place in its symbol's sequence and the writer's outbox.

    `outbox_epoch` names one outbox for its whole life (a restart keeps it); `symbol_sequence` counts from 1 in it.
    `reservation_id` is the one that the order uses; an order placed elsewhere is given one of its own.
    """

    outbox_epoch: int
    symbol_sequence: int
    reservation_id: str
    body: Body
    trace_id: str = ""


class BookedReport(msgspec.Struct, frozen=True):
    """A report as a fill processor hands it on: validated, with what it does to cash."""

    report: Report
    commission: Decimal
    cash_impact: Decimal
    slippage: Decimal | None = None


class Position(msgspec.Struct, frozen=True):
    """A position: signed quantity, what it cost in all (signed like the quantity), realised profit since the start."""

    symbol: str
    quantity: Decimal
    cost: Decimal
    realised: Decimal


class ReportApplied(msgspec.Struct, frozen=True, tag="applied"):
    """The risk manager has the report on disk. `before` and `after` tell what it did to the position.

    `duplicate` is true where the report had been applied already; then before equals after.
    """

    outbox_epoch: int
    symbol: str
    symbol_sequence: int
    duplicate: bool
    before: Position
    after: Position
    cash: Decimal


class ReportSetAside(msgspec.Struct, frozen=True, tag="set-aside"):
    """The report cannot be applied, now or ever; it is kept with its reason and does not block the others."""

    outbox_epoch: int
    symbol: str
    symbol_sequence: int
    reason: str


ReportAnswer = ReportApplied | ReportSetAside
