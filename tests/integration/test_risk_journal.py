"""What the risk manager leaves in its journal, and what a new life makes of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tradingmesh.adapters.journal_sqlite import SqliteJournal
from tradingmesh.contract import Component
from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import Kind
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.snapshot import encode_snapshot
from tradingmesh.risk_manager import recorder as recorder_module
from tradingmesh.risk_manager.recorder import RETRY_NS, Recorder
from tradingmesh.risk_manager.recovery import recover
from tradingmesh.runtime.component import Context
from tradingmesh.testing.risk_desk import RiskDesk


class Life:
    """A desk, its recorder and its journal, until they end without a word."""

    def __init__(self, context: Context, path: Path, desk: RiskDesk) -> None:
        self.desk = desk
        self.journal = SqliteJournal(path)
        self.desk.core = RiskDesk().core
        self.log = Log()
        recovered = recover(self.desk.core, self.journal, self.log)  # type: ignore[arg-type]
        self.recorder = Recorder(context, self.desk.core, self.journal, recovered)

    def trade(self, fills: int) -> None:
        """So many turns with a fill in each."""
        for _ in range(fills):
            self.desk.buy("IBM", "1", "100")
            assert self.recorder.end_turn()

    def kinds(self) -> str:
        """The journal: a dot for a record, an S for a snapshot."""
        return "".join("S" if entry.kind == Kind.SNAPSHOT else "." for entry in self.journal.entries())


class Log:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, event: str, **_: Any) -> None:
        self.said.append(event)


Begin = Callable[[], Life]


@pytest.fixture
def begin(make_context: Callable[..., Context], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Begins a life; the one before it ends. Snapshots are five records apart."""
    monkeypatch.setattr(recorder_module, "SNAPSHOT_EVERY", 5)
    desk = RiskDesk()
    lives: list[Life] = []

    def start() -> Life:
        for life in lives:
            life.journal.close()
        lives[:] = [Life(make_context(Component.RISK_MANAGER, {}), tmp_path / "risk.journal", desk)]
        return lives[0]

    return start


def _picture(core: RiskCore) -> bytes:
    return encode_snapshot(core.state.snapshot())


def test_a_snapshot_follows_every_so_many_records(begin: Begin) -> None:
    """At the end of a turn; a restart counts on."""
    life = begin()
    life.trade(6)  # the first one begins the day as well
    assert life.kinds() == ".....S.."
    life = begin()
    life.trade(4)
    assert life.kinds() == ".....S.....S."
    assert life.desk.core.state.reports.fills_booked == 10


def test_a_clean_end_leaves_a_snapshot_unless_one_is_there(begin: Begin) -> None:
    """The next start has nothing to fold, and a start without work leaves nothing."""
    life = begin()
    life.trade(2)
    assert life.recorder.snapshot()
    assert life.recorder.snapshot()
    assert life.kinds() == "...S"
    before = _picture(life.desk.core)
    life = begin()
    assert life.recorder.snapshot()
    assert life.kinds() == "...S"
    assert _picture(life.desk.core) == before


def test_a_snapshot_of_another_program_is_passed_over(begin: Begin) -> None:
    """Every record is folded from the first one on, out of the archive as well; a new snapshot comes soon."""
    life = begin()
    life.trade(15)
    life.recorder.compact()
    life.journal.append(b"\x80", Kind.SNAPSHOT)
    before = _picture(life.desk.core)
    life = begin()
    assert life.log.said == ["every record is folded again"]
    assert _picture(life.desk.core) == before
    life.trade(1)
    assert life.kinds().endswith("S.S")


def test_a_record_of_another_program_is_named(begin: Begin) -> None:
    """A start does not pass over what happened."""
    life = begin()
    life.trade(1)
    life.journal.append(b"\x80")
    with pytest.raises(JournalError, match=r"^record 3: a journal record is not one of the risk manager's"):
        begin()


def test_the_live_file_is_kept_small(begin: Begin) -> None:
    """What lies before the last but one snapshot moves out of it, and nothing is lost."""
    life = begin()
    for _ in range(6):
        life.trade(5)
        life.recorder.compact()
    positions = [entry.position for entry in life.journal._live.rows()]
    assert len(positions) < 15
    assert len(life.kinds()) == positions[-1]


def test_an_archive_that_takes_nothing_stops_no_trade(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal grows; that is counted."""

    def fail() -> None:
        raise JournalError("no space left")

    life = begin()
    monkeypatch.setattr(life.journal, "compact", fail)
    life.recorder.compact()
    assert life.recorder.problem == ""
    life.trade(1)


def test_a_failure_is_tried_again_after_a_while(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at every turn: the attempt itself takes time, and turns are many."""
    life = begin()
    now_ns, tried = 0, 0

    def fail() -> None:
        nonlocal now_ns, tried
        tried += 1
        now_ns += 2 * RETRY_NS
        raise JournalError("PostgreSQL is away")

    monkeypatch.setattr(life.recorder, "_monotonic_ns", lambda: now_ns)
    with monkeypatch.context() as away:
        away.setattr(life.journal, "commit", fail)
        life.desk.buy("IBM", "1", "100")
        for later_ns, expected in ((0, 1), (3 * RETRY_NS, 1), (RETRY_NS, 2), (0, 2)):
            now_ns += later_ns
            assert not life.recorder.write()
            assert tried == expected
    now_ns += 4 * RETRY_NS
    assert life.recorder.write()
    assert life.recorder.problem == ""
    assert life.kinds() == ".."


def test_a_snapshot_that_could_not_be_written_comes_later(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fill before it is on disk, but is not answered until the journal can be written again."""
    life = begin()
    life.trade(3)
    commit, calls = life.journal.commit, 0

    def full_at_the_second() -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise JournalError("no space left")
        commit()

    with monkeypatch.context() as disk:
        disk.setattr(life.journal, "commit", full_at_the_second)
        life.desk.buy("IBM", "1", "100")
        assert not life.recorder.end_turn()
    monkeypatch.setattr(life.recorder, "_retry_ns", 0)
    assert life.recorder.end_turn()
    assert life.kinds() == ".....S"
