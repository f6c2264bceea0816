"""What changes the risk manager's state, as records: the journal holds these, and folding them again gives the state.

Decisions that change nothing (a refusal, a quote) leave no record.
"""

from decimal import Decimal

import msgspec

from tradingmesh.contract import TradingState
from tradingmesh.core.checks import NOBODY, Writer
from tradingmesh.core.errors import JournalError
from tradingmesh.core.fills import BookedReport
from tradingmesh.core.place import PoisonReport
from tradingmesh.core.risk.breaker import BreakerMoved
from tradingmesh.core.signal import Signal


class Reserved(msgspec.Struct, frozen=True, tag="reserved"):
    """A signal was approved, valued at `price_e9` a share, at these times of wall and market."""

    reservation_id: str
    signal: Signal
    price_e9: int
    expires_ns: int
    approved_ns: int
    market_ns: int


class Confirmed(msgspec.Struct, frozen=True, tag="confirmed"):
    """The reservation's order is being submitted, by this execution engine."""

    reservation_id: str
    request_id: str
    writer: Writer = NOBODY


class WriterSeen(msgspec.Struct, frozen=True, tag="writer-seen"):
    """An execution engine of a higher epoch than any before it asked: from now on those before it are refused."""

    epoch: int


class Expired(msgspec.Struct, frozen=True, tag="expired"):
    """The reservation was never confirmed and its time is over."""

    reservation_id: str


class ReportBooked(msgspec.Struct, frozen=True, tag="report-booked"):
    """A report took its place in its symbol's sequence, and effect."""

    booked: BookedReport


class ReportKept(msgspec.Struct, frozen=True, tag="report-kept"):
    """A report that cannot be booked took its place in the sequence, and is kept for a person to look at."""

    booked: BookedReport
    reason: str


class PoisonKept(msgspec.Struct, frozen=True, tag="poison-kept"):
    """The same of one that cannot be read, or must not take effect: its bytes as they came, and why."""

    poison: PoisonReport


class DayStarted(msgspec.Struct, frozen=True, tag="day-started"):
    """A New York trading day began with this equity: the day's profit and loss counts from it."""

    start_ns: int
    end_ns: int
    equity: Decimal


class Marked(msgspec.Struct, frozen=True, tag="marked"):
    """What a share of these symbols, held, is worth (x 1e9): their marks after a restart, until a price comes."""

    marks_e9: dict[str, int]


class SwitchSet(msgspec.Struct, frozen=True, tag="switch-set"):
    """A person set the trading state."""

    trading: TradingState


class FlattenBegan(msgspec.Struct, frozen=True, tag="flatten-began"):
    """A person wants every position closed, or the one of `symbol`. `number` counts flattens from 1."""

    number: int
    symbol: str


class FlattenEnded(msgspec.Struct, frozen=True, tag="flatten-ended"):
    """The flatten under way is over: all is flat, or a person stopped it."""

    outcome: str


RiskRecord = (
    Reserved
    | Confirmed
    | WriterSeen
    | Expired
    | ReportBooked
    | ReportKept
    | PoisonKept
    | DayStarted
    | Marked
    | SwitchSet
    | BreakerMoved
    | FlattenBegan
    | FlattenEnded
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[RiskRecord] = msgspec.msgpack.Decoder(RiskRecord)


def encode(record: RiskRecord) -> bytes:
    """The record as the journal keeps it."""
    return _encoder.encode(record)


def decode(raw: bytes) -> RiskRecord:
    """The record again. Raises `JournalError` where the bytes are none."""
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalError(f"a journal record is not one of the risk manager's: {error}") from None
