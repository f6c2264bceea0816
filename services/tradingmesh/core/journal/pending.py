"""The end of a journal that is not known to be on disk: what to write next, and again after a failure.

A write can fail without telling whether it came about (a lost connection, an error at the very end). Then the place
where the store stands decides: it is that of one of our entries, and what follows that one is still to be written.
"""

from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import Entry, Kind, Link, following

FLUSHED_MAX = 1_000
"""So many entries may rest on `flush` alone; the next is committed, which bounds what a power cut can take."""


class Pending:
    """Entries in three states: `unwritten`, `flushed` (written, though not synced to disk), and on disk, forgotten."""

    def __init__(self, head: Link) -> None:
        self.head = head
        self.synced = head
        self.unwritten: list[Entry] = []
        self.flushed: list[Entry] = []

    @property
    def written(self) -> Link:
        """The last place that was written."""
        return self.flushed[-1].link if self.flushed else self.synced

    @property
    def must_sync(self) -> bool:
        """Whether too much rests on `flush` alone."""
        return len(self.flushed) + len(self.unwritten) > FLUSHED_MAX

    def append(self, kind: Kind, record: bytes) -> int:
        """Links a record to the end; returns its position."""
        entry = following(self.head, kind, record)
        self.unwritten.append(entry)
        self.head = entry.link
        return entry.position

    def was_flushed(self) -> None:
        """All that was unwritten is written."""
        self.flushed += self.unwritten
        self.unwritten = []

    def was_synced(self) -> None:
        """All is on disk."""
        self.synced = self.head
        self.unwritten, self.flushed = [], []

    def settle(self, stored: Link, source: object) -> None:
        """Finds where the store stands: what comes after is unwritten. Raises `JournalError` where it fits nowhere."""
        entries = self.flushed + self.unwritten
        count = stored.position - self.synced.position
        expected = entries[count - 1].link if 0 < count <= len(entries) else self.synced
        if stored != expected:
            raise JournalError(
                f"{source}: record {stored.position} is not the one that was written: "
                "somebody else wrote this journal, or put an older one in its place"
            )
        self.flushed, self.unwritten = entries[:count], entries[count:]
