"""The hash chain of a journal: every entry carries the hash of all before it, so none can change, go or move unseen.

`hash = SHA-256(hash before | position, 8 bytes, big-endian | kind, 1 byte | record)`; before the first, 32 zero bytes.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

from tradingmesh.core.errors import JournalError

HASH_BYTES = 32
_LINKED = Struct(f">{HASH_BYTES}sQB")


class Kind(IntEnum):
    """What an entry is."""

    RECORD = 0
    """Something that was decided."""
    SNAPSHOT = 1
    """A picture of all that the records before it lead to."""


class Link(NamedTuple):
    """A place in the chain: a position, counted from 1, and the hash there."""

    position: int
    hash: bytes


START = Link(0, bytes(HASH_BYTES))
"""Before the first entry."""


class Entry(NamedTuple):
    """One link with what it carries."""

    position: int
    hash: bytes
    kind: int
    record: bytes

    @property
    def link(self) -> Link:
        """Its place."""
        return Link(self.position, self.hash)


def hash_after(before: bytes, position: int, kind: int, record: bytes) -> bytes:
    """The hash of the entry of that position."""
    return sha256(_LINKED.pack(before, position, kind) + record).digest()


def following(before: Link, kind: Kind, record: bytes) -> Entry:
    """The entry that comes next."""
    position = before.position + 1
    return Entry(position, hash_after(before.hash, position, kind, record), kind, record)


def checked(entries: Iterable[Entry], before: Link, source: object) -> Iterator[Entry]:
    """The entries as they are, each proved to follow the one before it; the first must follow `before`.

    Raises `JournalError` naming `source` and the first record that is missing, out of place or not as it was written.
    """
    position, last = before
    for entry in entries:
        position += 1
        if entry.position != position:
            raise JournalError(f"{source}: record {position} is missing: record {entry.position} stands in its place")
        if entry.kind not in _KINDS or len(entry.hash) != HASH_BYTES:
            raise JournalError(f"{source}: record {position} is damaged: it is of no kind there is")
        if hash_after(last, position, entry.kind, entry.record) != entry.hash:
            raise JournalError(f"{source}: record {position} is damaged: its hash does not follow from its bytes")
        last = entry.hash
        yield entry


_KINDS = frozenset(Kind)
