"""The fixed header before every payload: 72 bytes, little-endian.

    version u8 | kind u8 | flags u16 | count u32 | epoch u64 | sequence u64 | timestamp_ns i64
    | message_id 16 bytes | trace_id 16 bytes | span_id 8 bytes

`epoch` names one life of the publisher, `sequence` counts within it (per symbol on PUB/SUB channels, per socket
elsewhere), `count` is how many records the payload holds. A message of reports has the place of its first one there:
the outbox and the number in the symbol's line. The ids are raw UUIDs; the trace is W3C's trace context.
An unknown version or kind is refused, never guessed.
"""

import struct
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

import msgspec

from tradingmesh.core.errors import WireError

T = TypeVar("T")

VERSION = 1
HEADER = struct.Struct("<BBHIQQq16s16s8s")
NO_TRACE = bytes(16)
NO_SPAN = bytes(8)

FLAG_SNAPSHOT = 1
"""The message is a last value sent again for a late joiner."""
FLAG_SAMPLED = 2
"""The trace this message belongs to is recorded."""


class Kind(IntEnum):
    """What a payload is. A number that was given up (15) is never given another meaning."""

    TRADE = 1
    QUOTE = 2
    BAR = 3
    FEATURES = 4
    RISK_CHECK_REQUEST = 10
    RISK_CHECK_RESPONSE = 11
    APPROVED_SIGNAL = 12
    REPORT = 13
    BOOKED_REPORT = 14
    SYSTEM_EVENT = 16
    CONTROL_REQUEST = 17
    CONTROL_RESPONSE = 18
    POISON_REPORT = 19
    REPORT_ANSWERS = 20
    REPORT_ACKS = 21
    TRADING_STATUS = 22
    REPORTS_WANTED = 23


KINDS = frozenset(int(kind) for kind in Kind)


class Header(msgspec.Struct, frozen=True, gc=False):
    """A header, decoded."""

    kind: int
    flags: int
    count: int
    epoch: int
    sequence: int
    timestamp_ns: int
    message_id: bytes
    trace_id: bytes
    span_id: bytes


class WireMessage(NamedTuple, Generic[T]):
    """A whole message: its header (sequence, timestamp in ns, ids) and the decoded payload."""

    header: Header
    body: T


def encode_header(  # noqa: PLR0913 - a header has this many fields
    kind: int,
    epoch: int,
    sequence: int,
    timestamp_ns: int,
    message_id: bytes,
    *,
    trace_id: bytes = NO_TRACE,
    span_id: bytes = NO_SPAN,
    flags: int = 0,
    count: int = 1,
) -> bytes:
    """The 72 bytes."""
    return HEADER.pack(VERSION, kind, flags, count, epoch, sequence, timestamp_ns, message_id, trace_id, span_id)


def decode_header(frame: bytes) -> Header:
    """The header in a frame. Raises `WireError` for a wrong size, an unknown version or an unknown kind."""
    try:
        version, kind, flags, count, epoch, sequence, timestamp_ns, message_id, trace_id, span_id = HEADER.unpack(frame)
    except struct.error:
        raise WireError(f"a header has {HEADER.size} bytes, this frame has {len(frame)}") from None
    if version != VERSION:
        raise WireError(f"version {version} is not {VERSION}")
    if kind not in KINDS:
        raise WireError(f"kind {kind} is unknown")
    return Header(kind, flags, count, epoch, sequence, timestamp_ns, message_id, trace_id, span_id)


def as_snapshot(frame: bytes) -> bytes:
    """The same header, said to be a last value sent again."""
    flags = int.from_bytes(frame[2:4], "little") | FLAG_SNAPSHOT
    return frame[:2] + flags.to_bytes(2, "little") + frame[4:]
