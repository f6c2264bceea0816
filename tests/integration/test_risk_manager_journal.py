"""The risk manager's journal over real sockets: what is told is kept, and what cannot be kept is not told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.risk_manager_mesh import Mesh
from tradingmesh.contract import TradingState
from tradingmesh.core.checks import Approved, Check, Refused, Stage
from tradingmesh.core.errors import JournalError
from tradingmesh.core.fills import ReportApplied
from tradingmesh.runtime.component import Context


@pytest.fixture
def mesh(make_context: Callable[..., Context], until: Callable[..., None], tmp_path: Path) -> Mesh:
    return Mesh(make_context, until, tmp_path)


def test_a_confirmation_is_kept_before_it_is_told(mesh: Mesh) -> None:
    """Killed right after its answer: the order is on its way to the broker, so its reservation must not expire."""
    signal = mesh.signal("s1")
    mesh.check(signal)
    mesh.context.loop._after_turn.clear()  # where the turn's records would be written
    assert isinstance(mesh.check(signal, Stage.ORDER), Approved)
    mesh.restart()
    reservation = mesh.service._core.state.reservations.get("r-s1")
    assert reservation is not None
    assert reservation.confirmed_by


def test_what_could_not_be_written_is_never_told(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full until the end: not even the last drain acknowledges the fill; it comes again."""
    booked = mesh.desk.filled(mesh.signal("s"), "10", "100", ours=False)
    with monkeypatch.context() as disk:
        disk.setattr(mesh.service._journal, "commit", _full)
        mesh.hand_in(0, booked)
        mesh.run_until(mesh.service.ready)
        mesh.service.drain()
        assert not mesh.processors[0].poll(200)
    mesh.abandon()
    mesh.start()
    mesh.hand_in(0, booked)
    (answer,) = mesh.answers(0, 1)
    assert isinstance(answer, ReportApplied)
    assert not answer.duplicate


def test_a_full_disk_stops_approvals_and_answers_until_there_is_room(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals and orders are refused with the reason, fills unanswered, a halt holds; then all goes on by itself."""
    signal = mesh.signal("s1")
    assert isinstance(mesh.check(signal), Approved)
    first, second = (mesh.desk.filled(mesh.signal("s"), "1", "100", ours=False) for _ in range(2))
    with monkeypatch.context() as disk:
        disk.setattr(mesh.service._journal, "commit", _full)
        disk.setattr(mesh.service._journal, "flush", _full)
        mesh.hand_in(0, first)
        mesh.run_until(mesh.service.ready)
        assert mesh.service.ready() == ["journal: no space left"]
        for refused in (mesh.check(mesh.signal("s2")), mesh.check(signal, Stage.ORDER)):
            assert isinstance(refused, Refused)
            assert (refused.check, refused.reason) == (Check.JOURNAL, "journal: no space left")
        for _ in range(3):
            mesh.hand_in(0, first)
            mesh.hand_in(1, second)
        halted = mesh.command("halt")
        assert halted.ok
        assert "not on disk yet, so a restart would forget it: no space left" in halted.message
        mesh.run_until(lambda: mesh.context.metrics.counter("reports_untaken").value == 6)
        assert not any(processor.poll(0) for processor in mesh.processors)
        assert mesh.context.metrics.snapshot()["gauges"]["journal_writable"][""] == 0
    mesh.run_until(lambda: not mesh.service.ready())
    assert [answer.symbol_sequence for answer in mesh.answers(0, 1)] == [1]
    mesh.hand_in(1, second)
    assert [answer.symbol_sequence for answer in mesh.answers(1, 1)] == [2]
    assert mesh.command("resume").ok
    assert isinstance(mesh.check(signal, Stage.ORDER), Approved)
    mesh.restart()
    assert mesh.service._core.state.ledger.position("IBM").quantity == 2


def _full() -> None:
    raise JournalError("no space left")


def test_no_snapshot_holds_what_no_record_tells(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a record cannot be written down the process ends; its last drain must not keep the state all the same."""
    mesh.hand_in(0, mesh.desk.filled(mesh.signal("s1"), "10", "100", ours=False))
    mesh.answers(0, 1)
    before = list(mesh.service._journal.entries())

    def unwritable(record: object) -> bytes:
        raise OverflowError(record)

    with monkeypatch.context() as fault:
        fault.setattr("tradingmesh.risk_manager.recorder.encode", unwritable)
        mesh.service._core.set_switch(TradingState.HALTED)
        with pytest.raises(OverflowError):
            mesh.service._recorder.write()
    mesh.service.drain()
    assert list(mesh.service._journal.entries()) == before
