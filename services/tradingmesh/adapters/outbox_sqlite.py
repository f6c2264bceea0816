"""The execution engine's durable memory: its orders and its outbox, one SQLite file that one process holds.

Pattern: transactional outbox. `save` and `put` collect; `commit` writes all of it in one transaction (group commit: one
fsync for whatever a turn of the loop brought). WAL and synchronous=FULL: a commit that returned survives a kill and a
power cut (sqlite.org/pragma.html).

Nothing is deleted. An acknowledged report is only marked: the broker may be asked for fills far back, and the file
itself refuses a `fill_id`, or an order's cumulative quantity, twice. Orders must be kept on record anyway.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import msgspec

from tradingmesh.core.errors import JournalError
from tradingmesh.core.fills import Fill, Report
from tradingmesh.core.orders.record import Order
from tradingmesh.core.orders.reports import fill_keys
from tradingmesh.core.risk.reservations import SIGNAL_HORIZON_NS

T = TypeVar("T")
SCHEMA_VERSION = 1
_LOCK_WAIT_S = 2.0
RECENT_NS = SIGNAL_HORIZON_NS
"""No signal is valid for longer: one whose order was saved before that is refused for its age."""
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE orders (
    client_order_id TEXT PRIMARY KEY, order_id TEXT NOT NULL, closed INTEGER NOT NULL, body BLOB NOT NULL,
    checksum INTEGER NOT NULL, saved_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX orders_by_id ON orders (order_id);
CREATE INDEX orders_open ON orders (client_order_id) WHERE closed = 0;
CREATE TABLE reports (
    symbol TEXT NOT NULL, sequence INTEGER NOT NULL, client_order_id TEXT NOT NULL, fill_id TEXT, cumulative TEXT,
    acked INTEGER NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL, put_ns INTEGER NOT NULL,
    PRIMARY KEY (symbol, sequence)
) WITHOUT ROWID;
CREATE UNIQUE INDEX reports_by_fill ON reports (fill_id);
CREATE UNIQUE INDEX reports_by_progress ON reports (client_order_id, cumulative);
CREATE INDEX reports_unacked ON reports (symbol, sequence) WHERE acked = 0;
CREATE TABLE sequences (symbol TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
"""
_SAVE = """INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (client_order_id) DO UPDATE SET
    order_id = excluded.order_id, closed = excluded.closed, body = excluded.body,
    checksum = excluded.checksum, saved_ns = excluded.saved_ns"""
_PUT = "INSERT INTO reports VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?)"
_COUNT = "INSERT INTO sequences VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE SET last = excluded.last"
_FIND = "SELECT body, checksum FROM orders WHERE client_order_id = :client OR (order_id = :order AND :order <> '')"
_FILLS_OF = "SELECT body, checksum FROM reports WHERE client_order_id = ? AND fill_id IS NOT NULL"
_ACK = "UPDATE reports SET acked = 1 WHERE symbol = ? AND sequence = ? AND acked = 0"

_encode = msgspec.msgpack.Encoder().encode
_order_of = msgspec.msgpack.Decoder(Order).decode
_report_of = msgspec.msgpack.Decoder(Report).decode
Statement = tuple[str, tuple[object, ...]]
Row = tuple[bytes, int]


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
        self._older: set[str] = set()
        self._recent = self._saved_since(now_ns - RECENT_NS)

    @property
    def waiting(self) -> int:
        """How many changes the next `commit` has to write."""
        return len(self._waiting)

    def save(self, order: Order, now_ns: int) -> None:
        """Keeps the order as it is."""
        key, body = order.client_order_id, _encode(order)
        self._recent.add(key)
        self._waiting.append((_SAVE, (key, order.order_id, int(order.closed), body, crc32(body), now_ns)))

    def put(self, report: Report, now_ns: int) -> None:
        """Takes a report, unacknowledged."""
        told, number, body = report.body, report.symbol_sequence, _encode(report)
        keys = fill_keys(told.fill_id, told.cumulative_quantity) if isinstance(told, Fill) else (None, None)
        row = (told.symbol, number, told.client_order_id, *keys, body, crc32(body), now_ns)
        self._waiting.append((_PUT, row))
        self._waiting.append((_COUNT, (told.symbol, number)))

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
        query = "SELECT body, checksum FROM reports WHERE acked = 0 ORDER BY symbol, sequence"
        return (self._decoded(_report_of, row) for row in self._db.execute(query))

    def sequences(self) -> dict[str, int]:
        """The last sequence number of each symbol."""
        return dict(self._db.execute("SELECT symbol, last FROM sequences"))

    def open_orders(self) -> list[tuple[Order, list[str]]]:
        """The orders that are not closed, each with the keys of its booked fills."""
        rows = self._db.execute("SELECT body, checksum FROM orders WHERE closed = 0").fetchall()
        return [self._with_keys(row) for row in rows]

    def find(self, order_id: str, client_order_id: str) -> tuple[Order, list[str]] | None:
        """An order, closed ones included, with the keys of its booked fills."""
        row = self._db.execute(_FIND, {"client": client_order_id, "order": order_id}).fetchone()
        return self._with_keys(row) if row else None

    def has_recent(self, client_order_id: str) -> bool:
        """Whether an order of that id was saved within `RECENT_NS`, or a little longer ago.

        Asks no disk: at every signal it is asked whether its order was there already.
        """
        return client_order_id in self._recent or client_order_id in self._older

    def let_age(self) -> None:
        """Lets go of the ids that were recent at the call before: to be called once in `RECENT_NS`, not more often."""
        self._older, self._recent = self._recent, set()

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def _saved_since(self, since_ns: int) -> set[str]:
        rows = self._db.execute("SELECT client_order_id FROM orders WHERE saved_ns >= ?", (since_ns,))
        return {key for (key,) in rows}

    def _with_keys(self, row: Row) -> tuple[Order, list[str]]:
        order = self._decoded(_order_of, row)
        rows = self._db.execute(_FILLS_OF, (order.client_order_id,))
        reports = [self._decoded(_report_of, found).body for found in rows]
        fills = [body for body in reports if isinstance(body, Fill)]
        return order, [key for fill in fills for key in fill_keys(fill.fill_id, fill.cumulative_quantity)]

    def _decoded(self, decode: Callable[[bytes], T], row: Row) -> T:
        body, checksum = row
        if crc32(body) != checksum:
            raise JournalError(f"{self._path}: a record is damaged: its checksum does not fit")
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
