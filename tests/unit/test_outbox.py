"""The outbox on disk: what was committed is there after a crash, and nothing is there twice."""

import signal
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import pytest

from tradingmesh.adapters.outbox_sqlite import RECENT_NS, Outbox
from tradingmesh.core.errors import JournalError
from tradingmesh.core.fills import Fill, OrderClosed, Report
from tradingmesh.core.orders.record import Order, OrderStatus
from tradingmesh.core.place import Place
from tradingmesh.core.signal import Side
from tradingmesh.wire.messages import REPORT

BORN = 1_700_000_000_123_456_789


def order(client: str = "c-1", status: OrderStatus = OrderStatus.NEW, order_id: str = "b-1") -> Order:
    return Order(client, "IBM", Side.BUY, Decimal(100), 1, order_id=order_id, status=status)


def fill(sequence: int, cumulative: int, fill_id: str = "", client: str = "c-1") -> Report:
    body = Fill(
        fill_id or f"x{cumulative}", "b-1", client, "IBM", Side.BUY, Decimal(10), Decimal("9.5"), Decimal(cumulative), 5
    )
    return Report(7, sequence, "r-1", body, "t")


def unacked(outbox: Outbox) -> list[Report]:
    return [REPORT.decode(parcel.payload) for parcel in outbox.unacked()]


def closed(sequence: int) -> Report:
    return Report(7, sequence, "r-1", OrderClosed("b-1", "c-1", "IBM", "filled", Decimal(20), 6), "t")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def test_comes_back_after_a_crash(path: Path) -> None:
    """Reopened without a clean close: orders, unacknowledged reports, sequences, keys and the epoch are there."""
    outbox = Outbox(path, BORN)
    outbox.save(order(), 1)
    outbox.save(order("c-2", OrderStatus.INTENDED, ""), 1)
    outbox.put(fill(1, 10), 1)
    outbox.put(fill(2, 20), 1)
    outbox.put(closed(3), 1)
    outbox.ack("IBM", 1)
    outbox.set_number("synced", 42)
    outbox.commit()
    outbox.put(fill(4, 30), 1)
    outbox._db.close()
    again = Outbox(path, BORN + 10**12)
    assert again.epoch == outbox.epoch == BORN // 1_000_000
    assert unacked(again) == [fill(2, 20), closed(3)]
    assert again.sequences() == {"IBM": 3}
    orders = {found.client_order_id: sorted(keys) for found, keys in again.open_orders()}
    assert orders == {"c-1": ["=10", "=20", "x10", "x20"], "c-2": []}
    assert again.number("synced") == 42


@pytest.mark.parametrize("twice", [fill(2, 99, "x10"), fill(2, 10, "other")])
@pytest.mark.parametrize("together", [True, False], ids=["in one commit", "in two"])
def test_a_fill_that_its_order_had_already_is_set_aside(path: Path, twice: Report, *, together: bool) -> None:
    """By fill id, by the order's progress: it keeps its place and its reason, and holds up nothing."""
    outbox = Outbox(path, BORN)
    outbox.put(fill(1, 10), 1)
    parcels = [] if together else outbox.commit()
    outbox.save(order(), 1)
    outbox.put(twice, 1)
    outbox.put(fill(3, 30), 1)
    parcels += outbox.commit()
    assert [(parcel.place.symbol_sequence, bool(parcel.aside)) for parcel in parcels] == [
        (1, False),
        (2, True),
        (3, False),
    ]
    assert "order c-1 had it already" in (parcels[1].aside or "")
    outbox._db.close()
    again = Outbox(path, BORN)
    assert [parcel[:3] for parcel in again.unacked()] == [parcel[:3] for parcel in parcels]
    assert [sorted(keys) for _, keys in again.open_orders()] == [["=10", "=30", "x10", "x30"]]


def test_the_same_id_under_another_order_is_not_for_the_file_to_judge(path: Path) -> None:
    """The risk manager knows what was booked; here it gets its place like any other."""
    outbox = Outbox(path, BORN)
    outbox.put(fill(1, 10), 1)
    outbox.put(fill(2, 10, client="c-2"), 1)
    assert [parcel.aside for parcel in outbox.commit()] == [None, None]


def test_one_place_is_never_given_twice(path: Path) -> None:
    """That would be an error of the program: nothing of the group is written."""
    outbox = Outbox(path, BORN)
    outbox.put(fill(1, 10), 1)
    outbox.commit()
    outbox.save(order(), 1)
    outbox.put(fill(1, 20), 1)
    with pytest.raises(JournalError, match="UNIQUE"):
        outbox.commit()
    assert unacked(outbox) == [fill(1, 10)]
    assert outbox.open_orders() == []


def test_acks_out_of_order_cost_a_repetition_at_most(path: Path) -> None:
    """What is kept is how far all are acknowledged: after a restart those beyond come again, and are recognised."""
    outbox = Outbox(path, BORN)
    for number in range(1, 6):
        outbox.put(fill(number, number * 10), 1)
    outbox.commit()
    for number in (2, 5, 1):
        outbox.ack("IBM", number)
    outbox.commit()
    assert [parcel.place.symbol_sequence for parcel in outbox.unacked()] == [3, 4, 5]
    outbox.ack("IBM", 3)
    outbox.ack("IBM", 4)
    outbox.commit()
    outbox.close()
    assert list(Outbox(path, BORN).unacked()) == []


_VERSION_1 = """
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
INSERT INTO meta VALUES ('epoch', 77);
INSERT INTO sequences VALUES ('IBM', 4), ('BAC', 2), ('KO', 1);
PRAGMA user_version = 1;
"""


def test_an_outbox_of_version_1_is_brought_up(path: Path) -> None:
    """Its epoch, its sequences, and what was not acknowledged: all that was before the first of these was."""
    with sqlite3.connect(path) as db:
        db.executescript(_VERSION_1)
        rows = [("IBM", number, number != 3) for number in range(1, 5)] + [("BAC", 1, True), ("BAC", 2, True)]
        for symbol, number, acked in [*rows, ("KO", 1, False)]:
            body = REPORT.encode(fill(number, number * 10, f"{symbol}{number}", symbol))
            row = (symbol, number, symbol, f"{symbol}{number}", f"={number * 10}", acked, body, crc32(body), 1)
            db.execute("INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    db.close()
    outbox = Outbox(path, BORN)
    assert (outbox.epoch, outbox.sequences()) == (77, {"IBM": 4, "BAC": 2, "KO": 1})
    places = [Place(77, "IBM", 3), Place(77, "IBM", 4), Place(77, "KO", 1)]
    assert [parcel.place for parcel in outbox.unacked()] == places
    outbox.put(fill(5, 40, client="IBM"), 1)
    assert [bool(parcel.aside) for parcel in outbox.commit()] == [True]
    outbox.close()
    assert len(list(Outbox(path, BORN).unacked())) == 4


def test_commit_that_failed_can_be_repeated(path: Path) -> None:
    """What could not be written waits, and is written when there is room again."""
    outbox = Outbox(path, BORN)
    (pages,) = outbox._db.execute("PRAGMA page_count").fetchone()
    outbox._db.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(1, 101):
        outbox.put(fill(number, number * 10), 1)
    with pytest.raises(JournalError, match="full"):
        outbox.commit()
    assert outbox.waiting == 101
    outbox._db.execute("PRAGMA max_page_count = 100000")
    outbox.commit()
    assert outbox.waiting == 0
    assert len(unacked(outbox)) == 100


def test_closed_order_is_found_by_either_id(path: Path) -> None:
    """A late fill finds its order, which is no longer among the open ones."""
    outbox = Outbox(path, BORN)
    outbox.save(order(status=OrderStatus.CANCELED), 1)
    outbox.put(fill(1, 10), 1)
    outbox.commit()
    assert outbox.open_orders() == []
    for found in (outbox.find("b-1", ""), outbox.find("", "c-1")):
        assert found is not None
        assert (found[0], sorted(found[1])) == (order(status=OrderStatus.CANCELED), ["=10", "x10"])
    assert outbox.find("", "") is None


def test_recent_orders_are_known_without_the_disk(path: Path) -> None:
    """Those of the last hour and a little longer, written or not, and after a restart those that were written."""
    outbox = Outbox(path, BORN)
    outbox.save(order("old"), BORN)
    outbox.save(order("new"), BORN + RECENT_NS)
    outbox.commit()
    outbox.save(order("unwritten"), BORN + RECENT_NS)
    assert [outbox.has_recent(client) for client in ("old", "new", "unwritten", "never")] == [True, True, True, False]
    outbox.let_age()
    outbox.save(order("newest"), BORN)
    assert outbox.has_recent("new")
    outbox.let_age()
    assert [outbox.has_recent(client) for client in ("new", "newest")] == [False, True]
    outbox.close()
    again = Outbox(path, BORN + RECENT_NS + 1)
    assert [again.has_recent(client) for client in ("old", "new", "unwritten")] == [False, True, False]


def test_acknowledged_fill_stays_known(path: Path) -> None:
    """It is not sent again, and cannot be booked again."""
    outbox = Outbox(path, BORN)
    outbox.put(fill(1, 10), 1)
    outbox.ack("IBM", 1)
    outbox.commit()
    assert unacked(outbox) == []
    outbox.put(fill(2, 10), 1)
    assert [bool(parcel.aside) for parcel in outbox.commit()] == [True]


@pytest.mark.parametrize("table", ["orders", "reports"])
def test_flipped_byte_is_found(path: Path, table: str) -> None:
    """One bit of one record, anywhere in it: refused when it is read, never taken for something else."""
    outbox = Outbox(path, BORN)
    outbox.save(order(), 1)
    outbox.put(fill(1, 10), 1)
    outbox.commit()
    (body,) = outbox._db.execute(f"SELECT body FROM {table}").fetchone()  # noqa: S608 - the test's own word
    for at in range(len(body)):
        damaged = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        outbox._db.execute(f"UPDATE {table} SET body = ?", (damaged,))  # noqa: S608 - the test's own word
        with pytest.raises(JournalError, match="checksum"):
            list(outbox.open_orders() if table == "orders" else outbox.unacked())


def test_second_engine_is_refused(path: Path) -> None:
    """One process holds the file."""
    outbox = Outbox(path, BORN)
    probe = "import pathlib, sys; from tradingmesh.adapters import outbox_sqlite as o; "
    probe += "o._LOCK_WAIT_S = 0.05; o.Outbox(pathlib.Path(sys.argv[1]), 1)"
    command = [sys.executable, "-c", probe, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "another execution engine has it" in done.stderr
    outbox.close()


@pytest.mark.parametrize("damage", ["text", "flipped", "version"])
def test_damage_is_named(path: Path, damage: str) -> None:
    """What is no outbox, a damaged one, and one of another version are refused."""
    outbox = Outbox(path, BORN)
    for number in range(1, 200):
        outbox.put(fill(number, number * 10), 1)
    outbox.commit()
    outbox.close()
    if damage == "text":
        path.write_text("this is no database, and long enough to be looked at " * 50)
    elif damage == "flipped":
        raw = bytearray(path.read_bytes())
        raw[4096:12288] = b"\x5a" * 8192
        path.write_bytes(raw)
    else:
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    with pytest.raises(JournalError, match=r"outbox\.db"):
        Outbox(path, BORN)


_WRITER = """
import sys, pathlib
sys.path.insert(0, sys.argv[2])
from test_outbox import fill
from tradingmesh.adapters.outbox_sqlite import Outbox
outbox = Outbox(pathlib.Path(sys.argv[1]), 1)
number = 0
while True:
    for _ in range(3):
        number += 1
        outbox.put(fill(number, number * 10), 1)
    outbox.commit()
    print(number, flush=True)
"""


def test_killed_writer_loses_nothing_it_had_committed(path: Path) -> None:
    """`kill -9` in the middle of writing: every group that was committed is whole, and no group is torn."""
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", _WRITER, str(path), here]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = 0
        while said < 300:
            said = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines(keepends=True)
    said = max([said, *(int(line) for line in rest if line.endswith("\n"))])
    outbox = Outbox(path, BORN)
    numbers = [parcel.place.symbol_sequence for parcel in outbox.unacked()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= said
    assert len(numbers) % 3 == 0
    assert outbox.sequences() == {"IBM": len(numbers)}
