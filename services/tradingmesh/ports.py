"""What the shells need from outside, as Protocols. Adapters provide them; tests provide others."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from tradingmesh.core.market import MarketEvent


class Clock(Protocol):
    """Where time comes from."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""


class Tape(Protocol):
    """Recorded or generated market data, in time order."""

    @property
    def length(self) -> int | None:
        """How many events, where that is known before reading."""

    def __iter__(self) -> Iterator[MarketEvent]: ...


class TickStore(Protocol):
    """Keeps market data and gives it back as a tape."""

    def append(self, events: Iterable[MarketEvent]) -> None:
        """Takes the events; they are durable after the next `flush`."""

    def flush(self) -> None:
        """Everything appended is readable by others from now on."""

    def tape(self, symbols: Sequence[str]) -> Tape:
        """What was stored of these symbols, merged in time order."""


class Journal(Protocol):
    """Append-only record of what was decided, in order."""

    def append(self, record: bytes) -> int:
        """Takes a record and returns its position, from 1; it is durable after the next `commit`."""

    def commit(self) -> None:
        """Everything appended is on disk. Raises `JournalError` where it cannot be."""

    def flush(self) -> None:
        """Everything appended survives this process, though not the machine's power; cheap. Raises `JournalError`."""

    def replay(self) -> Iterator[bytes]:
        """Every record that was committed, in order. Raises `JournalError` naming a damaged one."""
