"""What takes its place without an effect: reports that none can read, and others in a place that is taken."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from tradingmesh.core.fills import BookedReport, Fill, ReportAnswer, ReportApplied, ReportSetAside
from tradingmesh.core.place import Place, PoisonReport
from tradingmesh.core.risk.records import PoisonKept, ReportKept
from tradingmesh.core.risk.reports import CONTESTED, FILL_IDS_MAX, KEPT_MAX, Handed, ReportSequences, place_of
from tradingmesh.core.signal import Side
from tradingmesh.testing.risk_desk import OUTBOX, RiskDesk

BUY = Side.BUY
CASH = Decimal(1_000_000)


@pytest.fixture
def desk() -> RiskDesk:
    """A market in IBM."""
    desk = RiskDesk()
    desk.quote("IBM", "99.99", "100.01")
    return desk


def hand_in(desk: RiskDesk, handed: Handed) -> tuple[ReportAnswer, ...]:
    return desk.core.apply(handed, desk.now_ns)


def poison(number: int, raw: bytes = b"\xc1") -> PoisonReport:
    return PoisonReport(Place(OUTBOX, "IBM", number), raw, "unreadable: nobody knows")


def fill(number: int) -> Fill:
    """One of an order that fills share by share."""
    name, filled = f"later-{number}", Decimal(number + 1)
    return Fill(name, "o", "tm-o", "IBM", BUY, Decimal(1), Decimal(10), filled, 0)


def other_fill(booked: BookedReport, **changes: object) -> BookedReport:
    """The same place, another execution."""
    return replace(booked, report=replace(booked.report, body=replace(booked.report.body, **changes)))


def test_what_none_can_read_takes_its_place(desk: RiskDesk) -> None:
    """Those after it go on, also where they were there before; it is on record with its bytes and its reason."""
    first = desk.filled(desk.signal("a", BUY, "1"), "1", "10")
    desk.filled(desk.signal("b", BUY, "1"), "1", "10")
    third = desk.filled(desk.signal("c", BUY, "1"), "1", "10")
    assert hand_in(desk, third) == ()
    assert len(hand_in(desk, first)) == 1
    answers = hand_in(desk, poison(2))
    assert answers[0] == ReportSetAside(OUTBOX, "IBM", 2, "unreadable: nobody knows")
    assert isinstance(answers[1], ReportApplied)
    assert desk.core.state.ledger.position("IBM").quantity == 2
    assert [record for record in desk.keep_records() if isinstance(record, PoisonKept)] == [PoisonKept(poison(2))]


def test_early_poison_waits_its_turn(desk: RiskDesk) -> None:
    """Its place is the second, so it is set aside after the first."""
    first = desk.filled(desk.signal("a", BUY, "1"), "1", "10")
    assert hand_in(desk, poison(2)) == ()
    assert [answer.symbol_sequence for answer in hand_in(desk, first)] == [1, 2]


def test_set_aside_again_is_told_alike_and_kept_once(desk: RiskDesk) -> None:
    """However often it comes; after a restart too."""
    (answer,) = hand_in(desk, poison(1))
    assert hand_in(desk, poison(1)) == (answer,)
    again = desk.restarted()
    assert again.apply(poison(1), desk.now_ns) == (answer,)
    assert (desk.core.state.reports.kept_count, again.state.reports.kept_count) == (1, 1)
    assert again.take_records() == []


@pytest.mark.parametrize("ends", [False, True])
def test_the_last_report_of_a_quiet_line_stays_known(desk: RiskDesk, *, ends: bool) -> None:
    """It is shown again every ten seconds, however many reports the other symbols had since; after a restart too."""
    signal = desk.signal("q", BUY, "1", "KO")
    last = desk.closed(signal) if ends else desk.filled(signal, "1", "10")
    desk.apply(last)
    for number in range(FILL_IDS_MAX):
        desk.core.state.reports.remember_fill(fill(number))
    snapshot = desk.core.state.snapshot()
    restored = RiskDesk().core
    restored.restore([], snapshot)
    for core in (desk.core, restored):
        (again,) = core.apply(last, desk.now_ns)
        assert isinstance(again, ReportApplied)
        assert again.duplicate
        assert core.state.reports.kept_count == 0


def test_another_fill_in_a_taken_place_is_no_repetition(desk: RiskDesk) -> None:
    """As from an outbox that was restored from a backup: it is not booked, and nobody is told that it was."""
    booked = desk.filled(desk.signal("s", BUY, "10"), "10", "100")
    (taken,) = hand_in(desk, booked)
    other = other_fill(booked, fill_id="another", quantity=Decimal(7))
    (answer,) = hand_in(desk, other)
    assert answer == ReportSetAside(OUTBOX, "IBM", 1, CONTESTED)
    assert hand_in(desk, other) == (answer,)
    (again,) = hand_in(desk, booked)
    assert isinstance(again, ReportApplied)
    assert isinstance(taken, ReportApplied)
    assert (again.duplicate, again.cash) == (True, taken.cash)
    (following,) = desk.apply(desk.filled(desk.signal("t", BUY, "1"), "1", "7"))
    assert isinstance(following, ReportApplied)
    assert [record for record in desk.keep_records() if isinstance(record, ReportKept)] == [
        ReportKept(other, CONTESTED)
    ]


def test_a_fill_booked_elsewhere_is_a_repetition_in_any_place(desk: RiskDesk) -> None:
    """Its id is known: no harm is done, and there is nothing to look at."""
    first, second = (desk.filled(desk.signal(name, BUY, "1"), "1", "10") for name in "ab")
    desk.apply(first)
    desk.apply(second)
    swapped = replace(first, report=replace(first.report, symbol_sequence=2))
    (answer,) = hand_in(desk, swapped)
    assert isinstance(answer, ReportApplied)
    assert answer.duplicate


def test_the_end_of_another_order_in_a_taken_place_is_set_aside(desk: RiskDesk) -> None:
    """Ends are known by what they say; the one that was taken comes again as a repetition."""
    end = desk.closed(desk.signal("a", BUY, "1"))
    desk.apply(end)
    other = replace(end, report=desk.closed(desk.signal("b", BUY, "1")).report)
    (answer,) = hand_in(desk, replace(other, report=replace(other.report, symbol_sequence=1)))
    (again,) = hand_in(desk, end)
    assert answer == ReportSetAside(OUTBOX, "IBM", 1, CONTESTED)
    assert isinstance(again, ReportApplied)


def test_unreadable_bytes_in_a_taken_place_are_set_aside(desk: RiskDesk) -> None:
    """Nobody can say that it is the report that was taken."""
    desk.buy("IBM", "1", "10")
    (answer,) = hand_in(desk, poison(1))
    assert answer == ReportSetAside(OUTBOX, "IBM", 1, CONTESTED)
    (record,) = [record for record in desk.keep_records() if isinstance(record, PoisonKept)]
    assert (record.poison.raw, record.poison.reason) == (b"\xc1", CONTESTED)


def test_one_execution_of_two_orders_is_set_aside(desk: RiskDesk) -> None:
    """Which of them it belongs to a person must find out; it is booked once meanwhile."""
    booked = desk.filled(desk.signal("a", BUY, "10"), "10", "100")
    desk.apply(booked)
    claimed = desk.filled(desk.signal("b", BUY, "10"), "10", "100")
    (answer,) = hand_in(desk, other_fill(claimed, fill_id="f-IBM-0"))
    assert isinstance(answer, ReportSetAside)
    assert answer.reason == "fill f-IBM-0 was booked for order o-a, now it is said to be of o-b"
    assert desk.core.state.ledger.cash == CASH - 1_000


def test_one_execution_told_by_two_outboxes_is_booked_once(desk: RiskDesk) -> None:
    """Each may have heard it under another name; how far its order was filled with it is the same. Also restored."""
    booked = desk.filled(desk.signal("a", BUY, "10"), "10", "100")
    desk.apply(booked)
    other = other_fill(booked, fill_id="the-activity-of-the-same", cumulative_quantity=Decimal("10.0"))
    other = replace(other, report=replace(other.report, outbox_epoch=OUTBOX + 1))
    copied = RiskDesk().core
    copied.restore([], desk.core.state.snapshot())
    for core in (desk.restarted(), copied, desk.core):
        (answer,) = core.apply(other, desk.now_ns)
        assert isinstance(answer, ReportApplied)
        assert answer.duplicate
        assert core.state.ledger.position("IBM").quantity == 10
        assert core.state.ledger.cash == CASH - 1_000


def test_two_executions_that_filled_an_order_as_far_are_set_aside(desk: RiskDesk) -> None:
    """Both cannot be true: the second is not booked, and a person must look."""
    booked = desk.filled(desk.signal("a", BUY, "10"), "10", "100")
    desk.apply(booked)
    other = other_fill(booked, fill_id="another", quantity=Decimal(4))
    report = replace(other.report, symbol_sequence=2)
    (answer,) = hand_in(desk, replace(other, report=report, cash_impact=Decimal(-400)))
    assert isinstance(answer, ReportSetAside)
    assert answer.reason == "order o-a was filled to 10 by an execution of 10, now it is said to be one of 4"
    assert desk.core.state.ledger.position("IBM").quantity == 10


def test_what_is_remembered_is_bounded(desk: RiskDesk) -> None:
    """The oldest set aside is forgotten first; the count goes on."""
    reports = ReportSequences()
    for number in range(1, KEPT_MAX + 2):
        reports.keep(poison(number), "why")
    assert reports.kept_count == KEPT_MAX + 1
    assert reports.kept_reason(poison(1)) is None
    assert reports.kept_reason(poison(2)) == "why"
    assert reports.next_of((OUTBOX, "IBM")) == KEPT_MAX + 2
    forgotten = desk.filled(desk.signal("s", BUY, "1"), "1", "10")
    for number in range(FILL_IDS_MAX):
        reports.remember_fill(fill(number))
    assert not reports.took(forgotten)


def test_places_of_both_kinds(desk: RiskDesk) -> None:
    """A place can be told from its words."""
    booked = desk.filled(desk.signal("s", BUY, "1"), "1", "10")
    assert place_of(booked) == Place(OUTBOX, "IBM", 1)
    assert str(place_of(poison(4))) == f"report 4 of IBM, outbox {OUTBOX}"
    assert str(Place(OUTBOX, "", 1)) == f"report 1 of the engine, outbox {OUTBOX}"
