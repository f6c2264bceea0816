"""Which journal: SQLite files in a folder, or a schema of the PostgreSQL database that the manifest names."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from tradingmesh.adapters import journal_files
from tradingmesh.adapters.journal_sqlite import SqliteJournal
from tradingmesh.core.errors import ConfigError
from tradingmesh.core.journal.chain import Entry
from tradingmesh.ports import Journal

FILE = "risk.journal"
"""The risk manager's, in its own folder."""


class Place(NamedTuple):
    """Where a journal is: in PostgreSQL where there is a `url`, otherwise in files. A `url` is a secret."""

    path: Path
    url: str = ""
    schema: str = ""

    def __str__(self) -> str:
        return f"PostgreSQL schema {self.schema}" if self.url else str(self.path)


class OpenJournal(Journal, Protocol):
    """A journal with what is worth telling about the end of its last life, in a sentence."""

    notice: str


class Entries(Protocol):
    """A journal that is only read. Both methods raise `JournalError` naming the first bad record, or a missing end."""

    def entries(self) -> Iterator[Entry]:
        """Every entry since the first."""

    def live(self) -> Iterator[Entry]:
        """Those that a start reads."""

    def missed(self, last: int) -> str:
        """What a power cut took of a journal that ends at `last`, in a sentence; empty where nothing is missing."""


def open_journal(place: Place) -> OpenJournal:
    """The journal, for its one writer. Raises `JournalError` where it cannot be trusted, or somebody else has it."""
    if not place.url:
        return SqliteJournal(place.path)
    _need_psycopg()
    from tradingmesh.adapters.journal_postgres import PostgresJournal  # noqa: PLC0415 - an optional extra

    return PostgresJournal(place.url, place.schema)


def read_journal(place: Place) -> AbstractContextManager[Entries]:
    """The journal, for reading only. Raises `JournalError` where there is none."""
    if not place.url:
        return journal_files.opened(place.path)
    _need_psycopg()
    from tradingmesh.adapters.journal_postgres_read import opened  # noqa: PLC0415 - an optional extra

    return opened(place.url, place.schema)


def _need_psycopg() -> None:
    try:
        import psycopg  # noqa: F401, PLC0415 - only to see whether it is there
    except ImportError as error:
        raise ConfigError(f"spec.persistence.postgres: install tradingmesh[postgres] for it ({error})") from None
