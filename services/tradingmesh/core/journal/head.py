"""How far a journal had come when it was last written: what tells whether its end is missing."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import Entry, Link


class Head(NamedTuple):
    """The last place that was committed, and the last position that was at least flushed."""

    committed: Link
    flushed: int

    def reached(self, entries: Iterable[Entry], source: object) -> Iterator[Entry]:
        """The entries as they are. Raises `JournalError` where they miss, or end before, what was committed."""
        last = 0
        for entry in entries:
            last = entry.position
            if last == self.committed.position and entry.link != self.committed:
                raise JournalError(f"{source}: record {last} is not the one that was committed")
            yield entry
        if last < self.committed.position:
            gone = f"records {last + 1} to {self.committed.position} were committed, and are gone"
            raise JournalError(f"{source}: the end is missing: {gone}")

    def missed(self, last: int) -> str:
        """What a power cut took, in a sentence, of a journal that ends at `last`; empty where nothing is missing."""
        if last >= self.flushed:
            return ""
        return f"records {last + 1} to {self.flushed} were never synced to disk, and are gone: power was lost"
