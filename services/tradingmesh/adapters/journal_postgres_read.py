"""A journal in a schema of a PostgreSQL database, read. Who only reads takes no lock: it may be done beside the writer.

Nothing moves to an archive here: one table has every entry, and a start finds the newest snapshots by their index.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from tradingmesh.core.errors import ConfigError, JournalError
from tradingmesh.core.journal.chain import START, Entry, Link, checked
from tradingmesh.core.journal.head import Head

Connection = psycopg.Connection[tuple[Any, ...]]
PAGE = 1_000
_CONNECT_WITHIN_S = 2
_SETTINGS = {
    "statement_timeout": "10s",
    # What the server does with a session whose client is gone without a word: it holds the lock of the one writer.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
_UNACKNOWLEDGED_MS = 5_000
"""So long a statement may be on its way to a server that does not answer at all."""


def connect(url: str) -> Connection:
    """A session of its own. Raises `ConfigError` for what is no URL, `JournalError` where nobody answers there."""
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=_CONNECT_WITHIN_S,
            tcp_user_timeout=_UNACKNOWLEDGED_MS,
            application_name="tradingmesh",
            options=" ".join(f"-c {name}={value}" for name, value in _SETTINGS.items()),
        )
    except psycopg.ProgrammingError:  # its words would repeat the URL, and the password with it
        raise ConfigError("TRADINGMESH_POSTGRES_URL: not a URL such as postgresql://user@host/database") from None
    except psycopg.Error as error:
        raise failed("connect to", error) from None


def failed(what: str, error: psycopg.Error) -> JournalError:
    """The error of PostgreSQL in our words, on one line."""
    said = " ".join(str(error).split()) or type(error).__name__
    return JournalError(f"PostgreSQL: cannot {what} the journal: {said}")


class PostgresEntries:
    """The entries of one schema, over an open session. Raises `JournalError`: damaged, or out of reach."""

    def __init__(self, db: Connection, schema: str) -> None:
        self._db = db
        self._schema = sql.Identifier(schema)
        self.source = f"PostgreSQL schema {schema}"

    def statement(self, text: LiteralString) -> sql.Composed:
        """The statement, with the schema's name where `{schema}` stands."""
        return sql.SQL(text).format(schema=self._schema)

    def one(self, text: LiteralString, *values: object) -> tuple[Any, ...] | None:
        """The first row that the statement gives."""
        try:
            return self._db.execute(self.statement(text), values, binary=True).fetchone()
        except psycopg.Error as error:
            raise failed("read", error) from None

    def head(self) -> Link:
        """How far the journal had come when it was last written."""
        row = self.one("SELECT position, hash FROM {schema}.head")
        if row is None:
            raise JournalError(f"{self.source}: the journal's head is missing: nobody can tell whether it is whole")
        return Link(*row)

    def snapshots(self) -> list[int]:
        """The positions of the last two snapshots, the older one first; fewer where there are not so many."""
        found = self.one(
            "SELECT array_agg(position ORDER BY position) FROM (SELECT position FROM {schema}.journal "
            "WHERE kind = 1 ORDER BY position DESC LIMIT 2) AS newest"
        )
        return list(found[0] or ()) if found else []

    def rows(self, first: int = 1) -> Iterator[Entry]:
        """The entries as they stand there, unchecked, from `first` on."""
        query = self.statement(
            "SELECT position, hash, kind, record FROM {schema}.journal WHERE position >= %s ORDER BY position LIMIT %s"
        )
        while True:
            try:
                page = self._db.execute(query, (first, PAGE), binary=True).fetchall()
            except psycopg.Error as error:
                raise failed(f"read records from {first} on in", error) from None
            yield from (Entry(*row) for row in page)
            if len(page) < PAGE:
                return
            first = page[-1][0] + 1

    def live(self) -> Iterator[Entry]:
        """The entries from the last but one snapshot on, checked: what a start reads."""
        snapshots = self.snapshots()
        return self._checked(snapshots[0] if len(snapshots) > 1 else 1)

    def entries(self) -> Iterator[Entry]:
        """Every entry since the first, checked."""
        return self._checked(1)

    def missed(self, _last: int) -> str:
        """What a power cut took: here it leaves no trace, for the head goes with the entries."""
        return ""

    def _checked(self, first: int) -> Iterator[Entry]:
        head = self.head()
        before = START
        if first > 1:
            row = self.one("SELECT position, hash FROM {schema}.journal WHERE position = %s", first - 1)
            if row is None:
                raise JournalError(f"{self.source}: record {first - 1} is missing")
            before = Link(*row)
        return Head(head, head.position).reached(checked(self.rows(first), before, self.source), self.source)


@contextmanager
def opened(url: str, schema: str) -> Iterator[PostgresEntries]:
    """The entries of a schema for reading only. Raises `JournalError` where there is no journal, `ConfigError`."""
    with closing(connect(url)) as db:
        found = PostgresEntries(db, schema)
        if found.one(
            "SELECT 1 FROM information_schema.tables WHERE (table_schema, table_name) = (%s, 'journal')", schema
        ):
            yield found
        else:
            raise JournalError(f"{found.source}: there is no journal")
