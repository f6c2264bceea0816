"""The execution engine's durable memory: its orders and its outbox, one SQLite file that one process holds.

Pattern: transactional outbox. `save` and `put` collect; `commit` writes all of it in one transaction (group commit: one
fsync for whatever a turn of the loop brought). WAL and synchronous=FULL: a commit that returned survives a kill and a
power cut (sqlite.org/pragma.html). How many there were stands in a head beside the file, too: see `outbox_schema`.

Nothing is deleted. What is acknowledged is a number a symbol: the broker may be asked for fills far back, and the file
itself refuses a fill's id, or its cumulative quantity, twice for one order. Orders must be kept on record anyway.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar
from zlib import crc32

import msgspec

from tradingmesh.adapters.outbox_schema import head_of, opened, row_checksum
from tradingmesh.core.checks import Writer
from tradingmesh.core.errors import JournalError
from tradingmesh.core.fills import Fill, Report
from tradingmesh.core.orders.acked import AckedLine
from tradingmesh.core.orders.record import Order
from tradingmesh.core.orders.reports import fill_keys
from tradingmesh.core.place import Place
from tradingmesh.core.risk.reservations import SIGNAL_HORIZON_NS
from tradingmesh.wire.messages import REPORT

T = TypeVar("T")
RECENT_NS = SIGNAL_HORIZON_NS
"""No signal is valid for longer: one whose order was saved before that is refused for its age."""
_SAVE = """INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (client_order_id) DO UPDATE SET
    order_id = excluded.order_id, closed = excluded.closed, body = excluded.body,
    checksum = excluded.checksum, saved_ns = excluded.saved_ns"""
_PUT = """INSERT INTO reports (symbol, sequence, client_order_id, fill_id, cumulative, body, checksum, put_ns, aside)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_COUNT = """INSERT INTO sequences VALUES (?, ?, ?, ?) ON CONFLICT (symbol) DO UPDATE SET
    last = excluded.last, acked = excluded.acked, checksum = excluded.checksum"""
_NUMBER = "INSERT OR REPLACE INTO meta VALUES (?, ?, ?)"
_HOLD = "INSERT OR REPLACE INTO holdings VALUES (?, ?, ?)"
_FIND = "SELECT body, checksum FROM orders WHERE client_order_id = :client OR (order_id = :order AND :order <> '')"
_FILLS_OF = "SELECT body, checksum FROM reports WHERE client_order_id = ? AND fill_id IS NOT NULL AND aside IS NULL"
_REPEATED = """SELECT 1 FROM reports WHERE client_order_id = ? AND aside IS NULL AND (fill_id = ? OR cumulative = ?)"""
_UNACKED = """SELECT r.symbol, r.sequence, r.body, r.checksum, r.aside FROM reports r JOIN sequences s USING (symbol)
    WHERE r.sequence > s.acked ORDER BY r.symbol, r.sequence"""
_SOME = """SELECT symbol, sequence, body, checksum, aside FROM reports
    WHERE symbol = ? AND sequence BETWEEN ? AND ? ORDER BY sequence"""

_encode = msgspec.msgpack.Encoder().encode
_order_of = msgspec.msgpack.Decoder(Order).decode
_report_of = msgspec.msgpack.Decoder(Report).decode
Row = tuple[bytes, int]


class Parcel(NamedTuple):
    """A report to deliver, in the bytes that disk and wire have. With a reason `aside`, it must not take effect."""

    place: Place
    payload: bytes
    aside: str | None = None
    trace_id: str = ""


class _Row(NamedTuple):
    symbol: str
    sequence: int
    client_order_id: str
    fill_id: str | None
    cumulative: str | None
    body: bytes
    checksum: int
    put_ns: int
    aside: str | None = None


class Outbox:
    """Orders, and reports until they are acknowledged. Use it from one thread."""

    def __init__(self, path: Path, now_ns: int) -> None:
        """Opens the file, or makes it: its `epoch` is fixed then. Raises `JournalError` where it cannot be trusted.

        `writer` is this life of it, of a higher epoch than any before, which is on disk when this returns.
        """
        self._path = path
        self._saves: dict[str, tuple[object, ...]] = {}
        self._puts: list[_Row] = []
        self._traces: list[str] = []
        self._numbers: dict[str, int] = {}
        self._held: dict[str, str] = {}
        self._moved: set[str] = set()
        self._db, self._head = opened(path, now_ns)
        self.epoch = self.number("epoch")
        self._commits = self.number("commits")
        last_writer = self.number("writer_epoch")
        self.writer = Writer(self.epoch, max(now_ns // 1_000_000, last_writer + 1))
        self.restarted = last_writer > 0
        rows = self._db.execute("SELECT symbol, last, acked FROM sequences").fetchall()
        self._lasts: dict[str, int] = {symbol: last for symbol, last, _ in rows}
        self._acked: dict[str, AckedLine] = {symbol: AckedLine(acked) for symbol, _, acked in rows}
        self.acked_count = sum(acked for _, _, acked in rows)
        """How many reports are acknowledged, over all symbols."""
        self._older: set[str] = set()
        self._recent = self._saved_since(now_ns - RECENT_NS)
        self.set_number("writer_epoch", self.writer.epoch)
        self.commit()

    @property
    def waiting(self) -> int:
        """How many rows the next `commit` has to write."""
        return len(self._saves) + len(self._puts) + len(self._moved) + len(self._numbers) + len(self._held)

    @property
    def reports_waiting(self) -> bool:
        """Whether the next `commit` has reports to write, which are to be delivered then."""
        return bool(self._puts)

    def save(self, order: Order, now_ns: int) -> None:
        """Keeps the order as it is."""
        key, body = order.client_order_id, _encode(order)
        self._recent.add(key)
        self._saves[key] = (key, order.order_id, int(order.closed), body, crc32(body), now_ns)

    def put(self, report: Report, now_ns: int) -> None:
        """Takes a report, unacknowledged; the next `commit` gives it back, to be delivered."""
        told, number, body = report.body, report.symbol_sequence, REPORT.encode(report)
        fill_id, progress = (
            fill_keys(told.fill_id, told.cumulative_quantity) if isinstance(told, Fill) else (None, None)
        )
        row = _Row(told.symbol, number, told.client_order_id, fill_id, progress, body, crc32(body), now_ns)
        self._puts.append(row)
        self._traces.append(report.trace_id)
        self._lasts[told.symbol] = number
        self._moved.add(told.symbol)

    def ack(self, symbol: str, sequence: int) -> None:
        """The report was applied or set aside: it will not be sent again."""
        line = self._acked.get(symbol)
        if line is None:
            line = self._acked[symbol] = AckedLine()
        before = line.last
        if line.ack(sequence):
            self.acked_count += line.last - before
            self._moved.add(symbol)

    def acked_of(self, symbol: str) -> int:
        """All reports of a symbol up to this number are acknowledged."""
        line = self._acked.get(symbol)
        return line.last if line is not None else 0

    def hold(self, amounts: Mapping[str, Decimal]) -> None:
        """Keeps what the account should hold of these."""
        self._held.update((symbol, str(amount)) for symbol, amount in amounts.items())

    def holdings(self) -> dict[str, Decimal]:
        """What the account should hold of each symbol; empty before the first contact."""
        return {symbol: Decimal(amount) for symbol, amount in self._db.execute("SELECT symbol, amount FROM holdings")}

    def set_number(self, name: str, value: int) -> None:
        """Keeps a number under a name."""
        self._numbers[name] = value

    def commit(self) -> list[Parcel]:
        """Writes all that was collected, or none of it: then it raises `JournalError`, and may be called again.

        Returns the reports that were written, in order. One that repeats a fill of its order is set aside: it keeps its
        place, and must not take effect.
        """
        if not self.waiting:
            return []
        self._mark()
        try:
            try:
                self._write()
            except sqlite3.IntegrityError:
                self._set_aside_repeated()
                self._write()
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: cannot write: {error}") from None
        self._commits += 1
        with contextlib.suppress(JournalError):  # what is written is written: the next commit says it, or waits
            self._mark()
        parcels = [
            Parcel(Place(self.epoch, row.symbol, row.sequence), row.body, row.aside, trace_id)
            for row, trace_id in zip(self._puts, self._traces, strict=True)
        ]
        for written in (self._saves, self._puts, self._traces, self._numbers, self._held, self._moved):
            written.clear()
        return parcels

    def number(self, name: str) -> int:
        """The number kept under a name; 0 where there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def unacked(self) -> Iterator[Parcel]:
        """The reports not acknowledged, by symbol and sequence."""
        return map(self._parcel, self._db.execute(_UNACKED))

    def acked_reports(self, symbol: str, first: int, count: int) -> list[Parcel]:
        """Reports of a symbol from that number on, as far as they are acknowledged. Raises `JournalError`."""
        last = min(first + count - 1, self.acked_of(symbol))
        try:
            return [self._parcel(row) for row in self._db.execute(_SOME, (symbol, first, last))]
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: cannot read: {error}") from None

    def sequences(self) -> dict[str, int]:
        """The last sequence number of each symbol."""
        return dict(self._lasts)

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
        """Lets go of the files."""
        self._db.close()
        self._head.close()

    def _saved_since(self, since_ns: int) -> set[str]:
        rows = self._db.execute("SELECT client_order_id FROM orders WHERE saved_ns >= ?", (since_ns,))
        return {key for (key,) in rows}

    def _with_keys(self, row: Row) -> tuple[Order, list[str]]:
        order = self._decoded(_order_of, row)
        rows = self._db.execute(_FILLS_OF, (order.client_order_id,))
        reports = [self._decoded(_report_of, found).body for found in rows]
        fills = [body for body in reports if isinstance(body, Fill)]
        return order, [key for fill in fills for key in fill_keys(fill.fill_id, fill.cumulative_quantity)]

    def _mark(self) -> None:
        """The head says how many commits there were."""
        self._head.mark(head_of(self.epoch, self._commits))

    def _write(self) -> None:
        db = self._db
        numbers = [*self._numbers.items(), ("commits", self._commits + 1)]
        counts = [(symbol, self._lasts.get(symbol, 0), self.acked_of(symbol)) for symbol in self._moved]
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(_SAVE, self._saves.values())
            db.executemany(_PUT, self._puts)
            db.executemany(_COUNT, ((*row, row_checksum(*row)) for row in counts))
            db.executemany(_NUMBER, ((*row, row_checksum(*row)) for row in numbers))
            db.executemany(_HOLD, ((*row, row_checksum(*row)) for row in self._held.items()))
            db.execute("COMMIT")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def _parcel(self, row: tuple[str, int, bytes, int, str | None]) -> Parcel:
        symbol, number, body, checksum, aside = row
        return Parcel(Place(self.epoch, symbol, number), self._whole((body, checksum)), aside)

    def _set_aside_repeated(self) -> None:
        """What the file refuses would hold up every later commit: a fill that its order had already is set aside."""
        seen: set[tuple[str, str | None]] = set()
        for index, row in enumerate(self._puts):
            keys = {(row.client_order_id, row.fill_id), (row.client_order_id, row.cumulative)}
            asked = (row.client_order_id, row.fill_id, row.cumulative)
            if row.fill_id is not None and (keys & seen or self._db.execute(_REPEATED, asked).fetchone()):
                reason = f"fill {row.fill_id}, cumulative {row.cumulative}: order {row.client_order_id} had it already"
                self._puts[index] = row._replace(aside=reason)
            elif row.fill_id is not None:
                seen |= keys

    def _decoded(self, decode: Callable[[bytes], T], row: Row) -> T:
        body = self._whole(row)
        try:
            return decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise JournalError(f"{self._path}: a record cannot be read: {error}") from None

    def _whole(self, row: Row) -> bytes:
        body, checksum = row
        if crc32(body) != checksum:
            raise JournalError(f"{self._path}: a record is damaged: its checksum does not fit")
        return body
