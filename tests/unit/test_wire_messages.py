"""Messages in MessagePack: exact money, one type a codec, and nothing but `WireError` for what is none."""

from contextlib import suppress
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.core import events
from tradingmesh.core.checks import Approved, ApprovedSignal, Check, Refused, RiskCheckRequest, RiskCheckResponse, Stage
from tradingmesh.core.errors import WireError
from tradingmesh.core.events import SystemEvent
from tradingmesh.core.fills import BookedReport, Fill, OrderClosed, Report
from tradingmesh.core.signal import OrderType, Side, Signal, TimeInForce
from tradingmesh.wire import messages
from tradingmesh.wire.header import HEADER, Kind
from tradingmesh.wire.messages import (
    APPROVED_SIGNAL,
    BOOKED_REPORT,
    CONTROL_REQUEST,
    REPORT,
    RISK_CHECK_REQUEST,
    RISK_CHECK_RESPONSE,
    SYSTEM_EVENT,
    Codec,
    ControlRequest,
)

CODECS: list[Codec[Any]] = [codec for codec in vars(messages).values() if isinstance(codec, Codec)]
text = st.text(max_size=20)
ns = st.integers(-(2**63), 2**63 - 1)
money = st.decimals(allow_nan=False, allow_infinity=False, places=9)
sides = st.sampled_from(Side)
checks = st.lists(st.sampled_from(Check), max_size=4).map(tuple)
signals = st.builds(
    Signal,
    signal_id=text,
    strategy=text,
    symbol=text,
    side=sides,
    quantity=money,
    reference_price=money,
    generated_ns=ns,
    valid_until_ns=ns,
    order_type=st.sampled_from(OrderType),
    time_in_force=st.sampled_from(TimeInForce),
    limit_price=st.none() | money,
    stop_price=st.none() | money,
    reason=text,
)
requests = st.builds(RiskCheckRequest, text, st.sampled_from(Stage), signals, money, ns, text)
approvals = st.builds(Approved, text, ns, checks)
refusals = st.builds(Refused, st.sampled_from(Check), text, checks)
responses = st.builds(RiskCheckResponse, text, approvals | refusals, st.integers(0, 2**40), ns)
fills = st.builds(Fill, text, text, text, text, sides, money, money, money, ns)
closes = st.builds(OrderClosed, text, text, text, text, money, ns)
reports = st.builds(Report, ns, ns, text, fills | closes, text)
ANY: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | text | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


def exactly(value: object) -> object:
    """The value with each Decimal as its digits: 1.0 and 1.00 are equal, and yet not the same."""
    return msgspec.to_builtins(value, builtin_types=(bytes,))


@given(requests)
def test_requests_come_out_as_they_went_in(request: RiskCheckRequest) -> None:
    """Every figure to its last digit."""
    again = RISK_CHECK_REQUEST.decode(RISK_CHECK_REQUEST.encode(request))
    assert again == request
    assert exactly(again) == exactly(request)


@given(responses)
def test_responses_come_out_as_they_went_in(response: RiskCheckResponse) -> None:
    """Approved or refused, and by which check."""
    assert RISK_CHECK_RESPONSE.decode(RISK_CHECK_RESPONSE.encode(response)) == response


@given(reports, money, money)
def test_reports_come_out_as_they_went_in(report: Report, commission: Decimal, cash: Decimal) -> None:
    """A fill or an order's end, alone and booked."""
    assert exactly(REPORT.decode(REPORT.encode(report))) == exactly(report)
    booked = BookedReport(report, commission, cash)
    assert exactly(BOOKED_REPORT.decode(BOOKED_REPORT.encode(booked))) == exactly(booked)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: Kind(codec.kind).name)
@given(payload=st.binary(max_size=64))
def test_random_bytes_raise_nothing_but_wire_error(codec: Codec[Any], payload: bytes) -> None:
    """Whatever the bytes are, whichever message was expected."""
    with suppress(WireError):
        codec.decode(payload)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: Kind(codec.kind).name)
@given(content=ANY)
def test_other_content_raises_nothing_but_wire_error(codec: Codec[Any], content: object) -> None:
    """MessagePack that is well made and yet no message: the refusal names the kind that was expected."""
    with pytest.raises(WireError, match=Kind(codec.kind).name):
        codec.decode(msgspec.msgpack.encode(content))


@given(requests, st.data())
def test_a_damaged_message_raises_nothing_but_wire_error(request: RiskCheckRequest, data: st.DataObject) -> None:
    """Bytes of a real message changed or cut off."""
    payload = bytearray(RISK_CHECK_REQUEST.encode(request))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(payload[: data.draw(st.integers(0, len(payload)))])
    with suppress(WireError):
        RISK_CHECK_REQUEST.decode(cut)


@pytest.mark.parametrize("nested", [b"\x91" * 100_000, b"\x81\xa1a" * 100_000])
def test_deep_nesting_is_refused(nested: bytes) -> None:
    """It exhausts no stack."""
    with pytest.raises(WireError):
        SYSTEM_EVENT.decode(nested)


def _request_with(price: object) -> bytes:
    signal = {
        "signal_id": "s",
        "strategy": "s",
        "symbol": "IBM",
        "side": "buy",
        "quantity": "1",
        "reference_price": "1",
        "generated_ns": 1,
        "valid_until_ns": 1,
    }
    request = {"request_id": "r", "stage": "signal", "signal": signal, "current_price": price, "timestamp_ns": 1}
    return msgspec.msgpack.encode(request)


@pytest.mark.parametrize("price", ["", "one", [1], None, "1.0.0", b"1"])
def test_what_is_no_number_is_refused(price: object) -> None:
    """The refusal names the field."""
    with pytest.raises(WireError, match="current_price"):
        RISK_CHECK_REQUEST.decode(_request_with(price))


def test_numbers_keep_their_digits() -> None:
    """A price is text on the wire: no float rounds it, however long it is."""
    digits = "123456789.123456789123456789"
    assert RISK_CHECK_REQUEST.decode(_request_with(digits)).current_price == Decimal(digits)
    assert RISK_CHECK_REQUEST.encode(RISK_CHECK_REQUEST.decode(_request_with(digits))).count(digits.encode()) == 1


def test_every_system_event_has_its_own_tag() -> None:
    """One codec tells all of them apart."""
    tags = {event.__struct_config__.tag for event in get_args(SystemEvent)}
    assert len(tags) == len(get_args(SystemEvent)) == len(events._Event.__subclasses__())


def test_a_sender_numbers_its_messages() -> None:
    """Header and payload, read back: kind, epoch, sequence, time, trace; ids never twice."""
    sender = Sender(CONTROL_REQUEST, "cli", 7)
    trace_id = bytes(range(16))
    frames = [sender.frames(ControlRequest("status"), 40 + n, trace_id=trace_id, flags=2) for n in (1, 2)]
    read_back = [read(CONTROL_REQUEST, frame) for frame in frames]
    assert [body for _, body in read_back] == [ControlRequest("status")] * 2
    first, second = (header for header, _ in read_back)
    assert (first.kind, first.epoch, first.sequence, first.timestamp_ns) == (Kind.CONTROL_REQUEST, 7, 1, 41)
    assert (first.trace_id, first.flags, first.count) == (trace_id, 2, 1)
    assert second.sequence == 2
    assert first.message_id != second.message_id


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_frames_is_refused(count: int) -> None:
    """Header and payload, no more, no less."""
    frames = [*Sender(CONTROL_REQUEST, "cli", 7).frames(ControlRequest("status"), 1), b"more"][:count]
    with pytest.raises(WireError, match=f"{count} frames"):
        read(CONTROL_REQUEST, frames)


def test_another_kind_is_refused() -> None:
    """A message of one channel is not taken for one of another."""
    frames = Sender(CONTROL_REQUEST, "cli", 7).frames(ControlRequest("status"), 1)
    with pytest.raises(WireError, match="kind 17 where 10 belongs"):
        read(RISK_CHECK_REQUEST, frames)


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_random_frames_raise_nothing_but_wire_error(frames: list[bytes]) -> None:
    """Whatever came in whatever number of frames."""
    with pytest.raises(WireError):
        read(RISK_CHECK_REQUEST, frames)
    with pytest.raises(WireError):
        read(RISK_CHECK_REQUEST, [bytes([1, Kind.RISK_CHECK_REQUEST]) + bytes(HEADER.size - 2), *frames[:1]])


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "1E+999999", "1E-999999", "0", "-5"])
@pytest.mark.parametrize("field", ["quantity", "reference_price", "limit_price", "stop_price"])
def test_an_approved_signal_without_usable_figures_is_no_message(field: str, value: str) -> None:
    """An order is made of it at once, so it must not get as far as a comparison of NaN."""
    plain = Signal("s", "m", "IBM", Side.BUY, Decimal(1), Decimal(100), 1, 2)
    good = ApprovedSignal(plain, Approved("r", 2, ()))
    assert APPROVED_SIGNAL.decode(APPROVED_SIGNAL.encode(good)) == good
    bad = ApprovedSignal(msgspec.structs.replace(plain, **{field: Decimal(value)}), good.approval)
    with pytest.raises(WireError, match=f"APPROVED_SIGNAL: {field}"):
        APPROVED_SIGNAL.decode(APPROVED_SIGNAL.encode(bad))
