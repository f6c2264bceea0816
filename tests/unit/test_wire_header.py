"""The header before every payload: 72 bytes that come out as they went in, or are refused."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.errors import WireError
from tradingmesh.wire.header import (
    FLAG_SAMPLED,
    FLAG_SNAPSHOT,
    HEADER,
    KINDS,
    VERSION,
    Header,
    Kind,
    as_snapshot,
    decode_header,
    encode_header,
)

U64 = st.integers(0, 2**64 - 1)
headers = st.builds(
    Header,
    kind=st.sampled_from(sorted(KINDS)),
    flags=st.integers(0, 2**16 - 1),
    count=st.integers(0, 2**32 - 1),
    epoch=U64,
    sequence=U64,
    timestamp_ns=st.integers(-(2**63), 2**63 - 1),
    message_id=st.binary(min_size=16, max_size=16),
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
)


def frame_of(header: Header) -> bytes:
    return encode_header(
        header.kind,
        header.epoch,
        header.sequence,
        header.timestamp_ns,
        header.message_id,
        trace_id=header.trace_id,
        span_id=header.span_id,
        flags=header.flags,
        count=header.count,
    )


@given(headers)
def test_what_goes_in_comes_out(header: Header) -> None:
    """Every field, in 72 bytes that begin with version and kind."""
    frame = frame_of(header)
    assert len(frame) == HEADER.size == 72
    assert frame[:2] == bytes([VERSION, header.kind])
    assert decode_header(frame) == header


@given(headers)
def test_a_snapshot_differs_by_its_flag_alone(header: Header) -> None:
    """A last value sent again is the same message, and keeps its other flags."""
    again = decode_header(as_snapshot(frame_of(header)))
    assert again.flags == header.flags | FLAG_SNAPSHOT
    assert frame_of(again)[4:] == frame_of(header)[4:]
    assert frame_of(again)[:2] == frame_of(header)[:2]


@given(st.binary(max_size=100))
def test_random_bytes_raise_nothing_but_wire_error(frame: bytes) -> None:
    """Whatever the frame holds; what is read has a kind that is known."""
    with suppress(WireError):
        assert decode_header(frame).kind in KINDS


@given(st.integers(0, 255), st.integers(0, 255), st.binary(min_size=70, max_size=70))
def test_unknown_versions_and_kinds_are_refused(version: int, kind: int, rest: bytes) -> None:
    """Only version 1 with a known kind is read; the refusal names what is wrong."""
    frame = bytes([version, kind]) + rest
    if version != VERSION:
        with pytest.raises(WireError, match=f"version {version} is not 1"):
            decode_header(frame)
    elif kind not in KINDS:
        with pytest.raises(WireError, match=f"kind {kind} is unknown"):
            decode_header(frame)
    else:
        assert decode_header(frame).kind == kind


@pytest.mark.parametrize("size", [0, 1, 71, 73, 1 << 20])
def test_another_size_is_refused(size: int) -> None:
    """And the sentence says both sizes."""
    with pytest.raises(WireError, match=re.escape(f"a header has 72 bytes, this frame has {size}")):
        decode_header(bytes(size))


def test_kinds_and_flags_are_what_others_rely_on() -> None:
    """Numbers on the wire are never given another meaning."""
    assert {kind.name: int(kind) for kind in Kind} == {
        "TRADE": 1,
        "QUOTE": 2,
        "BAR": 3,
        "FEATURES": 4,
        "RISK_CHECK_REQUEST": 10,
        "RISK_CHECK_RESPONSE": 11,
        "APPROVED_SIGNAL": 12,
        "REPORT": 13,
        "BOOKED_REPORT": 14,
        "SYSTEM_EVENT": 16,
        "CONTROL_REQUEST": 17,
        "CONTROL_RESPONSE": 18,
        "POISON_REPORT": 19,
        "REPORT_ANSWERS": 20,
        "REPORT_ACKS": 21,
        "TRADING_STATUS": 22,
        "REPORTS_WANTED": 23,
    }
    assert (FLAG_SNAPSHOT, FLAG_SAMPLED) == (1, 2)
