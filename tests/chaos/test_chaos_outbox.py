"""The outbox's files damaged at random and cut where it matters: whole or refused, never silently wrong."""

import random
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tradingmesh.adapters.journal_head import head_path
from tradingmesh.adapters.outbox_sqlite import Outbox, Parcel
from tradingmesh.core.errors import JournalError
from tradingmesh.core.fills import Fill, Report
from tradingmesh.core.orders.record import Order, OrderStatus
from tradingmesh.core.signal import Side

FLIPS, FLIPS_FULL = 60, 1_000
ORDERS = 60
FILE = Path("outbox.db")
LOG = Path("outbox.db-wal")
HEAD = head_path(FILE)
PAGE = 4_096
FRAME = PAGE + 24
WAL_HEADER = 32
BORN = 1_700_000_000_123_456_789
SYMBOLS = ("IBM", "BAC", "KO")


class Content(NamedTuple):
    """All that an outbox says."""

    epoch: int
    numbers: tuple[int, ...]
    sequences: dict[str, int]
    holdings: dict[str, Decimal]
    open_orders: list[Any]
    orders: list[Any]
    unacked: list[Parcel]
    acked: list[Parcel]


class Image(NamedTuple):
    """The files as a crash leaves them, the write-ahead log and all, and what they say."""

    folder: Path
    content: Content


def content_of(outbox: Outbox) -> Content:
    """Read as the engine reads it; raises `JournalError` where a record is damaged."""
    names = [f"c-{number}" for number in range(ORDERS)]
    return Content(
        outbox.epoch,
        (outbox.number("first_contact_ns"), outbox.number("synced_ns")),
        outbox.sequences(),
        outbox.holdings(),
        sorted(((order, sorted(keys)) for order, keys in outbox.open_orders()), key=lambda found: found[0].order_id),
        [outbox.find("", name) for name in names] + [outbox.find(f"b-{name}", "") for name in names],
        list(outbox.unacked()),
        [parcel for symbol in SYMBOLS for parcel in outbox.acked_reports(symbol, 1, 10**6)],
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Orders open and closed, reports acknowledged and not, in the file and in its log."""
    folder, used = tmp_path_factory.mktemp("image"), tmp_path_factory.mktemp("open")
    outbox = Outbox(used / FILE, BORN)
    outbox.set_number("first_contact_ns", 1)
    counts = dict.fromkeys(SYMBOLS, 0)
    for number in range(ORDERS):
        if number == ORDERS // 2:
            outbox.close()
            outbox = Outbox(used / FILE, BORN)
        _trade(outbox, number, counts)
        outbox.set_number("synced_ns", number)
        outbox.commit()
    for file in used.iterdir():
        shutil.copy(file, folder)
    outbox.close()
    assert all((folder / name).stat().st_size for name in (FILE, LOG, HEAD))
    whole = Outbox(shutil.copytree(folder, used / "whole") / FILE, BORN)
    return Image(folder, content_of(whole))


def _trade(outbox: Outbox, number: int, counts: dict[str, int]) -> None:
    client, symbol = f"c-{number}", SYMBOLS[number % len(SYMBOLS)]
    status = OrderStatus.NEW if number % 4 else OrderStatus.CANCELED
    outbox.save(Order(client, symbol, Side.BUY, Decimal(100), 1, order_id=f"b-{client}", status=status), BORN)
    for slice_ in (1, 2):
        counts[symbol] += 1
        quantity, price = Decimal(10 * slice_), Decimal("9.5")
        fill = Fill(f"x{number}.{slice_}", f"b-{client}", client, symbol, Side.BUY, Decimal(10), price, quantity, 5)
        outbox.put(Report(outbox.epoch, counts[symbol], "r-1", fill), BORN)
        if number < ORDERS * 3 // 4:
            outbox.ack(symbol, counts[symbol])
    outbox.hold({symbol: Decimal(10 * counts[symbol])})


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A folder for one damaged copy after the other."""
    return tmp_path / "damaged"


def outcome(image: Image, damaged: Path, what: str) -> str:
    """Fails the test where something is silently wrong; otherwise how it came out."""
    try:
        outbox = Outbox(damaged / FILE, BORN)
    except JournalError as error:
        return "refused" if FILE.name in str(error) else f"refused without a name: {error}"
    try:
        assert content_of(outbox) == image.content, what
    except JournalError:
        return "refused when it is read"
    finally:
        outbox.close()
    return "whole"


def copied(image: Image, damaged: Path) -> None:
    """A fresh copy of the files."""
    shutil.rmtree(damaged, ignore_errors=True)
    shutil.copytree(image.folder, damaged)


@pytest.mark.timeout(600)
def test_a_flipped_byte_of_the_outbox_is_found_or_harmless(
    image: Image, damaged: Path, seed: int, *, full: bool
) -> None:
    """At so many places, in each of the files: what an engine reads afterwards is what was written."""
    chance = random.Random(seed)  # noqa: S311 - replayable is what it must be
    outcomes: dict[str, int] = {}
    for number in range(FLIPS_FULL if full else FLIPS):
        copied(image, damaged)
        file = damaged / (FILE, LOG, FILE, LOG, HEAD)[number % 5]
        raw = bytearray(file.read_bytes())
        at, bit = chance.randrange(len(raw)), 1 << chance.randrange(8)
        raw[at] ^= bit
        file.write_bytes(raw)
        found = outcome(image, damaged, f"{file.name}: byte {at} ^ {bit}")
        outcomes[found] = outcomes.get(found, 0) + 1
    assert outcomes["refused"] > 0
    assert outcomes.get("whole", 0) > 0 or not full, "a byte that nothing uses does not stop a start"


@pytest.mark.timeout(600)
def test_a_cut_outbox_is_refused(image: Image, damaged: Path, *, full: bool) -> None:
    """Each of the files, at its parts' boundaries and near them: no commit is lost unsaid."""
    for name, first, part in ((FILE, 0, PAGE), (LOG, WAL_HEADER, FRAME), (HEAD, 0, 15)):
        size = (image.folder / name).stat().st_size
        bounds = range(first, size, part if full else max(part, (size - first) // 4 // part * part))
        cuts = {at for bound in bounds for at in (bound - 1, bound, bound + 1) if 0 <= at < size}
        for at in sorted({0, *cuts, size - 1}):
            copied(image, damaged)
            with (damaged / name).open("r+b") as file:
                file.truncate(at)
            found = outcome(image, damaged, f"{name} cut at {at}")
            assert found == "refused" or name == FILE, f"{name} cut at {at}: {found}"


@pytest.mark.timeout(60)
def test_a_missing_file_of_the_outbox_is_refused(image: Image, damaged: Path) -> None:
    """Any of them: the log has what the last checkpoint did not move."""
    for name in (FILE, LOG, HEAD):
        copied(image, damaged)
        (damaged / name).unlink()
        assert outcome(image, damaged, f"without {name}") == "refused"
