"""Execution engines that follow each other, as the risk manager sees them: one writes at a time, nothing is left."""

import msgspec
import pytest

from tradingmesh.core.checks import NOBODY, Approved, Check, Decision, Refused, Writer
from tradingmesh.core.fills import ReportApplied
from tradingmesh.core.risk.records import WriterSeen
from tradingmesh.core.signal import Side, Signal
from tradingmesh.core.standing import EngineStarted
from tradingmesh.testing.risk_desk import OUTBOX, RiskDesk

FIRST, SECOND = Writer(OUTBOX, 10), Writer(OUTBOX, 11)
ELSEWHERE = Writer(8, 12)


@pytest.fixture
def desk() -> RiskDesk:
    made = RiskDesk()
    made.quote("IBM", "99.99", "100.01")
    return made


def approved(desk: RiskDesk, name: str) -> Signal:
    signal = desk.signal(name, Side.BUY, "10")
    assert isinstance(desk.ask(signal), Approved)
    return signal


def check_of(decision: Decision) -> Check:
    assert isinstance(decision, Refused)
    return decision.check


def reserved(desk: RiskDesk) -> list[str]:
    return [found.reservation_id for found in desk.core.state.reservations]


def started(desk: RiskDesk, epoch: int, *used: str) -> None:
    """The report that a life begins; on the line of the outbox that every report of the desk is in."""
    (answer,) = desk.apply(desk.report(EngineStarted(epoch, used)))
    assert isinstance(answer, ReportApplied)


def test_the_older_engine_is_fenced_off(desk: RiskDesk) -> None:
    """From the first check of the newer one on; of whatever outbox the older one is, and whatever it asks for."""
    first, second, third = (approved(desk, name) for name in ("s1", "s2", "s3"))
    assert isinstance(desk.confirm(first, writer=FIRST), Approved)
    assert isinstance(desk.confirm(second, writer=ELSEWHERE), Approved)
    for writer in (FIRST, SECOND, NOBODY):
        decision = desk.confirm(third, writer=writer)
        assert check_of(decision) is Check.FENCED
        assert isinstance(decision, Refused)
        assert "execution engine of epoch 12 has taken over" in decision.reason
    assert isinstance(desk.confirm(third, writer=ELSEWHERE), Approved)


def test_the_fence_holds_after_a_restart(desk: RiskDesk) -> None:
    """The highest epoch is a record, written once, also where that engine's order was refused."""
    signal = approved(desk, "s1")
    refused = desk.confirm(msgspec.structs.replace(signal, limit_price=None, reason="other"), writer=SECOND)
    assert check_of(refused) is Check.RESERVATION
    desk.confirm(signal, writer=SECOND)
    assert [record for record in desk.keep_records() if isinstance(record, WriterSeen)] == [WriterSeen(11)]
    desk.core = desk.restarted()
    desk.quote("IBM", "99.99", "100.01")
    assert check_of(desk.confirm(signal, writer=FIRST)) is Check.FENCED


def test_one_reservation_is_confirmed_for_one_request_of_one_engine(desk: RiskDesk) -> None:
    """The same question again is answered alike; from another life it is another question."""
    signal = approved(desk, "s1")
    assert isinstance(desk.confirm(signal, writer=FIRST), Approved)
    assert isinstance(desk.confirm(signal, writer=FIRST), Approved)
    assert check_of(desk.confirm(signal, by="tm-other", writer=FIRST)) is Check.RESERVATION
    assert check_of(desk.confirm(signal, writer=SECOND)) is Check.RESERVATION


def test_what_was_confirmed_and_never_submitted_is_given_back(desk: RiskDesk) -> None:
    """Only that: what is in use or was never confirmed stays, and what this life or another outbox confirmed."""
    lost, used, unconfirmed, own, other = (approved(desk, name) for name in ("lost", "used", "waits", "own", "other"))
    for signal, writer in ((lost, FIRST), (used, FIRST), (own, SECOND)):
        assert isinstance(desk.confirm(signal, writer=writer), Approved)
    assert isinstance(desk.confirm(other, writer=ELSEWHERE), Approved)
    started(desk, SECOND.epoch, "r-used")
    assert reserved(desk) == [f"r-{signal.signal_id}" for signal in (used, unconfirmed, own, other)]
    assert check_of(desk.confirm(lost, writer=Writer(OUTBOX, 13))) is Check.RESERVATION


def test_a_life_that_began_fences_off_those_before(desk: RiskDesk) -> None:
    """Or what it gave back could be confirmed by a question that was on its way."""
    signal = approved(desk, "s1")
    started(desk, SECOND.epoch)
    assert check_of(desk.confirm(signal, writer=FIRST)) is Check.FENCED


def test_late_word_of_an_old_life_gives_nothing_back(desk: RiskDesk) -> None:
    """It knows of what was confirmed before it, and of nothing since."""
    signal = approved(desk, "s1")
    assert isinstance(desk.confirm(signal, writer=SECOND), Approved)
    started(desk, SECOND.epoch)
    started(desk, FIRST.epoch)
    assert reserved(desk) == ["r-s1"]
    assert desk.core.state.writer_epoch == SECOND.epoch


def test_an_engine_that_was_refused_gives_back_nothing_of_another(desk: RiskDesk) -> None:
    """Nor does a fill of its order use what another confirmed."""
    signal = approved(desk, "s1")
    assert isinstance(desk.confirm(signal, by="tm-s1-e7", writer=FIRST), Approved)
    desk.apply(desk.closed(signal, "rejected", by="tm-s1-e8"))
    desk.apply(desk.filled(signal, "4", "100"))
    (found,) = desk.core.state.reservations
    assert (found.open_e9, found.confirmed_by) == (10 * 10**9, "tm-s1-e7")
    desk.apply(desk.closed(signal, "canceled", by="tm-s1-e7"))
    assert reserved(desk) == []
