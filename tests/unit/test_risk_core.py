"""The risk core over time: reservations, confirmations, reports in their order, days, breaker, restart."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradingmesh.contract import CircuitBreakerSpec, TradingState
from tradingmesh.core.checks import Approved, Check, Refused
from tradingmesh.core.fills import Fill, ReportApplied
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.risk.day import day_of
from tradingmesh.core.risk.records import ReportBooked, Reserved
from tradingmesh.core.risk.status import status_of
from tradingmesh.core.signal import Side
from tradingmesh.testing.risk_desk import SECOND_NS, START_NS, RiskDesk, limits

BUY, SELL = Side.BUY, Side.SELL
replace = msgspec.structs.replace


@pytest.fixture
def desk() -> RiskDesk:
    desk = RiskDesk()
    desk.quote("IBM", "99.99", "100.01")
    return desk


def _check(decision: object) -> Check:
    assert isinstance(decision, Refused), decision
    return decision.check


class TestReservations:
    """From approval to the end of the order."""

    def test_a_repeated_question_gets_the_same_answer_and_reserves_once(self, desk: RiskDesk) -> None:
        """The answer was lost, and the signal generator asks again."""
        signal = desk.signal("s", BUY, "10")
        first, second = desk.ask(signal), desk.ask(signal)
        assert isinstance(first, Approved)
        assert isinstance(second, Approved)
        assert (first.reservation_id, first.expires_ns) == (second.reservation_id, second.expires_ns)
        assert len(desk.core.state.reservations) == 1

    def test_a_repeated_question_is_refused_once_trading_is_halted(self, desk: RiskDesk) -> None:
        """Alike, but not against the kill switch."""
        signal = desk.signal("s", BUY, "10")
        desk.ask(signal)
        desk.core.set_switch(TradingState.HALTED)
        assert _check(desk.ask(signal)) is Check.TRADING_STATE

    @pytest.mark.parametrize("changed", [{"quantity": Decimal(11)}, {"side": SELL}, {"symbol": "BAC"}])
    def test_a_signal_id_used_for_something_else_is_a_duplicate(self, desk: RiskDesk, changed: dict[str, Any]) -> None:
        """One signal, one reservation."""
        signal = desk.signal("s", BUY, "10")
        desk.ask(signal)
        assert _check(desk.ask(replace(signal, **changed))) is Check.DUPLICATE
        assert len(desk.core.state.reservations) == 1

    def test_a_signal_is_not_approved_again_when_its_order_has_ended(self, desk: RiskDesk) -> None:
        """It would trade twice."""
        signal = desk.signal("s", BUY, "10")
        desk.ask(signal)
        desk.confirm(signal)
        assert _check(desk.ask(signal)) is Check.DUPLICATE
        desk.apply(desk.closed(signal))
        assert _check(desk.ask(signal)) is Check.DUPLICATE

    def test_a_confirmation_repeated_is_answered_alike(self, desk: RiskDesk) -> None:
        """By the same request; it confirms once."""
        signal = desk.signal("s", BUY, "10")
        desk.ask(signal)
        assert desk.confirm(signal) == desk.confirm(signal)
        assert sum(type(record).__name__ == "Confirmed" for record in desk.keep_records()) == 1

    def test_a_second_request_cannot_confirm(self, desk: RiskDesk) -> None:
        """Two engines hold the same signal: one order goes."""
        signal = desk.signal("s", BUY, "10")
        desk.ask(signal)
        assert isinstance(desk.confirm(signal, by="engine-1"), Approved)
        decision = desk.confirm(signal, by="engine-2")
        assert isinstance(decision, Refused)
        assert decision.reason == "reservation: reservation r-s was confirmed by request engine-1 before"

    @pytest.mark.parametrize("changed", [{"quantity": Decimal(11)}, {"limit_price": Decimal(100)}, {"strategy": "x"}])
    def test_a_confirmation_must_match_its_signal(self, desk: RiskDesk, changed: dict[str, Any]) -> None:
        """Exactly: another quantity is another order."""
        signal = desk.signal("s", BUY, "10")
        desk.ask(signal)
        assert _check(desk.confirm(replace(signal, **changed))) is Check.RESERVATION
        assert isinstance(desk.confirm(signal), Approved)

    def test_an_order_without_a_reservation_is_refused(self, desk: RiskDesk) -> None:
        """No approval, no order."""
        assert _check(desk.confirm(desk.signal("s", BUY, "10"))) is Check.RESERVATION

    def test_an_unconfirmed_reservation_expires(self, desk: RiskDesk) -> None:
        """It frees its room, and its order is refused."""
        signal = desk.signal("s", BUY, "1000")
        desk.ask(signal)
        desk.wait(10)
        desk.quote("IBM", "99.99", "100.01")
        assert _check(desk.confirm(signal)) is Check.RESERVATION
        assert desk.core.state.book("IBM").buying_e9 == 0

    def test_a_confirmed_reservation_stays_until_its_order_ends(self, desk: RiskDesk) -> None:
        """However long it works."""
        signal = desk.signal("s", BUY, "1000")
        desk.ask(signal)
        desk.confirm(signal)
        desk.wait(3_600)
        assert desk.core.state.book("IBM").buying_e9 == 1_000 * 10**9
        desk.apply(desk.closed(signal))
        assert (desk.core.state.book("IBM").buying_e9, len(desk.core.state.reservations)) == (0, 0)

    def test_fills_turn_reservation_into_position(self, desk: RiskDesk) -> None:
        """Partly, then in full; the exposure stays the same throughout."""
        signal = desk.signal("s", BUY, "100")
        desk.ask(signal)
        desk.confirm(signal)
        book = desk.core.state.book("IBM")
        seen = [(book.quantity_e9, book.buying_e9)]
        for quantity in ("40", "60"):
            desk.apply(desk.filled(signal, quantity, "100"))
            seen.append((book.quantity_e9, book.buying_e9))
        assert [(held // 10**9, working // 10**9) for held, working in seen] == [(0, 100), (40, 60), (100, 0)]
        assert len(desk.core.state.reservations) == 0

    def test_a_fill_confirms(self, desk: RiskDesk) -> None:
        """The confirmation was lost in a crash, but what fills was submitted: it must not expire."""
        signal = desk.signal("s", BUY, "100")
        desk.ask(signal)
        desk.apply(desk.filled(signal, "40", "100"))
        desk.wait(60)
        assert desk.core.state.book("IBM").buying_e9 == 60 * 10**9

    def test_an_overfill_is_booked_and_frees_no_more_than_was_reserved(self, desk: RiskDesk) -> None:
        """The broker's word on fills is final."""
        signal = desk.signal("s", BUY, "100")
        desk.ask(signal)
        desk.apply(desk.filled(signal, "130", "100"))
        book = desk.core.state.book("IBM")
        assert (book.quantity_e9, book.buying_e9) == (130 * 10**9, 0)

    def test_a_fill_that_names_anothers_reservation_leaves_it_alone(self, desk: RiskDesk) -> None:
        """It is booked, as of an order placed elsewhere."""
        signal = desk.signal("s", BUY, "100")
        desk.ask(signal)
        desk.apply(desk.filled(replace(signal, side=SELL), "100", "100"))
        book = desk.core.state.book("IBM")
        assert (book.quantity_e9, book.buying_e9) == (-100 * 10**9, 100 * 10**9)

    @pytest.mark.parametrize(
        ("change", "check"),
        [
            (lambda desk: desk.core.set_switch(TradingState.HALTED), Check.TRADING_STATE),
            (lambda desk: desk.quote("IBM", "104", "106"), None),
            (lambda desk: desk.quote("IBM", "0", "106"), Check.QUOTE_AGE),
            (lambda desk: desk.quote("IBM", "95", "106"), Check.PRICE_COLLAR),
            (lambda desk: desk.wait(6), Check.QUOTE_AGE),
        ],
    )
    def test_what_changed_since_the_signal_is_checked_again(
        self, desk: RiskDesk, change: Any, check: Check | None
    ) -> None:
        """Right before submission: trading state, quote and collar."""
        signal = desk.signal("s", BUY, "10")
        desk.ask(signal)
        change(desk)
        decision = desk.confirm(signal)
        assert isinstance(decision, Approved) if check is None else _check(decision) is check

    def test_an_order_reserved_before_still_reduces(self, desk: RiskDesk) -> None:
        """Its own reservation is not counted against it a second time."""
        desk.buy("IBM", "100", "100")
        signal = desk.signal("s", SELL, "100")
        desk.ask(signal)
        desk.core.set_switch(TradingState.REDUCING)
        assert isinstance(desk.confirm(signal), Approved)

    def test_an_id_is_not_used_again_while_its_order_works(self, desk: RiskDesk) -> None:
        """Also when the first signal of that id is long past its time, and forgotten."""
        signal = desk.signal("s", BUY, "10")
        desk.ask(signal)
        desk.confirm(signal)
        desk.wait(60)
        desk.quote("IBM", "99.99", "100.01")
        desk.ask(desk.signal("t", BUY, "1"))
        assert not desk.core.state.reservations.was_approved("s")
        assert _check(desk.ask(desk.signal("s", BUY, "10"))) is Check.DUPLICATE

    def test_a_symbol_restricted_since_is_refused(self, desk: RiskDesk) -> None:
        """New limits hold for what was reserved under the old."""
        signal = desk.signal("s", BUY, "10")
        desk.ask(signal)
        desk.core.set_limits(limits(restricted_symbols=["IBM"]), CircuitBreakerSpec(), TradingState.ACTIVE)
        assert _check(desk.confirm(signal)) is Check.RESTRICTED_SYMBOL


class TestDayAndBreaker:
    """The day's profit and loss, and what it sets off."""

    def test_a_new_york_day(self) -> None:
        """From midnight to midnight there; 25 hours long when winter time begins."""
        day = day_of(START_NS)
        assert (START_NS - day.start_ns, day.end_ns - day.start_ns) == (9.5 * 3_600 * SECOND_NS, 86_400 * SECOND_NS)
        november = day_of(1_383_451_200 * SECOND_NS)  # 2013-11-03
        assert november.end_ns - november.start_ns == 25 * 3_600 * SECOND_NS
        assert day_of(day.end_ns).start_ns == day.end_ns
        assert day_of(day.end_ns - 1) == day

    @pytest.mark.parametrize("market_clock", ["wall", "tape"])
    def test_the_days_profit_counts_from_its_start(self, market_clock: Any) -> None:
        """Yesterday's gain is not today's; what a held position gains today is."""
        desk = RiskDesk(market_clock=market_clock)
        desk.quote("IBM", "100", "100")
        desk.buy("IBM", "100", "100")
        desk.quote("IBM", "110", "110")
        assert status_of(desk.core.state).day_profit == "1000"
        desk.wait(86_400)
        desk.quote("IBM", "109", "109")
        status = status_of(desk.core.state)
        assert (status.day_profit, status.unrealised, status.equity) == ("-100", "900", "1000900")

    def test_a_restart_does_not_begin_the_day_anew(self) -> None:
        """On a tape the first tick afterwards is of the same day: the loss so far still counts."""
        desk = RiskDesk(market_clock="tape")
        desk.quote("IBM", "100", "100")
        desk.buy("IBM", "100", "100")
        desk.sell("IBM", "100", "90")
        desk.core = desk.restarted()
        desk.quote("IBM", "90", "90")
        assert status_of(desk.core.state).day_profit == "-1000"

    def test_the_status_tells_everything(self, desk: RiskDesk) -> None:
        """Positions at their marks, exact, and what works."""
        desk.buy("IBM", "10", "100")
        desk.sell("IBM", "4", "100.5")
        desk.ask(desk.signal("s", SELL, "2"))
        status = status_of(desk.core.state)
        (position,) = status.positions
        assert (position.quantity, position.cost, position.mark) == ("6", "600", "100")
        assert (position.realised, position.unrealised, position.working_sells) == ("2", "0", "2")
        assert (status.cash, status.equity, status.gross_notional) == ("999402", "1000002", "600")
        assert (status.working_reservations, status.confirmed_reservations) == (1, 0)

    def _losing(self, **changed: Any) -> RiskDesk:
        desk = RiskDesk(limits(max_quote_age_ms=10**9, **changed))
        desk.quote("IBM", "100", "100")
        desk.buy("IBM", "100", "100")
        return desk

    def test_a_loss_at_its_limit_passes_and_past_it_trips(self) -> None:
        """5000 is not past 5000; a ten-thousandth of a dollar a share more is."""
        desk = self._losing()
        desk.quote("IBM", "50", "50")
        assert isinstance(desk.ask(desk.signal("at", BUY, "1")), Approved)
        desk.quote("IBM", "49.9999", "49.9999")
        decision = desk.ask(desk.signal("over", BUY, "1"))
        assert isinstance(decision, Refused)
        assert decision.reason == "circuit-breaker: breaker open: the day's loss is 5000.01, limit is 5000"

    def test_a_tripped_breaker_refuses_what_was_reserved(self) -> None:
        """The execution engine asks again for this."""
        desk = self._losing()
        signal = desk.signal("s", BUY, "1")
        desk.ask(signal)
        desk.quote("IBM", "40", "40")
        assert _check(desk.confirm(signal)) is Check.CIRCUIT_BREAKER

    def test_half_open_passes_what_reduces(self) -> None:
        """So that one can get out while the loss lasts."""
        desk = self._losing()
        desk.quote("IBM", "40", "40")
        desk.wait(0)
        desk.wait(300)
        assert desk.core.state.breaker.state is BreakerState.HALF_OPEN
        assert _check(desk.ask(desk.signal("in", BUY, "1"))) is Check.CIRCUIT_BREAKER
        assert isinstance(desk.ask(desk.signal("out", SELL, "100")), Approved)

    def test_daily_loss_refuses_without_the_breaker(self) -> None:
        """A breaker reset for another reason does not open the way for a loss past its limit."""
        desk = self._losing()
        desk.quote("IBM", "40", "40")
        desk.core.state.breaker.observe = lambda *_: None  # type: ignore[method-assign]
        assert _check(desk.ask(desk.signal("in", BUY, "1"))) is Check.DAILY_LOSS
        assert isinstance(desk.ask(desk.signal("out", SELL, "100")), Approved)

    def test_a_new_day_lets_the_breaker_close(self) -> None:
        """The loss was yesterday's."""
        desk = self._losing()
        desk.quote("IBM", "40", "40")
        desk.wait(0)
        for _ in range(2):
            desk.wait(86_400)
        desk.wait(30)
        assert desk.core.state.breaker.state is BreakerState.CLOSED


class TestMarketData:
    """What a share is worth."""

    def test_marks(self, desk: RiskDesk) -> None:
        """The mid; where there is none the last trade; where there is none the last fill."""
        book = desk.core.state.book("F")
        desk.buy("F", "1", "12.5")
        marks = [book.mark]
        desk.trade("F", "13")
        marks.append(book.mark)
        desk.quote("F", "13.0001", "13.0002")
        marks.append(book.mark)
        desk.trade("F", "99")
        marks.append(book.mark)
        desk.quote("F", "0", "13")
        marks.append(book.mark)
        assert marks == [Decimal("12.5"), Decimal(13), Decimal("13.00015"), Decimal("13.00015"), Decimal(99)]


class TestRestart:
    """The records give the state again."""

    def test_a_restart_forgets_nothing(self, desk: RiskDesk) -> None:
        """Positions, cash, reservations, switch, and which reports and signals were taken."""
        signal, working = desk.signal("s", BUY, "100"), desk.signal("w", SELL, "7")
        desk.ask(signal)
        desk.confirm(signal)
        booked = desk.filled(signal, "100", "100", "0.35")
        desk.apply(booked)
        desk.ask(working)
        desk.core.set_switch(TradingState.REDUCING)
        before = status_of(desk.core.state)
        desk.core = desk.restarted()
        assert status_of(desk.core.state) == before
        (again,) = desk.apply(booked)
        assert isinstance(again, ReportApplied)
        assert again.duplicate
        desk.quote("IBM", "99.99", "100.01")
        assert isinstance(desk.confirm(working), Approved)
        assert _check(desk.ask(desk.signal("t", BUY, "1"))) is Check.TRADING_STATE
        desk.core.set_switch(TradingState.ACTIVE)
        assert _check(desk.ask(signal)) is Check.DUPLICATE

    def test_a_lost_approval_is_refused_never_wrong(self, desk: RiskDesk) -> None:
        """The process died after the reply and before the record was written."""
        signal = desk.signal("s", BUY, "100")
        assert isinstance(desk.ask(signal), Approved)
        lost = [record for record in desk.keep_records() if isinstance(record, Reserved)]
        desk.records = [record for record in desk.records if record not in lost]
        desk.core = desk.restarted()
        desk.quote("IBM", "99.99", "100.01")
        assert _check(desk.confirm(signal)) is Check.RESERVATION

    def test_a_refusal_leaves_no_record(self, desk: RiskDesk) -> None:
        """Nor does a tick, nor a report that waits or came before."""
        booked = desk.filled(desk.signal("s", BUY, "1"), "1", "10")
        desk.apply(booked)
        desk.keep_records()
        desk.quote("IBM", "1", "2")
        desk.ask(desk.signal("huge", BUY, "100000"))
        desk.apply(booked)
        desk.apply(replace(booked, report=replace(booked.report, symbol_sequence=9)))
        assert desk.core.take_records() == []

    def test_a_record_is_made_for_each_report_once(self, desk: RiskDesk) -> None:
        """In the order they were applied, not in the order they came."""
        first, second = (desk.filled(desk.signal("s", BUY, "1"), "1", price) for price in ("10", "20"))
        desk.apply(second)
        desk.apply(first)
        booked = [record.booked for record in desk.keep_records() if isinstance(record, ReportBooked)]
        assert booked == [first, second]
        assert all(isinstance(each.report.body, Fill) for each in booked)
