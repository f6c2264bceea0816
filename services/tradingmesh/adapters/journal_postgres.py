"""A journal in PostgreSQL: one schema for each TradingSystem, one writer at a time.

`commit` waits until the server has the entries on disk; `flush` does not (`synchronous_commit = off`): they survive
this process, and a crash of the server may take the last of them, which are then written again from here. One statement
writes the entries of a turn and the head, and only where the head stands where this writer left it.

After a lost connection nobody knows whether the last write came about: the head tells, by position and hash.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import LiteralString

import psycopg

from tradingmesh.adapters.journal_postgres_read import PostgresEntries, connect, failed
from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import START, Entry, Kind, Link
from tradingmesh.core.journal.pending import Pending

_LOCK_WAIT = "2s"
_LOCK_AT_ONCE = "1ms"
_TABLES = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.journal (
    position bigint PRIMARY KEY, hash bytea NOT NULL, kind smallint NOT NULL, record bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS journal_snapshots ON {schema}.journal (position) WHERE kind = 1;
CREATE TABLE IF NOT EXISTS {schema}.head (
    one boolean PRIMARY KEY CHECK (one), position bigint NOT NULL, hash bytea NOT NULL
);
"""
_WRITE = """
WITH mode AS (SELECT set_config('synchronous_commit', %(mode)s, true)),
added AS (
    INSERT INTO {schema}.journal
    SELECT * FROM unnest(%(positions)b::bigint[], %(hashes)b::bytea[], %(kinds)b::smallint[], %(records)b::bytea[])
    WHERE EXISTS (SELECT FROM {schema}.head WHERE position = %(before)b AND hash = %(hash_before)b)
)
UPDATE {schema}.head SET position = %(position)b, hash = %(hash)b FROM mode
WHERE position = %(before)b AND hash = %(hash_before)b
"""


class PostgresJournal:
    """`ports.Journal` in a schema. Raises `JournalError` where it is damaged, cut short, or written by somebody else.

    `notice` is empty: what is lost here at the end of a life leaves no trace.
    """

    def __init__(self, url: str, schema: str) -> None:
        self._url = url
        self._schema = schema
        self._snapshot = 0
        self.notice = ""
        self._db = connect(url)
        try:
            self._lock(wait=True)
            last = self._begin()
        except BaseException:
            self._db.close()
            raise
        self._pending = Pending(last)
        self._unsure = False

    def append(self, record: bytes, kind: Kind = Kind.RECORD) -> int:
        """Takes a record and returns its position, from 1. It is nowhere but in memory until `flush` or `commit`."""
        return self._pending.append(kind, record)

    def commit(self) -> None:
        """Everything appended is on the server's disk."""
        self._prepare()
        if self._pending.unwritten or self._pending.flushed:
            self._write("on")
            self._pending.was_synced()

    def flush(self) -> None:
        """Everything appended survives this process; the next `commit` puts it on disk."""
        self._prepare()
        if self._pending.must_sync:
            self.commit()
        elif self._pending.unwritten:
            self._write("off")
            self._pending.was_flushed()

    def recover(self) -> Iterator[Entry]:
        """What the last life left: the newest snapshot and all after it, or every entry where there is no snapshot."""
        return self._entries.rows(self._snapshot or 1)

    def entries(self) -> Iterator[Entry]:
        """Every entry since the first, checked."""
        return self._entries.entries()

    def compact(self) -> None:
        """Nothing to do: no start reads what lies before the last snapshots."""

    def close(self) -> None:
        """Commits and ends the session."""
        try:
            self.commit()
        finally:
            self._db.close()

    @property
    def _entries(self) -> PostgresEntries:
        return PostgresEntries(self._db, self._schema)

    def _begin(self) -> Link:
        """Makes the tables if need be, and proves what is in them; returns where they end."""
        self._execute(_TABLES)
        self._execute("INSERT INTO {schema}.head VALUES (true, %s, %s) ON CONFLICT DO NOTHING", *START)
        last = START
        for entry in self._entries.live():
            if entry.kind == Kind.SNAPSHOT:
                self._snapshot = entry.position
            last = entry.link
        if last != self._entries.head():
            raise JournalError(f"{self._entries.source}: record {last.position} is beyond the journal's head")
        return last

    def _prepare(self) -> None:
        """After a failure: a session again, and what the server has of what was written."""
        if self._db.closed:
            self._db = connect(self._url)
            try:
                self._lock(wait=False)
            except JournalError:
                self._db.close()
                raise
        if self._unsure:
            self._pending.settle(self._entries.head(), self._entries.source)
            self._unsure = False

    def _write(self, mode: str) -> None:
        before, head, entries = self._pending.written, self._pending.head, self._pending.unwritten
        values = {
            "mode": mode,
            "positions": [entry.position for entry in entries],
            "hashes": [entry.hash for entry in entries],
            "kinds": [int(entry.kind) for entry in entries],
            "records": [entry.record for entry in entries],
            "before": before.position,
            "hash_before": before.hash,
            "position": head.position,
            "hash": head.hash,
        }
        self._unsure = True
        try:
            done = self._db.execute(self._entries.statement(_WRITE), values, prepare=True)
        except psycopg.Error as error:
            raise failed("write", error) from None
        if done.rowcount != 1:
            raise JournalError(f"{self._entries.source}: somebody else wrote this journal")
        self._unsure = False

    def _lock(self, *, wait: bool) -> None:
        """Held by the session: the server lets go of it once it sees that this process is gone, hence the wait."""
        number = int.from_bytes(sha256(f"tradingmesh {self._schema}".encode()).digest()[:8], "big", signed=True)
        try:
            self._db.execute(f"SET lock_timeout = '{_LOCK_WAIT if wait else _LOCK_AT_ONCE}'")
            self._db.execute("SELECT pg_advisory_lock(%s::bigint)", (number,))
        except psycopg.errors.LockNotAvailable:
            held = f"{self._entries.source}: another process holds the journal: wait until that one has ended"
            raise JournalError(held) from None
        except psycopg.Error as error:
            raise failed("open", error) from None

    def _execute(self, text: LiteralString, *values: object) -> None:
        try:
            self._db.execute(self._entries.statement(text), values or None)
        except psycopg.Error as error:
            raise failed("open", error) from None
