"""Everything off the hot path: msgspec structs in MessagePack, one prebuilt codec a message."""

from typing import Annotated, Any, Generic, TypeVar

import msgspec

from tradingmesh.core.checks import ApprovedSignal, RiskCheckRequest, RiskCheckResponse
from tradingmesh.core.errors import InputError, WireError
from tradingmesh.core.events import SystemEvent
from tradingmesh.core.fills import BookedReport, Report, ReportAnswer
from tradingmesh.core.place import Place, PoisonReport, ReportsWanted
from tradingmesh.core.risk.units import PRICE_MAX, QUANTITY_MAX, e9
from tradingmesh.core.signal import Signal
from tradingmesh.core.signals.feature_vector import FeatureVector
from tradingmesh.core.trading_status import TradingStatus
from tradingmesh.wire.header import Kind

T = TypeVar("T")
TOGETHER_MAX = 1_000
"""So many answers or acks travel in one message."""
_SOME = msgspec.Meta(min_length=1, max_length=TOGETHER_MAX)
_ENCODER = msgspec.msgpack.Encoder()


class ControlRequest(msgspec.Struct, frozen=True):
    """A command to the risk manager. `token` is needed for all that changes something.

    `symbol` is for `flatten`: only that position, or every one where it is empty.
    """

    command: str
    token: str = ""
    reason: str = ""
    symbol: str = ""


class ControlResponse(msgspec.Struct, frozen=True):
    """What came of a command: `message` for a person, `state` for a program."""

    ok: bool
    message: str
    state: dict[str, Any] = {}


class Codec(Generic[T]):
    """Encodes and decodes one type of message."""

    def __init__(self, kind: Kind, type_: Any) -> None:
        self.kind = int(kind)
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(type_)
        self.encode = _ENCODER.encode

    def decode(self, payload: bytes) -> T:
        """The message. Raises `WireError` saying which field is wrong."""
        try:
            return self._decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise WireError(f"{Kind(self.kind).name}: {error}") from None


class ApprovedSignals(Codec[ApprovedSignal]):
    """Signals to make orders of: what decodes, but is no number to trade with, is no message either."""

    def decode(self, payload: bytes) -> ApprovedSignal:
        """The message. Raises `WireError` for a quantity or price that is not above 0, not finite, or too large."""
        approved = super().decode(payload)
        try:
            _check_figures(approved.signal)
        except InputError as error:
            raise WireError(f"{Kind(self.kind).name}: {error}") from None
        return approved


def _check_figures(signal: Signal) -> None:
    e9(signal.quantity, "quantity", QUANTITY_MAX)
    for field in ("reference_price", "limit_price", "stop_price"):
        price = getattr(signal, field)
        if price is not None:
            e9(price, field, PRICE_MAX)


FEATURES: Codec[FeatureVector] = Codec(Kind.FEATURES, FeatureVector)
RISK_CHECK_REQUEST: Codec[RiskCheckRequest] = Codec(Kind.RISK_CHECK_REQUEST, RiskCheckRequest)
RISK_CHECK_RESPONSE: Codec[RiskCheckResponse] = Codec(Kind.RISK_CHECK_RESPONSE, RiskCheckResponse)
APPROVED_SIGNAL: Codec[ApprovedSignal] = ApprovedSignals(Kind.APPROVED_SIGNAL, ApprovedSignal)
REPORT: Codec[Report] = Codec(Kind.REPORT, Report)
BOOKED_REPORT: Codec[BookedReport] = Codec(Kind.BOOKED_REPORT, BookedReport)
POISON_REPORT: Codec[PoisonReport] = Codec(Kind.POISON_REPORT, PoisonReport)
REPORT_ANSWERS: Codec[list[ReportAnswer]] = Codec(Kind.REPORT_ANSWERS, Annotated[list[ReportAnswer], _SOME])
REPORTS_WANTED: Codec[ReportsWanted] = Codec(Kind.REPORTS_WANTED, ReportsWanted)
REPORT_ACKS: Codec[list[Place]] = Codec(Kind.REPORT_ACKS, Annotated[list[Place], _SOME])
SYSTEM_EVENT: Codec[SystemEvent] = Codec(Kind.SYSTEM_EVENT, SystemEvent)
TRADING_STATUS: Codec[TradingStatus] = Codec(Kind.TRADING_STATUS, TradingStatus)
CONTROL_REQUEST: Codec[ControlRequest] = Codec(Kind.CONTROL_REQUEST, ControlRequest)
CONTROL_RESPONSE: Codec[ControlResponse] = Codec(Kind.CONTROL_RESPONSE, ControlResponse)
