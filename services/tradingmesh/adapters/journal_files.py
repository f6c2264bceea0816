"""The files of a SQLite journal, read as one chain: first the archive, then the live file.

A reader changes nothing, not even the write-ahead log: where something is damaged, a person still finds all there was.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Self

from tradingmesh.adapters.journal_head import head_path, read_head
from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import START, Entry, Link, checked

VERSION = 2
LOCK_WAIT_S = 0.5
TABLE = """
CREATE TABLE journal (
    position INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    kind INTEGER NOT NULL,
    record BLOB NOT NULL
) STRICT
"""
_ROWS = "SELECT position, hash, kind, record FROM journal WHERE position >= ? AND position < ? ORDER BY position"
_END = 2**63 - 1


def archive_path(journal: Path) -> Path:
    """The file with the older records of that journal."""
    return journal.with_name(f"{journal.name}-archive")


class JournalFile:
    """One SQLite file with a table of entries, over an open connection."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self.db = db

    @classmethod
    def opened(cls, path: Path) -> Self:
        """The file for reading only. Raises `JournalError` where it is no journal, damaged, or held by a process."""
        try:
            db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=LOCK_WAIT_S)
        except sqlite3.Error as error:
            raise failed(path, "open", error) from None
        try:
            check_version(path, db)
        except (sqlite3.Error, JournalError) as error:
            db.close()
            raise failed(path, "open", error) if isinstance(error, sqlite3.Error) else error from None
        return cls(path, db)

    def close(self) -> None:
        """Lets go of the file."""
        self.db.close()

    def check(self) -> None:
        """Raises `JournalError` where SQLite finds its own structure damaged: also where no record stands."""
        try:
            (verdict,) = self.db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            raise failed(self.path, "read", error) from None
        if verdict != "ok":
            raise JournalError(f"{self.path}: the journal is damaged: {verdict}")

    def rows(self, first: int = 1, end: int = _END) -> Iterator[Entry]:
        """The entries as they stand there, unchecked, from `first` up to, not including, `end`."""
        position = first
        try:
            for row in self.db.execute(_ROWS, (first, end)):
                yield Entry(*row)
                position = row[0] + 1
        except sqlite3.Error as error:
            raise failed(self.path, f"read record {position} of", error) from None

    def edge(self, which: str) -> int:
        """The lowest (`min`) or highest (`max`) position; 0 in an empty file."""
        try:
            (found,) = self.db.execute(f"SELECT {which}(position) FROM journal").fetchone()  # noqa: S608 - min or max
        except sqlite3.Error as error:
            raise failed(self.path, "read", error) from None
        return found or 0


class JournalFiles:
    """The live file and the archive of one journal, with its head. `live` and `entries` check the chain as they go.

    Raises `JournalError` where a file is missing or damaged. Whoever made the two files closes them.
    """

    def __init__(self, live: JournalFile, archive: JournalFile | None) -> None:
        self._live = live
        self._archive = archive
        self._first = live.edge("min")
        head = read_head(head_path(live.path))
        if head is None:
            raise no_head(live.path)
        self._head = head

    def live(self) -> Iterator[Entry]:
        """The entries of the live file, the first of them linked to the archive.

        Raises `JournalError` naming the first bad record, or what is lost at the end, as `entries` does.
        """
        self._live.check()
        entries = checked(self._live.rows(), self._before_live(), self._live.path)
        return self._head.reached(entries, self._live.path)

    def entries(self) -> Iterator[Entry]:
        """Every entry since the first."""
        for file in self._files():
            file.check()
        return self._head.reached(checked(self._stored(), START, self._live.path), self._live.path)

    def missed(self, last: int) -> str:
        """What a power cut took of a journal that ends at `last`, in a sentence."""
        return self._head.missed(last)

    def _files(self) -> list[JournalFile]:
        return [self._live] if self._archive is None else [self._archive, self._live]

    def _stored(self) -> Iterator[Entry]:
        if self._archive is not None:
            yield from self._archive.rows(end=self._first or _END)
        yield from self._live.rows()

    def _before_live(self) -> Link:
        if self._first <= 1:
            return START
        before = next(self._archive.rows(self._first - 1, self._first), None) if self._archive is not None else None
        if before is None:
            missing = f"record {self._first - 1}, the last of {archive_path(self._live.path)}, is missing"
            raise JournalError(f"{self._live.path}: {missing}")
        return before.link


@contextmanager
def opened(path: Path) -> Iterator[JournalFiles]:
    """The files of a journal for reading only. Raises `JournalError` where there is none, or a process holds it."""
    if not path.exists():
        raise JournalError(f"{path}: there is no journal")
    archive = archive_path(path)
    with ExitStack() as stack:
        live = stack.enter_context(closing(JournalFile.opened(path)))
        older = stack.enter_context(closing(JournalFile.opened(archive))) if archive.exists() else None
        yield JournalFiles(live, older)


def check_version(path: Path, db: sqlite3.Connection) -> None:
    """Raises `JournalError` for a file of another program, or of another version of this one."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise JournalError(f"{path}: version {version} of the journal; this program knows {VERSION}")


def failed(path: Path, what: str, error: sqlite3.Error) -> JournalError:
    """The error of SQLite in our words."""
    if "locked" in str(error):
        return JournalError(f"{path}: another process holds the journal (it is locked): wait until that one has ended")
    return JournalError(f"{path}: cannot {what} the journal: {error}")


def no_head(journal: Path) -> JournalError:
    """The error where the head is missing."""
    return JournalError(f"{head_path(journal)}: the journal's head is missing: nobody can tell whether it is whole")
