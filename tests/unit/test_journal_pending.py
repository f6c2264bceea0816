"""What is not known to be on disk is written again, exactly once, whatever the store had taken of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import START, Entry, Kind, Link, checked
from tradingmesh.core.journal.pending import FLUSHED_MAX, Pending


def _pending(flushed: int, unwritten: int) -> Pending:
    pending = Pending(START)
    for number in range(flushed):
        pending.append(Kind.RECORD, b"f%d" % number)
    pending.was_flushed()
    for number in range(unwritten):
        pending.append(Kind.RECORD, b"u%d" % number)
    return pending


@given(st.integers(0, 5), st.integers(0, 5), st.data())
def test_a_store_that_stands_anywhere_gets_the_rest(flushed: int, unwritten: int, data: st.DataObject) -> None:
    """The store lost what was flushed, or took part of what failed: afterwards it has all of it once."""
    pending = _pending(flushed, unwritten)
    every = pending.flushed + pending.unwritten
    taken = data.draw(st.integers(0, len(every)))
    stored: list[Entry] = every[:taken]
    pending.settle(stored[-1].link if stored else START, "test")
    stored += pending.unwritten
    pending.was_synced()
    assert list(checked(stored, START, "test")) == every
    assert (pending.written, pending.unwritten, pending.flushed) == (pending.head, [], [])


@pytest.mark.parametrize("stored", [Link(2, b"x" * 32), Link(9, b"x" * 32), Link(0, b"x" * 32)])
def test_another_ones_journal_is_refused(stored: Link) -> None:
    """A hash that is not ours, and more than was ever written."""
    pending = _pending(1, 2)
    with pytest.raises(JournalError, match=f"test: record {stored.position} is not the one that was written"):
        pending.settle(stored, "test")


def test_a_store_that_lost_what_was_on_disk_is_refused() -> None:
    """Behind the last sync nothing can be written again: it is forgotten."""
    pending = _pending(0, 3)
    pending.was_synced()
    with pytest.raises(JournalError, match="put an older one in its place"):
        pending.settle(START, "test")


def test_flush_alone_is_trusted_with_a_bounded_number() -> None:
    """Then a commit is due."""
    assert not _pending(FLUSHED_MAX - 1, 1).must_sync
    assert _pending(FLUSHED_MAX, 1).must_sync
