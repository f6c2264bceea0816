"""The SQLite journal: what is committed comes back in order, and damage is found."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tradingmesh.adapters.journal_sqlite import SqliteJournal
from tradingmesh.core.errors import JournalError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def _edit(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


def test_committed_records_come_back_in_order(path: Path) -> None:
    """Positions count from 1, over restarts."""
    journal = SqliteJournal(path)
    assert [journal.append(b"one"), journal.append(b"two")] == [1, 2]
    journal.commit()
    journal.close()
    again = SqliteJournal(path)
    assert again.append(b"three") == 3
    again.flush()
    assert list(again.replay()) == [b"one", b"two", b"three"]


def test_what_was_not_committed_is_not_replayed(path: Path) -> None:
    """An appended record is nowhere until `flush` or `commit`."""
    journal = SqliteJournal(path)
    journal.append(b"lost")
    assert list(journal.replay()) == []


@pytest.mark.parametrize("how", ["flush", "commit"])
def test_a_killed_process_loses_nothing_it_wrote(path: Path, how: str) -> None:
    """`flush` and `commit` alike survive a process that ends without a word; what came after them is gone."""
    program = (
        "import os, sys, pathlib\n"
        "from tradingmesh.adapters.journal_sqlite import SqliteJournal\n"
        "journal = SqliteJournal(pathlib.Path(sys.argv[1]))\n"
        "journal.append(b'kept'); getattr(journal, sys.argv[2])(); journal.append(b'lost')\n"
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path), how], check=False, timeout=30)
    assert list(SqliteJournal(path).replay()) == [b"kept"]


def test_commit_after_flush_puts_it_into_the_file(path: Path) -> None:
    """With nothing new to write, `commit` still syncs what `flush` left in the log."""
    journal = SqliteJournal(path)
    journal.append(b"needle-in-the-file")
    journal.flush()
    assert b"needle-in-the-file" not in path.read_bytes()
    journal.commit()
    assert b"needle-in-the-file" in path.read_bytes()


def test_a_second_process_is_refused(path: Path, databases: list[sqlite3.Connection]) -> None:
    """Two writers would number their records alike. Who is refused lets go of the file."""
    holder = SqliteJournal(path)
    with pytest.raises(JournalError, match="locked"):
        SqliteJournal(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        databases[1].execute("SELECT 1")
    holder.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE journal SET record = x'ff' WHERE position = 2", "record 2 is damaged"),
        ("DELETE FROM journal WHERE position = 2", "record 2 is missing"),
    ],
)
def test_a_damaged_record_is_named(path: Path, damage: str, said: str) -> None:
    """Neither a changed nor a missing record goes unnoticed."""
    journal = SqliteJournal(path)
    for record in (b"one", b"two", b"three"):
        journal.append(record)
    journal.close()
    _edit(path, damage)
    with pytest.raises(JournalError, match=said):
        list(SqliteJournal(path).replay())


def test_a_file_that_is_no_journal_is_refused(path: Path) -> None:
    """The error names the file."""
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(JournalError, match=r"journal\.db: cannot open"):
        SqliteJournal(path)


def test_a_full_disk_is_an_error_and_keeps_the_records(path: Path) -> None:
    """What could not be written is written by the next commit that can."""
    journal = SqliteJournal(path)
    journal._db.execute("PRAGMA max_page_count=2")
    journal.append(b"x" * 100_000)
    with pytest.raises(JournalError, match="full"):
        journal.commit()
    journal._db.execute("PRAGMA max_page_count=100000")
    journal.commit()
    assert [len(record) for record in journal.replay()] == [100_000]
