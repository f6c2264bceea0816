"""The SQLite journal: what is committed comes back in order, and what was lost or damaged is told."""

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tradingmesh.adapters.journal_files import archive_path
from tradingmesh.adapters.journal_head import head_path
from tradingmesh.adapters.journal_sqlite import SqliteJournal
from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import START, Kind, checked
from tradingmesh.core.journal.pending import FLUSHED_MAX


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.journal"


def _records(journal: SqliteJournal) -> list[bytes]:
    return [entry.record for entry in journal.entries()]


def _written(path: Path, *records: bytes) -> Path:
    journal = SqliteJournal(path)
    for record in records:
        journal.append(record)
    journal.close()
    return path


def _edit(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


def _ended(path: Path, *calls: str) -> None:
    """Another process makes these calls on the journal, and ends without a word."""
    program = (
        "import os, sys, pathlib\n"
        "from tradingmesh.adapters.journal_sqlite import SqliteJournal\n"
        "journal = SqliteJournal(pathlib.Path(sys.argv[1]))\n"
        f"{'; '.join(calls)}\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False, timeout=30).returncode == 9


def test_committed_records_come_back_in_order(path: Path) -> None:
    """Positions count from 1, over restarts, and the chain goes on."""
    journal = SqliteJournal(path)
    assert [journal.append(b"one"), journal.append(b"two")] == [1, 2]
    journal.commit()
    journal.close()
    again = SqliteJournal(path)
    assert again.append(b"three") == 3
    again.flush()
    assert _records(again) == [b"one", b"two", b"three"]
    assert [entry.position for entry in checked(again.recover(), START, path)] == [1, 2, 3]


def test_what_was_not_committed_is_not_there(path: Path) -> None:
    """An appended record is nowhere until `flush` or `commit`."""
    journal = SqliteJournal(path)
    journal.append(b"lost")
    assert _records(journal) == []


@pytest.mark.parametrize("how", ["flush", "commit"])
def test_a_killed_process_loses_nothing_it_wrote(path: Path, how: str) -> None:
    """`flush` and `commit` alike survive a process that ends without a word; what came after them is gone."""
    _ended(path, "journal.append(b'kept')", f"journal.{how}()", "journal.append(b'lost')")
    journal = SqliteJournal(path)
    assert _records(journal) == [b"kept"]
    assert journal.notice == ""


def test_commit_after_flush_puts_it_into_the_file(path: Path) -> None:
    """With nothing new to write, `commit` still syncs what `flush` left in the log."""
    journal = SqliteJournal(path)
    journal.append(b"needle-in-the-file")
    journal.flush()
    assert b"needle-in-the-file" not in path.read_bytes()
    journal.commit()
    assert b"needle-in-the-file" in path.read_bytes()


def test_flush_alone_is_trusted_with_a_bounded_number(path: Path) -> None:
    """Then it commits: a power cut cannot take more than that."""
    journal = SqliteJournal(path)
    for _ in range(FLUSHED_MAX):
        journal.append(b"flushed")
        journal.flush()
    assert len(journal._pending.flushed) == FLUSHED_MAX
    journal.append(b"one more")
    journal.flush()
    assert journal._pending.flushed == []


def test_a_second_process_is_refused(path: Path, databases: list[sqlite3.Connection]) -> None:
    """Two writers would number their records alike. Who is refused lets go of the file."""
    holder = SqliteJournal(path)
    with pytest.raises(JournalError, match="another process holds the journal"):
        SqliteJournal(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        databases[1].execute("SELECT 1")
    holder.append(b"one")
    holder.commit()
    with pytest.raises(JournalError, match="another process holds the journal"):
        SqliteJournal(path)
    holder.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE journal SET record = x'ff' WHERE position = 2", "record 2 is damaged"),
        ("UPDATE journal SET kind = 1 WHERE position = 2", "record 2 is damaged"),
        ("DELETE FROM journal WHERE position = 2", "record 2 is missing"),
        ("DELETE FROM journal WHERE position > 1", "records 2 to 3 were committed, and are gone"),
        ("DELETE FROM journal", "records 1 to 3 were committed, and are gone"),
        ("PRAGMA user_version = 9", "version 9 of the journal; this program knows 2"),
    ],
)
def test_a_damaged_record_is_named(path: Path, damage: str, said: str) -> None:
    """Neither a changed nor a missing record goes unnoticed, wherever it stood; and nothing is touched."""
    _edit(_written(path, b"one", b"two", b"three"), damage)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(JournalError, match=said):
            SqliteJournal(path)
    assert path.read_bytes() == before


def test_another_history_of_the_same_length_is_found(path: Path, tmp_path: Path) -> None:
    """A file from elsewhere, whole in itself, does not take the place of the one whose head is here."""
    _written(path, b"one", b"two")
    _written(tmp_path / "other", b"eins", b"zwei").replace(path)
    with pytest.raises(JournalError, match="record 2 is not the one that was committed"):
        SqliteJournal(path)


def test_a_first_start_on_a_full_disk_leaves_nothing_that_refuses_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head that was made and never filled would be a damaged one for ever."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for call in ("pwrite", "fsync"):
        with monkeypatch.context() as disk:
            disk.setattr(os, call, full)
            with pytest.raises(JournalError, match="No space left on device"):
                SqliteJournal(path)
        assert not head_path(path).exists()
    SqliteJournal(path).close()


@pytest.mark.parametrize("what", ["missing", "damaged", "short"])
def test_without_its_head_a_journal_is_refused(path: Path, what: str) -> None:
    """Nobody could tell whether its end is there."""
    head = head_path(_written(path, b"one"))
    raw = head.read_bytes()
    head.unlink()
    if what != "missing":
        head.write_bytes(raw[:-1] if what == "short" else raw.replace(b"tm-head1", b"tm-heap1"))
    with pytest.raises(JournalError, match=r"test\.journal-head: the journal's head is (missing|damaged)"):
        SqliteJournal(path)


def test_a_journal_that_is_gone_is_not_begun_anew(path: Path) -> None:
    """The head knows that there was one."""
    _written(path, b"one").unlink()
    with pytest.raises(JournalError, match="there is no journal"):
        SqliteJournal(path)
    assert not path.exists()


def test_lost_commits_are_refused_and_lost_flushes_told(path: Path) -> None:
    """Both are in the write-ahead log when the process dies; without the log, one is a damage and the other is not."""
    log = path.with_name(f"{path.name}-wal")
    _ended(
        path,
        "journal.append(b'one')",
        "journal.commit()",
        "journal._sync()",
        "journal.append(b'two')",
        "journal.flush()",
    )
    log.unlink()
    journal = SqliteJournal(path)
    assert _records(journal) == [b"one"]
    assert journal.notice == "records 2 to 2 were never synced to disk, and are gone: power was lost"
    journal.close()
    _ended(path, "journal.append(b'two')", "journal.commit()")
    log.unlink()
    with pytest.raises(JournalError, match="records 2 to 2 were committed, and are gone"):
        SqliteJournal(path)


def test_a_file_that_is_no_journal_is_refused(path: Path) -> None:
    """The error names the file."""
    _written(path, b"one").write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(JournalError, match=r"test\.journal: cannot open"):
        SqliteJournal(path)


def test_a_full_disk_is_an_error_and_keeps_the_records(path: Path) -> None:
    """What could not be written is written by the next commit that can, once."""
    journal = SqliteJournal(path)
    journal._live.db.execute("PRAGMA max_page_count=2")
    journal.append(b"x" * 100_000)
    for _ in range(2):
        with pytest.raises(JournalError, match="full"):
            journal.commit()
    journal._live.db.execute("PRAGMA max_page_count=100000")
    journal.append(b"y")
    journal.flush()
    assert [len(record) for record in _records(journal)] == [100_000, 1]


def test_a_commit_that_failed_after_it_came_about_is_not_repeated(path: Path) -> None:
    """The place in the file decides."""
    journal = SqliteJournal(path)
    journal.append(b"one")
    journal._write("FULL")  # it came about, and nobody was told
    journal._unsure = True
    journal.append(b"two")
    journal.commit()
    assert _records(journal) == [b"one", b"two"]


def _with_snapshots(journal: SqliteJournal) -> None:
    """Twelve records of which every fourth is a snapshot."""
    for number in range(1, 13):
        journal.append(b"%d" % number, Kind.RECORD if number % 4 else Kind.SNAPSHOT)
        journal.commit()


def test_a_new_life_begins_at_the_newest_snapshot(path: Path) -> None:
    """The snapshot, and what came after it."""
    journal = SqliteJournal(path)
    _with_snapshots(journal)
    journal.append(b"13")
    journal.close()
    found = [(entry.position, entry.kind) for entry in SqliteJournal(path).recover()]
    assert found == [(12, Kind.SNAPSHOT), (13, Kind.RECORD)]


def test_what_no_start_needs_moves_to_the_archive(path: Path) -> None:
    """All before the last but one snapshot; archive and live file are one chain, over restarts."""
    journal = SqliteJournal(path)
    _with_snapshots(journal)
    journal.compact()
    assert [entry.position for entry in journal._live.rows()] == [8, 9, 10, 11, 12]
    journal.compact()
    journal.close()
    again = SqliteJournal(path)
    assert [entry.position for entry in again.entries()] == list(range(1, 13))
    _with_snapshots(again)
    again.compact()
    assert [entry.position for entry in again._live.rows()] == list(range(20, 25))
    assert [entry.position for entry in again.entries()] == list(range(1, 25))


def test_a_little_moves_at_a_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for an answer; the next call goes on where this one ended."""
    monkeypatch.setattr("tradingmesh.adapters.journal_sqlite.MOVED_MAX", 3)
    journal = SqliteJournal(path)
    _with_snapshots(journal)
    firsts = []
    for _ in range(4):
        journal.compact()
        firsts.append(next(journal._live.rows()).position)
    assert firsts == [4, 7, 8, 8]


def test_a_move_that_was_interrupted_is_finished(path: Path) -> None:
    """The process ended when the archive had the records and the live file still did."""
    journal = SqliteJournal(path)
    _with_snapshots(journal)
    live = list(journal._live.rows())
    journal.compact()
    journal._live.db.executemany("INSERT INTO journal VALUES (?, ?, ?, ?)", live[:7])
    journal.close()
    again = SqliteJournal(path)
    assert [entry.position for entry in again.entries()] == list(range(1, 13))
    again.compact()
    assert [entry.position for entry in again.entries()] == list(range(1, 13))
    assert next(again._live.rows()).position == 8


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM journal WHERE position = 7", "record 7, the last of .*-archive, is missing"),
        ("UPDATE journal SET hash = zeroblob(32) WHERE position = 7", "record 8 is damaged"),
    ],
)
def test_an_archive_that_does_not_fit_is_refused_at_start(path: Path, damage: str, said: str) -> None:
    """The live file is linked to its last record."""
    journal = SqliteJournal(path)
    _with_snapshots(journal)
    journal.compact()
    journal.close()
    _edit(archive_path(path), damage)
    with pytest.raises(JournalError, match=said):
        SqliteJournal(path)


def test_a_damaged_archive_is_found_by_who_reads_it(path: Path) -> None:
    """A start reads no more of it than its last record: it would take longer every day."""
    journal = SqliteJournal(path)
    _with_snapshots(journal)
    journal.compact()
    journal.close()
    _edit(archive_path(path), "UPDATE journal SET record = x'00' WHERE position = 3")
    with pytest.raises(JournalError, match="record 3 is damaged"):
        list(SqliteJournal(path).entries())


def test_other_records_in_the_archive_are_not_taken_for_these(path: Path) -> None:
    """Nothing is deleted from the live file that the archive does not have."""
    journal = SqliteJournal(path)
    _with_snapshots(journal)
    journal.compact()
    _with_snapshots(journal)
    assert journal._archive is not None
    journal._archive.db.execute("INSERT INTO journal VALUES (9, x'00', 0, x'00')")
    with pytest.raises(JournalError, match="the archive has other records"):
        journal.compact()
    assert next(journal._live.rows()).position == 8
