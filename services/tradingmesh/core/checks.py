"""The risk check: what is asked, what is answered, and the names of the checks."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from tradingmesh.core.signal import Signal


class Check(StrEnum):
    """Every check, in the order they are made. A refusal names one of them."""

    REQUEST = "request"
    JOURNAL = "journal"
    """The journal cannot be written (a full disk, a database that is away): what is not kept is not approved.

    Or it was lost, or is an older one: the ledger is without reports that it had acknowledged.
    """
    FENCED = "fenced"
    TRADING_STATE = "trading-state"
    CIRCUIT_BREAKER = "circuit-breaker"
    RESTRICTED_SYMBOL = "restricted-symbol"
    LEDGER = "ledger"
    """The broker has another position of the symbol than the ledger: only what reduces both is approved."""
    DUPLICATE = "duplicate"
    ORDER_QUANTITY = "order-quantity"
    QUOTE_AGE = "quote-age"
    PRICE_COLLAR = "price-collar"
    ORDER_NOTIONAL = "order-notional"
    POSITION_QUANTITY = "position-quantity"
    POSITION_NOTIONAL = "position-notional"
    GROSS_NOTIONAL = "gross-notional"
    OPEN_ORDERS = "open-orders"
    ORDER_RATE = "order-rate"
    DAILY_LOSS = "daily-loss"
    RESERVATION = "reservation"
    RISK_CHECK_TIMEOUT = "risk-check-timeout"
    """Given by the asking side: no answer came in time, so the answer is no."""
    DELIVERY = "delivery"
    """Given by the asking side: approved, but no execution engine takes it now, and later would be too late."""
    TICK_AGE = "tick-age"
    """Given by the asking side: the tick that moved the strategy was published too long ago to decide on."""


class Stage(StrEnum):
    """Who asks: the signal generator for a reservation, or the execution engine right before it submits."""

    SIGNAL = "signal"
    ORDER = "order"


class Approved(msgspec.Struct, frozen=True, tag="approved"):
    """The order may go. The reservation counts against every limit until it fills, closes or expires (wall time)."""

    reservation_id: str
    expires_ns: int
    checks_passed: tuple[Check, ...]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The order may not go: which check, and its figures in a sentence."""

    check: Check
    reason: str
    checks_passed: tuple[Check, ...] = ()


Decision = Approved | Refused


class Writer(msgspec.Struct, frozen=True):
    """One life of an execution engine: which outbox it writes, and which of that outbox's lives it is.

    An outbox has one writer at a time, and each is of a higher epoch than those before it. Both are 0 for nobody.
    """

    outbox_epoch: int = 0
    epoch: int = 0


NOBODY = Writer()


class RiskCheckRequest(msgspec.Struct, frozen=True):
    """May this be traded? At stage ORDER `reservation_id` is what the signal was approved with, `writer` who asks.

    `symbol_acked` is how many reports of the symbol's line in that writer's outbox a ledger must have, `acked` how
    many of all its lines: one that has fewer was lost, or put back from before.
    """

    request_id: str
    stage: Stage
    signal: Signal
    current_price: Decimal
    timestamp_ns: int
    reservation_id: str = ""
    writer: Writer = NOBODY
    symbol_acked: int = 0
    acked: int = 0


class RiskCheckResponse(msgspec.Struct, frozen=True):
    """The answer to the request of that id. `latency_us` is the time inside the risk manager."""

    request_id: str
    result: Decision
    latency_us: int
    timestamp_ns: int


class ApprovedSignal(msgspec.Struct, frozen=True):
    """A signal with its approval: the only thing the execution engine takes orders from."""

    signal: Signal
    approval: Approved
