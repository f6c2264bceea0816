"""Reports of the broker in the risk core: each takes effect once, in its symbol's order, and none blocks the others."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradingmesh.core.fills import BookedReport, Fill, ReportApplied, ReportSetAside
from tradingmesh.core.risk.reports import FILL_IDS_MAX, HELD_MAX, ReportSequences
from tradingmesh.core.signal import Side
from tradingmesh.testing.risk_desk import OUTBOX, RiskDesk

BUY, SELL = Side.BUY, Side.SELL
replace = msgspec.structs.replace


@pytest.fixture
def desk() -> RiskDesk:
    desk = RiskDesk()
    desk.quote("IBM", "99.99", "100.01")
    return desk


def test_a_report_ahead_waits_for_the_gap(desk: RiskDesk) -> None:
    """Then all that waited is applied and answered, in order."""
    first, second, third = (desk.filled(desk.signal("s", BUY, "1"), "1", price) for price in ("10", "20", "30"))
    assert desk.apply(third) == ()
    assert desk.apply(second) == ()
    assert desk.core.state.reports.gaps() == {(OUTBOX, "IBM"): 1}
    answers = desk.apply(first)
    assert [answer.symbol_sequence for answer in answers] == [1, 2, 3]
    assert [answer.cash for answer in answers if isinstance(answer, ReportApplied)] == [999_990, 999_970, 999_940]
    assert (desk.core.state.reports.waiting_count, desk.core.state.reports.gaps()) == (0, {})


def test_symbols_and_outboxes_do_not_wait_for_each_other(desk: RiskDesk) -> None:
    """Each is a line of its own."""
    desk.filled(desk.signal("skipped", BUY, "1"), "1", "10")
    late = desk.filled(desk.signal("s", BUY, "1"), "1", "10")
    assert desk.apply(late) == ()
    assert len(desk.apply(desk.filled(desk.signal("b", BUY, "1", "BAC"), "1", "10"))) == 1
    fill = replace(late.report.body, fill_id="other")
    other = replace(late, report=replace(late.report, outbox_epoch=OUTBOX + 1, symbol_sequence=1, body=fill))
    assert len(desk.apply(other)) == 1


def test_a_report_applied_before_is_a_duplicate(desk: RiskDesk) -> None:
    """It changes nothing, and says what the position is."""
    booked = desk.filled(desk.signal("s", BUY, "10"), "10", "100")
    (first,) = desk.apply(booked)
    (again,) = desk.apply(booked)
    assert isinstance(first, ReportApplied)
    assert isinstance(again, ReportApplied)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert again.before == again.after == first.after
    assert desk.core.state.ledger.cash == first.cash == Decimal(999_000)


def test_one_execution_under_two_sequences_is_booked_once(desk: RiskDesk) -> None:
    """The second takes its place, so that what follows is not held up."""
    booked = desk.filled(desk.signal("s", BUY, "10"), "10", "100")
    desk.apply(booked)
    (answer,) = desk.apply(replace(booked, report=replace(booked.report, symbol_sequence=2)))
    assert isinstance(answer, ReportApplied)
    assert answer.duplicate
    assert desk.core.state.ledger.position("IBM").quantity == 10
    assert desk.core.state.reports.next_of((OUTBOX, "IBM")) == 3


@pytest.mark.parametrize(
    ("changed", "body", "said"),
    [
        ({"cash_impact": Decimal(-999)}, {}, "cash_impact -999 is not -1000"),
        ({"cash_impact": Decimal("NaN")}, {}, "cash_impact NaN is not -1000"),
        ({"commission": Decimal(-1)}, {}, "commission -1 is not between 0 and 1000000000"),
        ({"commission": Decimal("sNaN")}, {}, "commission sNaN is not between 0"),
        ({"commission": Decimal("1E-28")}, {}, "commission 1E-28 has more than 27 decimals"),
        ({}, {"quantity": Decimal(0)}, "quantity 0 is not above 0"),
        ({}, {"quantity": Decimal("1E+40")}, "quantity 1E+40 is not above 0"),
        ({}, {"price": Decimal("NaN")}, "price NaN is not above 0"),
        ({}, {"price": Decimal("1E-10")}, "price 1E-10 has more than 9 decimals"),
        ({}, {"side": "sideways"}, "side 'sideways' is neither buy nor sell"),
    ],
)
def test_a_poison_report_is_set_aside_and_blocks_nothing(
    desk: RiskDesk, changed: dict[str, Any], body: dict[str, Any], said: str
) -> None:
    """It keeps its reason, and its place in the sequence."""
    good = desk.filled(desk.signal("s", BUY, "10"), "10", "100")
    bad: BookedReport = replace(good, **changed, report=replace(good.report, body=replace(good.report.body, **body)))
    (answer,) = desk.apply(bad)
    assert isinstance(answer, ReportSetAside)
    assert said in answer.reason
    assert desk.apply(bad) == (answer,)
    assert desk.core.state.ledger.cash == Decimal(1_000_000)
    (following,) = desk.apply(desk.filled(desk.signal("t", BUY, "1"), "1", "7"))
    assert isinstance(following, ReportApplied)


def test_the_end_of_an_order_moves_no_cash(desk: RiskDesk) -> None:
    """One that says it does is set aside."""
    end = desk.closed(desk.signal("s", BUY, "10"))
    (answer,) = desk.apply(replace(end, cash_impact=Decimal(5)))
    assert isinstance(answer, ReportSetAside)


def test_a_sequence_below_one_has_no_place(desk: RiskDesk) -> None:
    """It is answered, and nothing is kept of it."""
    booked = desk.filled(desk.signal("s", BUY, "10"), "10", "100")
    (answer,) = desk.apply(replace(booked, report=replace(booked.report, symbol_sequence=0)))
    assert isinstance(answer, ReportSetAside)
    assert not desk.core.state.reports.kept_count


def test_waiting_reports_are_bounded(desk: RiskDesk) -> None:
    """What finds no room is dropped and counted; it was not answered, so it comes again."""
    booked = desk.filled(desk.signal("s", BUY, "1"), "1", "10")
    reports = ReportSequences()
    for number in range(2, HELD_MAX + 4):
        reports.hold(replace(booked, report=replace(booked.report, symbol_sequence=number)))
    assert (reports.waiting_count, reports.dropped_count) == (HELD_MAX, 2)


def test_remembered_executions_are_bounded() -> None:
    """The oldest is forgotten first."""
    reports = ReportSequences()
    fills = [
        Fill(f"f{number}", "o", "tm-o", "IBM", BUY, Decimal(1), Decimal(10), Decimal(number + 1), 0)
        for number in range(FILL_IDS_MAX + 1)
    ]
    for fill in fills:
        reports.remember_fill(fill)
    assert not reports.knows_fill(fills[0])
    assert reports.knows_fill(fills[1])


def test_a_fill_of_an_order_placed_elsewhere_is_booked(desk: RiskDesk) -> None:
    """Money moved, whoever asked for it."""
    desk.buy("IBM", "10", "100")
    assert desk.core.state.ledger.position("IBM").quantity == 10


def test_a_commission_finer_than_a_price_is_booked(desk: RiskDesk) -> None:
    """A third of a share at 0.0035 a share costs more decimals than a quantity has; the sums stay exact."""
    fill = desk.filled(desk.signal("s", BUY, "0.333333333"), "0.333333333", "100.000000001", "0.0011666666655")
    (answer,) = desk.apply(fill)
    assert isinstance(answer, ReportApplied)
    assert answer.cash == Decimal(1_000_000) + fill.cash_impact
    assert desk.core.state.equity_e18 == int(desk.core.state.ledger.equity(desk.core.state.marks()).scaleb(18))


def test_an_order_restated_to_what_it_has_filled_holds_nothing(desk: RiskDesk) -> None:
    """Nothing more may fill: what was reserved is free, and if it is restated once more it is reserved anew."""
    for quantity, held in (("60", 1), ("0", 0), ("5", 1)):
        (answer,) = desk.apply(desk.working("hand", BUY, quantity, "100"))
        assert isinstance(answer, ReportApplied)
        book = desk.core.state.book("IBM")
        assert (book.buying_e9, len(desk.core.state.reservations)) == (int(quantity) * 10**9, held)
    (answer,) = desk.apply(desk.working("hand", BUY, "-1", "100"))
    assert isinstance(answer, ReportSetAside)
