"""The outbox's file: its tables, how it is made, brought up from an older version, and refused where it is not whole.

A file that is whole may yet be too old: put back from a copy, or without the end of its write-ahead log, which SQLite
leaves out unsaid where it is damaged. It would number new reports as those that were told already. So each commit is
counted, and the count stands in a head beside the file as well (`journal_head`).
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from zlib import crc32

from tradingmesh.adapters.journal_head import HeadFile, head_path, read_head
from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import HASH_BYTES, Link
from tradingmesh.core.journal.head import Head

SCHEMA_VERSION = 3
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


_FROM_2 = """
ALTER TABLE meta ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sequences ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE holdings ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE meta SET checksum = row_checksum(name, value);
UPDATE sequences SET checksum = row_checksum(symbol, last, acked);
UPDATE holdings SET checksum = row_checksum(symbol, amount);
"""
"""Version 2 had checksums on orders and reports alone, and no head."""
_SUMMED = """SELECT 'number ' || name FROM meta WHERE checksum <> row_checksum(name, value)
    UNION ALL SELECT 'sequence of ' || symbol FROM sequences WHERE checksum <> row_checksum(symbol, last, acked)
    UNION ALL SELECT 'holding of ' || symbol FROM holdings WHERE checksum <> row_checksum(symbol, amount)"""
_UNLIKE = """SELECT s.symbol FROM sequences s LEFT JOIN
    (SELECT symbol, count(*) AS reports, min(sequence) AS first, max(sequence) AS last FROM reports GROUP BY symbol) r
    USING (symbol) WHERE s.last > 0 AND (r.reports IS NOT s.last OR r.first IS NOT 1 OR r.last IS NOT s.last)
    UNION ALL SELECT symbol FROM reports WHERE symbol NOT IN (SELECT symbol FROM sequences)"""
"""No report is ever deleted: of each symbol there are all from 1 on."""
_REMEDY = (
    "put the newest copy of the outbox and of its head in their place; or move both away, and a new outbox begins at "
    "what the account holds then"
)


def row_checksum(*fields: object) -> int:
    """The checksum of a row that has no bytes of its own."""
    return crc32(" ".join(map(str, fields)).encode())


def head_of(epoch: int, commits: int) -> Head:
    """What the head says after so many commits."""
    return Head(Link(commits, epoch.to_bytes(HASH_BYTES)), 0)


def opened(path: Path, now_ns: int) -> tuple[sqlite3.Connection, HeadFile]:
    """The file, held by this process alone, and its head; a new one has its epoch from `now_ns`.

    Raises `JournalError`, and leaves both as they are, where they cannot be trusted.
    """
    try:
        with closing(_reader(path)) as db:
            problem = _problem(db, head_path(path))
        if problem:
            raise JournalError(f"{path}: {problem}")
        return _open(path, now_ns), HeadFile(head_path(path))
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {error}: another execution engine has it, or it is damaged; {_REMEDY}") from None


def _reader(path: Path) -> sqlite3.Connection:
    """The file as it is: who only reads moves nothing out of the write-ahead log. Nothing where there is none."""
    place = f"{path.absolute().as_uri()}?mode=ro" if path.exists() else ":memory:"
    return sqlite3.connect(place, uri=True, timeout=_LOCK_WAIT_S)


def _open(path: Path, now_ns: int) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=_LOCK_WAIT_S)
    try:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "cache_size = -16384"):
            db.execute(f"PRAGMA {pragma}")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version < SCHEMA_VERSION:
            HeadFile(head_path(path)).close()  # there before the first commit that it would be missed after
            _bring_up(db, version, now_ns // 1_000_000)
    except (sqlite3.Error, JournalError):
        db.close()
        raise
    return db


def _bring_up(db: sqlite3.Connection, version: int, epoch_ms: int) -> None:
    """All of it and the new version, or none. The epoch of a file that has one stays as it is."""
    tables = _HOLDINGS + _FILL_INDEXES if version < 2 else ""
    start = {0: _SCHEMA, 1: _FROM_1, 2: ""}[version]
    db.create_function("row_checksum", -1, row_checksum)
    db.execute("BEGIN EXCLUSIVE")
    for statement in (start + tables).split(";"):
        db.execute(statement)
    db.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (epoch_ms,))
    for statement in _FROM_2.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def _problem(db: sqlite3.Connection, beside: Path) -> str:
    """Why the file cannot be trusted, in a sentence."""
    db.create_function("row_checksum", -1, row_checksum)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        return f"version {version} of the outbox; this program knows {SCHEMA_VERSION}"
    damage = _damage(db, version)
    if damage:
        return f"damaged: {damage}; {_REMEDY}"
    try:
        marked = read_head(beside)
    except JournalError as error:
        return f"{error}; {_REMEDY}"
    if version < SCHEMA_VERSION:
        known = Head(Link(0, b""), 0)
    elif marked is None:
        return f"its head {beside.name} is missing: nobody can tell whether it is whole; {_REMEDY}"
    else:
        numbers = dict(db.execute("SELECT name, value FROM meta").fetchall())
        known = head_of(numbers.get("epoch", 0), numbers.get("commits", 0))
    if marked is None or marked.committed.position == 0:
        return ""
    if marked.committed.position > known.committed.position:
        gone = f"commits {known.committed.position + 1} to {marked.committed.position}"
        return f"it is older than its head, {gone} are gone; {_REMEDY}"
    return "" if marked.committed.hash == known.committed.hash else f"its head is another outbox's; {_REMEDY}"


def _damage(db: sqlite3.Connection, version: int) -> str:
    (verdict,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        return str(verdict)
    if version < SCHEMA_VERSION:
        return ""
    row = db.execute(_SUMMED).fetchone()
    if row:
        return f"the checksum of the {row[0]} does not fit"
    row = db.execute(_UNLIKE).fetchone()
    return f"of {row[0]} there are not all reports that it has numbered" if row else ""
