"""A journal in SQLite files (write-ahead log), held by one process at a time.

`commit` is one transaction with `synchronous=FULL`: on disk even if the machine loses power. `flush` is one with
`synchronous=NORMAL`: it survives the death of this process, and waits for no disk (sqlite.org/pragma.html).

What lies before the last but one snapshot moves to the archive, a second file, a little at a time: nothing is deleted,
and the live file stays small. It begins at a snapshot, so it alone is read at start.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from tradingmesh.adapters.journal_files import (
    LOCK_WAIT_S,
    TABLE,
    VERSION,
    JournalFile,
    JournalFiles,
    archive_path,
    check_version,
    failed,
    no_head,
    opened,
)
from tradingmesh.adapters.journal_head import HeadFile, head_path, read_head
from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import START, Entry, Kind, Link
from tradingmesh.core.journal.head import Head
from tradingmesh.core.journal.pending import Pending

MOVED_MAX = 1_000
"""So many entries move to the archive at once: a few milliseconds, in which nobody is answered."""
_INSERT = "INSERT INTO journal VALUES (?, ?, ?, ?)"
_INSERT_ANEW = "INSERT OR IGNORE INTO journal VALUES (?, ?, ?, ?)"


class SqliteJournal:
    """`ports.Journal` in files. Raises `JournalError` where one is damaged or cut short, or held by another process.

    `notice` is what is worth telling about the end of its last life, in a sentence.
    """

    def __init__(self, path: Path) -> None:
        """Checks the live file before anything is opened for writing: where it is damaged it is left as it is."""
        self._path = path
        self._snapshots: list[int] = []
        self._first = 0
        self.notice = ""
        head = read_head(head_path(path))
        if head is None and path.exists():
            raise no_head(path)
        last = START
        if head is not None and head.committed != START:
            with opened(path) as files:
                last = self._walk(files)
        with ExitStack() as stack:
            self._head = stack.enter_context(closing(HeadFile(head_path(path))))
            self._live = stack.enter_context(closing(_open(path)))
            archive = archive_path(path)
            self._archive = stack.enter_context(closing(_open(archive))) if archive.exists() else None
            if last == START:  # nothing was ever committed; something may have been flushed
                last = self._walk(JournalFiles(self._live, self._archive))
            self._pending = Pending(last)
            self._unsure = False
            self._synchronous = ""
            self._sync()
            self._mark()
            stack.pop_all()

    def append(self, record: bytes, kind: Kind = Kind.RECORD) -> int:
        """Takes a record and returns its position, from 1. It is nowhere but in memory until `flush` or `commit`."""
        position = self._pending.append(kind, record)
        if kind is Kind.SNAPSHOT:
            self._snapshots.append(position)
        return position

    def commit(self) -> None:
        """Everything appended is on disk."""
        if self._unsure:
            self._settle()
        if self._pending.unwritten:
            self._write("FULL")
            self._pending.was_synced()
        elif self._pending.flushed:
            self._sync()
        self._mark()

    def flush(self) -> None:
        """Everything appended survives the death of this process; the next `commit` puts it on disk."""
        if self._unsure or self._pending.must_sync:
            self.commit()
            return
        if self._pending.unwritten:
            self._write("NORMAL")
            self._pending.was_flushed()
        self._mark()

    def recover(self) -> Iterator[Entry]:
        """What the last life left: the newest snapshot and all after it, or every entry where there is no snapshot."""
        return self._live.rows(self._snapshots[-1] if self._snapshots else 1)

    def entries(self) -> Iterator[Entry]:
        """Every entry since the first, archive and all, checked."""
        return JournalFiles(self._live, self._archive).entries()

    def compact(self) -> None:
        """Moves what lies before the last but one snapshot to the archive, `MOVED_MAX` entries at most."""
        if len(self._snapshots) < 2 or self._pending.unwritten or self._first >= self._snapshots[-2]:
            return
        del self._snapshots[:-2]
        end = min(self._snapshots[0], self._first + MOVED_MAX)
        moved = list(self._live.rows(self._first, end))
        if self._archive is None:
            self._archive = _open(archive_path(self._path))
        _keep(self._archive, moved)
        try:
            self._live.db.execute("DELETE FROM journal WHERE position < ?", (end,))
        except sqlite3.Error as error:
            raise failed(self._path, "move records out of", error) from None
        self._first = end

    def close(self) -> None:
        """Commits and lets go of the files."""
        self.commit()
        self._head.close()
        self._live.close()
        if self._archive is not None:
            self._archive.close()

    def _walk(self, files: JournalFiles) -> Link:
        last = START
        for entry in files.live():
            self._first = self._first or entry.position
            if entry.kind == Kind.SNAPSHOT:
                self._snapshots.append(entry.position)
            last = entry.link
        self.notice = files.missed(last.position)
        return last

    def _write(self, synchronous: str) -> None:
        db = self._live.db
        try:
            if synchronous != self._synchronous:
                db.execute(f"PRAGMA synchronous={synchronous}")
                self._synchronous = synchronous
            db.execute("BEGIN IMMEDIATE")
            db.executemany(_INSERT, self._pending.unwritten)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            self._unsure = True
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise failed(self._path, "write", error) from None
        self._first = self._first or 1

    def _settle(self) -> None:
        """After a write that failed: did it come about all the same?"""
        last = next(self._live.rows(self._live.edge("max")), None)
        self._pending.settle(last.link if last else START, self._path)
        self._unsure = False

    def _sync(self) -> None:
        """Moves the log into the file, synced: a transaction without a change would sync nothing."""
        try:
            self._live.db.execute("PRAGMA wal_checkpoint(FULL)")
        except sqlite3.Error as error:
            raise failed(self._path, "write", error) from None
        self._pending.was_synced()

    def _mark(self) -> None:
        """Says where the journal has come to. Where that failed, the next `flush` or `commit` tries again."""
        self._head.mark(Head(self._pending.synced, self._pending.written.position))


def _open(path: Path) -> JournalFile:
    try:
        db = sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None)
    except sqlite3.Error as error:
        raise failed(path, "open", error) from None
    try:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("BEGIN IMMEDIATE")
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables:
            db.execute(TABLE)
            db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")
        check_version(path, db)
    except (sqlite3.Error, JournalError) as error:
        db.close()
        raise failed(path, "open", error) if isinstance(error, sqlite3.Error) else error from None
    return JournalFile(path, db)


def _keep(archive: JournalFile, moved: list[Entry]) -> None:
    """Puts the entries there, unless they are there already, and reads them back: elsewhere they will be deleted."""
    db = archive.db
    try:
        db.execute("BEGIN IMMEDIATE")
        db.executemany(_INSERT_ANEW, moved)
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise failed(archive.path, "write", error) from None
    if list(archive.rows(moved[0].position, moved[-1].position + 1)) != moved:
        raise JournalError(f"{archive.path}: the archive has other records than those that move there")
