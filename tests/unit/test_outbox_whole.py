"""An outbox that is not whole, or older than it was, is refused with what to do, and left as it is."""

import shutil
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tradingmesh.adapters.journal_head import HeadFile, head_path
from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.core.errors import JournalError
from tradingmesh.core.fills import Fill, Report
from tradingmesh.core.signal import Side

BORN = 1_700_000_000_123_456_789


def fill(sequence: int, symbol: str = "IBM") -> Report:
    quantity = Decimal(10 * sequence)
    body = Fill(f"x{symbol}{sequence}", "b-1", "c-1", symbol, Side.BUY, Decimal(10), Decimal("9.5"), quantity, 5)
    return Report(7, sequence, "r-1", body)


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """An outbox as `kill -9` leaves it: seven commits, two of them in the file, the others in its log."""
    opened = tmp_path / "open" / "outbox.db"
    opened.parent.mkdir()
    outbox = Outbox(opened, BORN)
    outbox.hold({"IBM": Decimal(10), "": Decimal(1_000)})
    outbox.put(fill(1), 1)
    outbox.commit()
    outbox.close()
    outbox = Outbox(opened, BORN)
    for sequence in range(2, 6):
        outbox.put(fill(sequence), 1)
        outbox.ack("IBM", sequence - 1)
        outbox.commit()
    folder = tmp_path / "crashed"
    folder.mkdir()
    for file in opened.parent.iterdir():
        shutil.copy(file, folder)
    outbox.close()
    return folder / "outbox.db"


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def without_log(path: Path) -> None:
    log_of(path).unlink()


def half_a_log(path: Path) -> None:
    raw = log_of(path).read_bytes()
    log_of(path).write_bytes(raw[: len(raw) // 2])


def flip_in_the_log(path: Path) -> None:
    raw = bytearray(log_of(path).read_bytes())
    raw[len(raw) // 2] ^= 1
    log_of(path).write_bytes(raw)


def no_outbox(path: Path) -> None:
    path.unlink()
    log_of(path).unlink()


def no_head(path: Path) -> None:
    head_path(path).unlink()


def head_of_another(path: Path) -> None:
    other = path.with_name("other.db")
    Outbox(other, BORN + 10**12).close()
    shutil.move(head_path(other), head_path(path))


def damaged_head(path: Path) -> None:
    head_path(path).write_bytes(head_path(path).read_bytes()[:-1])


def test_a_crashed_outbox_is_whole(crashed: Path) -> None:
    """What the head asks for is there."""
    outbox = Outbox(crashed, BORN)
    assert [parcel.place.symbol_sequence for parcel in outbox.unacked()] == [5]
    assert outbox.holdings() == {"IBM": Decimal(10), "": Decimal(1_000)}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (without_log, "it is older than its head, commits "),
        (half_a_log, "it is older than its head, commits "),
        (flip_in_the_log, "it is older than its head, commits "),
        (no_outbox, "it is older than its head, commits 1 to "),
        (no_head, "its head outbox.db-head is missing"),
        (head_of_another, "its head is another outbox's"),
        (damaged_head, "head is damaged"),
    ],
)
def test_what_is_gone_is_told_and_nothing_is_touched(crashed: Path, damage: Callable[[Path], None], said: str) -> None:
    """A shorter outbox would number new fills as those told before, which the ledger would then set aside."""
    damage(crashed)
    before = {file: file.read_bytes() for file in crashed.parent.iterdir() if not file.name.endswith("-shm")}
    with pytest.raises(JournalError) as refused:
        Outbox(crashed, BORN)
    assert said in str(refused.value)
    assert "put the newest copy of the outbox and of its head in their place; or move both away" in str(refused.value)
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE sequences SET acked = last", "the checksum of the sequence of IBM does not fit"),
        ("UPDATE holdings SET amount = '11' WHERE symbol = 'IBM'", "the checksum of the holding of IBM does not fit"),
        ("UPDATE meta SET value = value + 1 WHERE name = 'epoch'", "the checksum of the number epoch does not fit"),
        ("DELETE FROM reports WHERE sequence = 3", "of IBM there are not all reports that it has numbered"),
        ("UPDATE reports SET sequence = 9 WHERE sequence = 5", "of IBM there are not all reports"),
        ("DELETE FROM sequences", "of IBM there are not all reports"),
    ],
)
def test_a_row_without_bytes_of_its_own_has_its_checksum(crashed: Path, change: str, said: str) -> None:
    """How far reports are acknowledged, what the account should hold, whose outbox it is."""
    with sqlite3.connect(crashed) as db:
        db.execute(change)
    db.close()
    with pytest.raises(JournalError, match=said):
        Outbox(crashed, BORN)


def test_an_outbox_of_version_2_gets_its_head(crashed: Path) -> None:
    """It had none, and no checksums but those of orders and reports."""
    with sqlite3.connect(crashed) as db:
        for table in ("meta", "sequences", "holdings"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        db.execute("DELETE FROM meta WHERE name = 'commits'")
        db.execute("PRAGMA user_version = 2")
    db.close()
    head_path(crashed).unlink()
    outbox = Outbox(crashed, BORN)
    assert (outbox.epoch, outbox.sequences()) == (BORN // 1_000_000, {"IBM": 5})
    outbox.close()
    assert Outbox(crashed, BORN).holdings()["IBM"] == 10


def test_a_head_that_cannot_be_written_costs_nothing(crashed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on disk is delivered; the next commit waits until the head has said so."""
    outbox = Outbox(crashed, BORN)
    mark = HeadFile.mark

    def full(*_: object) -> None:
        raise JournalError("no space left")

    outbox.put(fill(6), 1)
    outbox._mark()
    monkeypatch.setattr(HeadFile, "mark", lambda *given: mark(*given) if given[1] == given[0]._marked else full())
    assert len(outbox.commit()) == 1
    outbox.put(fill(7), 1)
    with pytest.raises(JournalError, match="no space left"):
        outbox.commit()
    monkeypatch.setattr(HeadFile, "mark", mark)
    assert [parcel.place.symbol_sequence for parcel in outbox.commit()] == [7]
    outbox.close()
    assert Outbox(crashed, BORN).sequences() == {"IBM": 7}
