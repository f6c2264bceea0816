"""The chain: whatever is changed, removed, added or moved, the first record that does not fit is named."""

import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import HASH_BYTES, START, Entry, Kind, Link, checked, following

RECORDS = st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=40)), min_size=2, max_size=12)


def _chain(records: list[tuple[Kind, bytes]]) -> list[Entry]:
    entries, last = [], START
    for kind, record in records:
        entries.append(following(last, kind, record))
        last = entries[-1].link
    return entries


def _read(entries: list[Entry]) -> list[Entry]:
    return list(checked(entries, START, "test"))


@given(RECORDS)
def test_a_whole_chain_is_read_as_it_is(records: list[tuple[Kind, bytes]]) -> None:
    """Every entry, in order; from any place on as well."""
    entries = _chain(records)
    assert _read(entries) == entries
    assert list(checked(entries[1:], entries[0].link, "test")) == entries[1:]


@given(RECORDS, st.randoms(use_true_random=False))
def test_any_flipped_bit_is_found_where_it_is(records: list[tuple[Kind, bytes]], chance: random.Random) -> None:
    """In a record or in a hash: that very position is named."""
    entries = _chain(records)
    index = chance.randrange(len(entries))
    entry = entries[index]
    raw = bytearray(entry.hash + entry.record)
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    entries[index] = entry._replace(hash=bytes(raw[:HASH_BYTES]), record=bytes(raw[HASH_BYTES:]))
    with pytest.raises(JournalError, match=f"test: record {index + 1} is damaged"):
        _read(entries)


@given(RECORDS, st.data())
def test_a_removed_entry_is_missed(records: list[tuple[Kind, bytes]], data: st.DataObject) -> None:
    """Even if all after it are numbered anew."""
    entries = _chain(records)
    index = data.draw(st.integers(0, len(entries) - 2))
    gone = entries[:index] + entries[index + 1 :]
    with pytest.raises(JournalError, match=f"record {index + 1} is missing: record {index + 2} stands in its place"):
        _read(gone)
    with pytest.raises(JournalError, match=f"record {index + 1} is damaged"):
        _read([entry._replace(position=number) for number, entry in enumerate(gone, start=1)])


@given(RECORDS, st.data())
def test_swapped_records_are_found(records: list[tuple[Kind, bytes]], data: st.DataObject) -> None:
    """Each with its own hash, or without."""
    entries = _chain(records)
    index = data.draw(st.integers(0, len(entries) - 2))
    one, two = entries[index], entries[index + 1]
    entries[index : index + 2] = [two._replace(position=one.position), one._replace(position=two.position)]
    with pytest.raises(JournalError, match=f"record {index + 1} is damaged"):
        _read(entries)


def test_a_changed_kind_is_found() -> None:
    """A record is never taken for a snapshot, nor for something of the future."""
    entry = _chain([(Kind.RECORD, b"one")])[0]
    for kind in (Kind.SNAPSHOT, 7):
        with pytest.raises(JournalError, match="record 1 is damaged"):
            _read([entry._replace(kind=kind)])


def test_the_hash_is_what_the_page_says() -> None:
    """Anybody can compute it: hash before, position, kind, record."""
    entry = following(Link(1, b"\1" * 32), Kind.SNAPSHOT, b"record")
    assert entry.hash == sha256(b"\1" * 32 + (2).to_bytes(8, "big") + b"\1" + b"record").digest()
