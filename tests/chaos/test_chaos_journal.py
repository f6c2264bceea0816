"""The journal's files damaged at random and cut where it matters: recovered or refused, never silently wrong."""

import random
import shutil
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from tradingmesh.adapters.journal_files import archive_path
from tradingmesh.adapters.journal_head import head_path
from tradingmesh.adapters.journal_sqlite import SqliteJournal
from tradingmesh.adapters.journals import FILE
from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import Entry, Kind
from tradingmesh.core.risk.records import encode
from tradingmesh.core.risk.snapshot import encode_snapshot
from tradingmesh.core.signal import Side
from tradingmesh.testing.risk_desk import RiskDesk

FLIPS, FLIPS_FULL = 60, 1_000
FILLS = 240
SNAPSHOT_EVERY = 60
FLUSHED = 3
PAGE = 4_096
FRAME = PAGE + 24
WAL_HEADER = 32


class Image(NamedTuple):
    """The files as a crash leaves them, write-ahead logs and all, and what they hold."""

    folder: Path
    entries: list[Entry]
    committed: int
    """So many of the entries were committed; those after them were only flushed."""


class Outcome(NamedTuple):
    """What came of opening the damaged files: `refused` is the sentence, otherwise what was read."""

    refused: str
    notice: str = ""
    recovered: tuple[Entry, ...] = ()
    entries: tuple[Entry, ...] | str = ()
    """All of them, archive and all; a sentence where that was refused."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """A journal of fills with four snapshots: records in the archive, in the live file and in both logs."""
    folder = tmp_path_factory.mktemp("image")
    open_folder = tmp_path_factory.mktemp("open")
    journal = SqliteJournal(open_folder / FILE)
    desk = RiskDesk()
    for number in range(FILLS):
        desk.buy("IBM", "10", str(Decimal(9_000 + number) / 100))
        if number % SNAPSHOT_EVERY == SNAPSHOT_EVERY - 1:
            journal.append(encode_snapshot(desk.core.state.snapshot()), Kind.SNAPSHOT)
        if number == FILLS // 2:
            journal.compact()
            journal.close()
            journal = SqliteJournal(open_folder / FILE)
        _write(journal, desk)
        journal.commit()
    journal.compact()
    for _ in range(FLUSHED):
        desk.ask(desk.signal("s", Side.BUY, "1"))
        desk.sell("IBM", "1", "90")
        _write(journal, desk)
        journal.flush()
    entries = list(journal.entries())
    for file in open_folder.iterdir():
        shutil.copy(file, folder)
    journal.close()
    committed = journal._head._marked
    assert committed is not None
    return Image(folder, entries, len(entries) - FLUSHED)


def _write(journal: SqliteJournal, desk: RiskDesk) -> None:
    for record in desk.core.take_records():
        journal.append(encode(record))


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A folder for one damaged copy after the other."""
    return tmp_path / "damaged"


def _copy(image: Image, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(image.folder, folder)


def _open(folder: Path) -> Outcome:
    """A start on these files, and a look at all of them."""
    try:
        journal = SqliteJournal(folder / FILE)
    except JournalError as error:
        return Outcome(str(error))
    try:
        recovered = tuple(journal.recover())
        entries = _all(journal)
        return Outcome("", journal.notice, recovered, entries)
    finally:
        journal.close()


def _all(journal: SqliteJournal) -> tuple[Entry, ...] | str:
    try:
        return tuple(journal.entries())
    except JournalError as error:
        return str(error)


def _judge(image: Image, outcome: Outcome, what: str) -> str:
    """Fails the test where something is silently wrong; otherwise how it came out."""
    if outcome.refused:
        assert FILE in outcome.refused, what
        return "refused"
    last = outcome.recovered[-1].position
    kept = image.entries[:last]
    assert outcome.recovered == tuple(kept[outcome.recovered[0].position - 1 :]), what
    assert outcome.recovered[0].kind == Kind.SNAPSHOT, what
    assert last >= image.committed, what
    assert last == len(image.entries) or outcome.notice, what
    if isinstance(outcome.entries, str):
        return "refused by who reads all"
    assert outcome.entries == tuple(kept), what
    return "whole" if last == len(image.entries) else "told"


def _files(image: Image) -> list[Path]:
    path = Path(FILE)
    log = [Path(f"{name}-wal") for name in (path, archive_path(path))]
    found = [path, archive_path(path), head_path(path), *log]
    assert all((image.folder / name).stat().st_size for name in found)
    return found


@pytest.mark.timeout(600)
def test_a_flipped_byte_is_found_or_harmless(image: Image, damaged: Path, seed: int, *, full: bool) -> None:
    """At so many places, in each of the files; a byte in a record is always found."""
    chance = random.Random(seed)  # noqa: S311 - replayable is what it must be
    outcomes: dict[str, int] = {}
    files = _files(image)
    for number in range(FLIPS_FULL if full else FLIPS):
        _copy(image, damaged)
        file = damaged / files[number % len(files)]
        raw = bytearray(file.read_bytes())
        at, bit = chance.randrange(len(raw)), 1 << chance.randrange(8)
        raw[at] ^= bit
        file.write_bytes(raw)
        outcome = _judge(image, _open(damaged), f"{file.name}: byte {at} ^ {bit}")
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert outcomes["refused"] > 0
    assert outcomes.get("refused by who reads all", 0) > 0
    assert outcomes["whole"] > 0 or not full, "a byte that nothing uses does not stop a start"


@pytest.mark.timeout(600)
def test_a_flipped_byte_of_a_record_is_always_found(image: Image, damaged: Path, seed: int, *, full: bool) -> None:
    """Where the bytes of a record or of its hash stand in the live file, none can change unseen."""
    chance = random.Random(seed)  # noqa: S311 - replayable is what it must be
    snapshots = [number for number, entry in enumerate(image.entries) if entry.kind == Kind.SNAPSHOT]
    live = [entry for entry in image.entries[snapshots[-2] :] if entry.kind == Kind.RECORD]
    _copy(image, damaged)
    SqliteJournal(damaged / FILE).close()  # the log goes into the file
    image = Image(shutil.copytree(damaged, damaged.with_name("closed")), image.entries, image.committed)
    raw = (damaged / FILE).read_bytes()
    for entry in chance.sample(live, len(live) if full else 20):
        for part in (entry.record, entry.hash):
            at = raw.index(part) + chance.randrange(len(part))
            _copy(image, damaged)
            (damaged / FILE).write_bytes(raw[:at] + bytes([raw[at] ^ 0x10]) + raw[at + 1 :])
            refused = _open(damaged).refused
            assert "damaged" in refused, f"byte {at}"
            assert f"record {entry.position} " in refused, f"byte {at}"


def _cuts(file: Path, size: int, *, full: bool) -> list[int]:
    """Where a file may end: at its parts' boundaries, right before and after them, and in their middle."""
    if file.name.endswith("-head"):
        return list(range(0, size, 1 if full else 15))
    first, part = (WAL_HEADER, FRAME) if file.name.endswith("-wal") else (0, PAGE)
    bounds = range(first, size, part if full else max(part, (size - first) // 4 // part * part))
    near = [bound + step for bound in bounds for step in (-1, 0, 1, part // 2)]
    return sorted({at for at in [0, 16, *near, size - 1] if 0 <= at < size})


@pytest.mark.timeout(600)
def test_a_cut_file_is_recovered_or_refused(image: Image, damaged: Path, *, full: bool) -> None:
    """Each of the files, at every interesting place: no committed record is lost unsaid."""
    outcomes: dict[str, set[str]] = {}
    for name in _files(image):
        size = (image.folder / name).stat().st_size
        for at in _cuts(name, size, full=full):
            _copy(image, damaged)
            with (damaged / name).open("r+b") as file:
                file.truncate(at)
            outcomes.setdefault(name.name, set()).add(_judge(image, _open(damaged), f"{name} cut at {at}"))
    assert outcomes[f"{FILE}-head"] == {"refused"}
    assert outcomes[f"{FILE}-wal"] == {"refused", "told"}
    assert outcomes[FILE] == {"refused", "whole"}, "whole where the log has what the file lost"


@pytest.mark.timeout(600)
def test_a_missing_file_is_refused(image: Image, damaged: Path) -> None:
    """Any of them: with its log, all that the last checkpoint did not move is gone."""
    for name in _files(image):
        _copy(image, damaged)
        (damaged / name).unlink()
        outcome = _judge(image, _open(damaged), f"without {name}")
        assert outcome.startswith("refused"), f"without {name}: {outcome}"


def test_a_refused_journal_is_left_as_it_is(image: Image, damaged: Path) -> None:
    """Whoever mends it finds every byte there was, also those behind the damage in the write-ahead log."""
    _copy(image, damaged)
    log = damaged / f"{FILE}-wal"
    raw = bytearray(log.read_bytes())
    raw[WAL_HEADER + 100] ^= 1
    log.write_bytes(raw)
    before = {file.name: file.read_bytes() for file in damaged.iterdir() if not file.name.endswith("-shm")}
    assert "were committed, and are gone" in _open(damaged).refused
    assert {file.name: file.read_bytes() for file in damaged.iterdir() if not file.name.endswith("-shm")} == before
