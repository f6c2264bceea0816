"""The execution engine's durable memory: its orders and its outbox, one SQLite file that one process holds.

Pattern: transactional outbox. `save` and `put` collect; `commit` writes all of it in one transaction (group commit: one
fsync for whatever a turn of the loop brought). A report stays until it is acknowledged, and its line stays longer, so
that no fill gets a second one: the file itself refuses a `fill_id`, or an order's cumulative quantity, twice.
WAL and synchronous=FULL: a commit that returned survives a kill and a power cut (sqlite.org/pragma.html).
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from tradingmesh.core.errors import JournalError
from tradingmesh.core.fills import Fill, Report
from tradingmesh.core.order_record import Order
from tradingmesh.core.order_reports import fill_keys

T = TypeVar("T")
SCHEMA_VERSION = 1
_LOCK_WAIT_S = 2.0
KEEP_NS = 7 * 86_400_000_000_000
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE orders (
    client_order_id TEXT PRIMARY KEY, order_id TEXT NOT NULL, closed INTEGER NOT NULL, body BLOB NOT NULL,
    saved_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX orders_by_id ON orders (order_id);
CREATE INDEX orders_open ON orders (client_order_id) WHERE closed = 0;
CREATE TABLE reports (
    symbol TEXT NOT NULL, sequence INTEGER NOT NULL, client_order_id TEXT NOT NULL, fill_id TEXT, cumulative TEXT,
    acked INTEGER NOT NULL, body BLOB NOT NULL, put_ns INTEGER NOT NULL, PRIMARY KEY (symbol, sequence)
) WITHOUT ROWID;
CREATE UNIQUE INDEX reports_by_fill ON reports (fill_id);
CREATE UNIQUE INDEX reports_by_progress ON reports (client_order_id, cumulative);
CREATE INDEX reports_unacked ON reports (symbol, sequence) WHERE acked = 0;
CREATE TABLE sequences (symbol TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
"""
_SAVE = """INSERT INTO orders VALUES (?, ?, ?, ?, ?) ON CONFLICT (client_order_id) DO UPDATE SET
    order_id = excluded.order_id, closed = excluded.closed, body = excluded.body, saved_ns = excluded.saved_ns"""
_PUT = "INSERT INTO reports VALUES (?, ?, ?, ?, ?, 0, ?, ?)"
_COUNT = "INSERT INTO sequences VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET last = excluded.last"
_FIND = "SELECT body FROM orders WHERE client_order_id = ?1 OR (order_id = ?2 AND ?2 <> '')"
_ACK = "UPDATE reports SET acked = 1 WHERE symbol = ? AND sequence = ? AND acked = 0"

_encode = msgspec.msgpack.Encoder().encode
_order_of = msgspec.msgpack.Decoder(Order).decode
_report_of = msgspec.msgpack.Decoder(Report).decode
Statement = tuple[str, tuple[object, ...]]


class Outbox:
    """Orders, and reports until they are acknowledged. Use it from one thread."""

    def __init__(self, path: Path, now_ns: int) -> None:
        """Opens the file, or makes it: its `epoch` is fixed then. Raises `JournalError` where it cannot be trusted."""
        self._path = path
        self._waiting: list[Statement] = []
        try:
            self._db = _open(path, now_ns)
        except sqlite3.Error as error:
            raise JournalError(f"{path}: {error}: another execution engine has it, or it is damaged") from None
        self.epoch = self.number("epoch")

    @property
    def waiting(self) -> int:
        """How many changes the next `commit` has to write."""
        return len(self._waiting)

    def save(self, order: Order, now_ns: int) -> None:
        """Keeps the order as it is."""
        key = order.client_order_id
        self._waiting.append((_SAVE, (key, order.order_id, int(order.closed), _encode(order), now_ns)))

    def put(self, report: Report, now_ns: int) -> None:
        """Takes a report, unacknowledged."""
        body, number = report.body, report.symbol_sequence
        keys = fill_keys(body.fill_id, body.cumulative_quantity) if isinstance(body, Fill) else (None, None)
        row = (body.symbol, number, body.client_order_id, *keys, _encode(report), now_ns)
        self._waiting.append((_PUT, row))
        self._waiting.append((_COUNT, (body.symbol, number)))

    def ack(self, symbol: str, sequence: int) -> None:
        """The report was applied or set aside: it will not be sent again."""
        self._waiting.append((_ACK, (symbol, sequence)))

    def set_number(self, name: str, value: int) -> None:
        """Keeps a number under a name."""
        self._waiting.append(("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value)))

    def commit(self) -> None:
        """Writes all that was collected, or none of it: then it raises `JournalError`, and may be called again."""
        if not self._waiting:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for statement, row in self._waiting:
                self._db.execute(statement, row)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise JournalError(f"{self._path}: cannot write: {error}") from None
        self._waiting.clear()

    def number(self, name: str) -> int:
        """The number kept under a name; 0 where there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def unacked(self) -> Iterator[Report]:
        """The reports not acknowledged, by symbol and sequence."""
        for (body,) in self._db.execute("SELECT body FROM reports WHERE acked = 0 ORDER BY symbol, sequence"):
            yield self._decoded(_report_of, body)

    def sequences(self) -> dict[str, int]:
        """The last sequence number of each symbol."""
        return dict(self._db.execute("SELECT symbol, last FROM sequences"))

    def open_orders(self) -> list[tuple[Order, list[str]]]:
        """The orders that are not closed, each with the keys of its booked fills."""
        rows = self._db.execute("SELECT body FROM orders WHERE closed = 0").fetchall()
        return [self._with_keys(body) for (body,) in rows]

    def find(self, order_id: str, client_order_id: str) -> tuple[Order, list[str]] | None:
        """An order, closed ones included, with the keys of its booked fills."""
        row = self._db.execute(_FIND, (client_order_id, order_id)).fetchone()
        return self._with_keys(row[0]) if row else None

    def prune(self, now_ns: int) -> None:
        """Forgets acknowledged reports and closed orders after `KEEP_NS`: reconciliation never asks so far back."""
        before = (now_ns - KEEP_NS,)
        self._waiting.append(("DELETE FROM reports WHERE acked = 1 AND put_ns < ?", before))
        self._waiting.append(("DELETE FROM orders WHERE closed = 1 AND saved_ns < ?", before))

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def _with_keys(self, body: bytes) -> tuple[Order, list[str]]:
        order = self._decoded(_order_of, body)
        query = "SELECT fill_id, cumulative FROM reports WHERE client_order_id = ? AND fill_id IS NOT NULL"
        return order, [key for row in self._db.execute(query, (order.client_order_id,)) for key in row]

    def _decoded(self, decode: Callable[[bytes], T], body: bytes) -> T:
        try:
            return decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise JournalError(f"{self._path}: a record cannot be read: {error}") from None


def _open(path: Path, now_ns: int) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=_LOCK_WAIT_S)
    try:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "cache_size = -4096"):
            db.execute(f"PRAGMA {pragma}")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            _create(db, now_ns // 1_000_000)
        problem = _problem(db, version or SCHEMA_VERSION)
    except sqlite3.Error:
        db.close()
        raise
    if problem:
        db.close()
        raise JournalError(f"{path}: {problem}")
    return db


def _create(db: sqlite3.Connection, epoch_ms: int) -> None:
    db.execute("BEGIN EXCLUSIVE")
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    db.execute("INSERT INTO meta VALUES ('epoch', ?)", (epoch_ms,))
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def _problem(db: sqlite3.Connection, version: int) -> str:
    if version != SCHEMA_VERSION:
        return f"version {version} of the outbox; this program knows {SCHEMA_VERSION}"
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    return "" if verdict == "ok" else f"damaged: {verdict}"
