"""A journal in one SQLite file (write-ahead log), held by one process at a time.

`commit` is one transaction with `synchronous=FULL`: on disk even if the machine loses power. `flush` is one with
`synchronous=NORMAL`: it survives the death of this process, and waits for no disk. Each record carries its CRC-32, so a
flipped byte is found at replay; a torn write is SQLite's own to undo.
"""

import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

from tradingmesh.core.errors import JournalError

_TABLE = """
CREATE TABLE IF NOT EXISTS journal (
    position INTEGER PRIMARY KEY,
    checksum INTEGER NOT NULL,
    record BLOB NOT NULL
) STRICT
"""


class SqliteJournal:
    """`ports.Journal` in a file. Raises `JournalError` where the file is damaged, or held by another process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: list[tuple[int, int, bytes]] = []
        try:
            self._db = sqlite3.connect(path, timeout=0.5, isolation_level=None)
        except sqlite3.Error as error:
            raise self._failed("open", error) from None
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(_TABLE)
            self._db.execute("COMMIT")
            (last,) = self._db.execute("SELECT max(position) FROM journal").fetchone()
        except sqlite3.Error as error:
            self._db.close()
            raise self._failed("open", error) from None
        self._last: int = last or 0
        self._unsynced = False
        self._synchronous = ""

    def append(self, record: bytes) -> int:
        """Takes a record and returns its position, from 1. It is nowhere but in memory until `flush` or `commit`."""
        self._last += 1
        self._pending.append((self._last, zlib.crc32(record), record))
        return self._last

    def commit(self) -> None:
        """Everything appended is on disk."""
        if self._pending:
            self._write("FULL")
        elif self._unsynced:
            self._checkpoint()
        self._unsynced = False

    def flush(self) -> None:
        """Everything appended survives the death of this process; the next `commit` puts it on disk."""
        if self._pending:
            self._write("NORMAL")
            self._unsynced = True

    def replay(self) -> Iterator[bytes]:
        """Every record that was committed, in order."""
        try:
            rows = self._db.execute("SELECT position, checksum, record FROM journal ORDER BY position")
            for expected, (position, checksum, record) in enumerate(rows, start=1):
                if position != expected:
                    raise JournalError(f"{self._path}: record {expected} is missing")
                if zlib.crc32(record) != checksum:
                    raise JournalError(f"{self._path}: record {position} is damaged")
                yield record
        except sqlite3.Error as error:
            raise self._failed("read", error) from None

    def close(self) -> None:
        """Commits and lets go of the file."""
        self.commit()
        self._db.close()

    def _write(self, synchronous: str) -> None:
        try:
            if synchronous != self._synchronous:
                self._db.execute(f"PRAGMA synchronous={synchronous}")
                self._synchronous = synchronous
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT INTO journal VALUES (?, ?, ?)", self._pending)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._failed("write", error) from None
        self._pending.clear()

    def _checkpoint(self) -> None:
        """Moves the log into the file, synced: a transaction without a change would sync nothing."""
        try:
            self._db.execute("PRAGMA wal_checkpoint(FULL)")
        except sqlite3.Error as error:
            raise self._failed("write", error) from None

    def _failed(self, what: str, error: sqlite3.Error) -> JournalError:
        return JournalError(f"{self._path}: cannot {what} the journal: {error}")
