"""A journal without a disk, that forgets exactly what a disk would: for crashes that take microseconds."""

from collections.abc import Callable, Iterator

from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import START, Entry, Kind, following

Step = Callable[[str], object]


class MemoryDisk:
    """What is left of a journal when its process is killed, and of that what a power cut leaves (`synced`).

    While it is `full` nothing can be written.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.synced = 0
        self.full = False

    def cut_power(self) -> int:
        """Only what was committed is left. How many entries are gone."""
        lost = len(self.entries) - self.synced
        del self.entries[self.synced :]
        return lost


class MemoryJournal:
    """`ports.Journal` on a `MemoryDisk`. `step(what)` is called before and after each write: a process may end there.

    A process that ends in a write leaves all of it or nothing.
    """

    notice = ""

    def __init__(self, disk: MemoryDisk, step: Step) -> None:
        self._disk = disk
        self._step = step
        self._pending: list[Entry] = []
        self._head = disk.entries[-1].link if disk.entries else START

    def append(self, record: bytes, kind: Kind = Kind.RECORD) -> int:
        """Takes a record."""
        self._pending.append(following(self._head, kind, record))
        self._head = self._pending[-1].link
        return self._head.position

    def commit(self) -> None:
        """Everything appended survives a power cut."""
        self._write("commit")
        self._disk.synced = len(self._disk.entries)

    def flush(self) -> None:
        """Everything appended survives this process."""
        self._write("flush")

    def recover(self) -> Iterator[Entry]:
        """The newest snapshot and all after it, or everything."""
        kept = list(self._disk.entries)
        snapshots = [number for number, entry in enumerate(kept) if entry.kind == Kind.SNAPSHOT]
        return iter(kept[snapshots[-1] if snapshots else 0 :])

    def entries(self) -> Iterator[Entry]:
        """Everything."""
        return iter(list(self._disk.entries))

    def compact(self) -> None:
        """Has nothing to put away."""

    def close(self) -> None:
        """Has nothing to let go."""

    def _write(self, what: str) -> None:
        if self._disk.full:
            raise JournalError("no space left on the device")
        self._step(what)
        self._disk.entries += self._pending
        self._pending.clear()
        self._step(what)
