"""The outbox's file: its tables, how it is made, brought up from an older version, and refused where it is damaged."""

import sqlite3
from pathlib import Path

from tradingmesh.core.errors import JournalError

SCHEMA_VERSION = 2
_LOCK_WAIT_S = 2.0
_FILL_INDEXES = """
CREATE UNIQUE INDEX reports_by_fill ON reports (client_order_id, fill_id) WHERE aside IS NULL;
CREATE UNIQUE INDEX reports_by_progress ON reports (client_order_id, cumulative) WHERE aside IS NULL;
"""
_HOLDINGS = "CREATE TABLE holdings (symbol TEXT PRIMARY KEY, amount TEXT NOT NULL) WITHOUT ROWID;"
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
    body BLOB NOT NULL, checksum INTEGER NOT NULL, put_ns INTEGER NOT NULL, aside TEXT,
    PRIMARY KEY (symbol, sequence)
) WITHOUT ROWID;
CREATE TABLE sequences (
    symbol TEXT PRIMARY KEY, last INTEGER NOT NULL, acked INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""
_FROM_1 = """
ALTER TABLE sequences ADD COLUMN acked INTEGER NOT NULL DEFAULT 0;
UPDATE sequences SET acked = coalesce(
    (SELECT min(r.sequence) - 1 FROM reports r WHERE r.symbol = sequences.symbol AND r.acked = 0), last);
DROP INDEX reports_unacked;
DROP INDEX reports_by_fill;
DROP INDEX reports_by_progress;
ALTER TABLE reports DROP COLUMN acked;
ALTER TABLE reports ADD COLUMN aside TEXT;
"""
"""Version 1 marked each report that was acknowledged, and knew no report that was set aside."""


def opened(path: Path, now_ns: int) -> sqlite3.Connection:
    """The file, held by this process alone; a new one has its epoch from `now_ns`. Raises `JournalError`."""
    try:
        return _open(path, now_ns)
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {error}: another execution engine has it, or it is damaged") from None


def _open(path: Path, now_ns: int) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=_LOCK_WAIT_S)
    try:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "cache_size = -16384"):
            db.execute(f"PRAGMA {pragma}")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            _run(db, _SCHEMA + _HOLDINGS + _FILL_INDEXES, now_ns // 1_000_000)
        elif version == 1:
            _run(db, _FROM_1 + _HOLDINGS + _FILL_INDEXES, 0)
        problem = _problem(db, version)
    except sqlite3.Error:
        db.close()
        raise
    if problem:
        db.close()
        raise JournalError(f"{path}: {problem}")
    return db


def _run(db: sqlite3.Connection, statements: str, epoch_ms: int) -> None:
    """All of them and the new version, or none. The epoch of a file that has one stays as it is."""
    db.execute("BEGIN EXCLUSIVE")
    for statement in statements.split(";"):
        db.execute(statement)
    db.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (epoch_ms,))
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def _problem(db: sqlite3.Connection, version: int) -> str:
    if version > SCHEMA_VERSION:
        return f"version {version} of the outbox; this program knows {SCHEMA_VERSION}"
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    return "" if verdict == "ok" else f"damaged: {verdict}"
