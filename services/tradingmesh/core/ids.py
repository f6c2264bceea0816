"""Identifiers that are computed, not drawn: one run gives the same ids as another, and no tick waits for randomness.

A message id is a UUID of version 8 (RFC 9562): 60 bits of who published (component instance and epoch, hashed), then
62 bits of the publisher's own count. A trace is named after the message that began it.
"""

import hashlib
import re
import struct
from uuid import UUID

_PAIR = struct.Struct(">QQ")
_VERSION_8 = 0x8000
_VARIANT = 1 << 63
_CLIENT_ORDER_ID = re.compile(r"tm-(.+)-e\d+", re.DOTALL)


class MessageIds:
    """The ids of one publisher's messages, one after the other."""

    def __init__(self, instance: str, epoch: int) -> None:
        digest = hashlib.sha256(f"{instance}/{epoch}".encode()).digest()
        high = int.from_bytes(digest[:8], "big")
        self._high = (high & ~0xF000) | _VERSION_8
        self._count = 0

    def take(self) -> bytes:
        """Sixteen bytes, never given before by this publisher in this epoch."""
        self._count += 1
        return _PAIR.pack(self._high, _VARIANT | self._count)


def is_sampled(trace_id: bytes, sample_every: int) -> bool:
    """Whether a trace is recorded: one in so many of those that a publisher began, and none of what has no trace."""
    count = int.from_bytes(trace_id[8:], "big") & ~_VARIANT
    return count > 0 and count % sample_every == 0


def event_id(raw: bytes) -> str:
    """The id as text."""
    return str(UUID(bytes=raw))


def signal_id(strategy: str, epoch: int, number: int) -> str:
    """A signal's id: who, which life of the signal generator, which signal of it."""
    return f"{strategy}-{epoch:x}-{number}"


def client_order_id(signal: str, writer_epoch: int) -> str:
    """Alpaca's `client_order_id` (at most 128 characters): decided by the signal, and carrying the writer's epoch."""
    return f"tm-{signal}-e{writer_epoch}"


def signal_of(client_order_id: str) -> str:
    """The signal that decided a client order id, whichever engine placed it; empty for one that is none of ours."""
    match = _CLIENT_ORDER_ID.fullmatch(client_order_id)
    return match[1] if match else ""
