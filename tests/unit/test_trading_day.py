"""The trading day under clocks that are set, changes of the clocks, half days, and restarts: its limits stay right."""

from datetime import datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.alpaca_simulator.sessions import FIRST_DAY, LAST_DAY, closing_time, session, session_days
from tradingmesh.core.checks import Approved, Check, Refused
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.risk.day import HELD_NS, NEW_YORK, Day, DayWatch, day_of
from tradingmesh.core.risk.records import DayStarted, Marked
from tradingmesh.core.risk.status import status_of
from tradingmesh.core.signal import Side
from tradingmesh.testing.risk_desk import SECOND_NS, START_NS, RiskDesk, limits

HOUR_S = 3_600
FIVE_MINUTES_S = 300
BEFORE_MIDNIGHT_S = int(14.5 * HOUR_S) - 120
"""From the desk's start, 9:30 in New York, to two minutes before midnight."""


def _days(desk: RiskDesk) -> list[str]:
    """The dates of the days that began."""
    found = [record for record in desk.keep_records() if isinstance(record, DayStarted)]
    return [f"{datetime.fromtimestamp(day.start_ns // SECOND_NS, NEW_YORK):%m-%d}" for day in found]


def _live(desk: RiskDesk, seconds: int, step_s: int = 60) -> None:
    """Time goes by, looked at once a minute."""
    for _ in range(seconds // step_s):
        desk.wait(step_s)


@pytest.fixture
def desk() -> RiskDesk:
    """It has lost 3000 today, flat, and it is two minutes before midnight."""
    desk = RiskDesk(limits(max_quote_age_ms=10**9))
    desk.wait(0)
    desk.buy("IBM", "100", "100")
    desk.sell("IBM", "100", "70")
    _live(desk, BEFORE_MIDNIGHT_S)
    assert status_of(desk.core.state).day_profit == "-3000"
    return desk


def test_a_clock_set_back_over_midnight_begins_no_day_anew(desk: RiskDesk) -> None:
    """The new day began once; what it loses counts, however often the clock passes its midnight."""
    _live(desk, 180)
    desk.sell("IBM", "1", "100")
    desk.buy("IBM", "1", "1100")
    for _ in range(3):
        desk.set_clock(-FIVE_MINUTES_S)
        _live(desk, 2 * FIVE_MINUTES_S)
    assert _days(desk) == ["10-07", "10-08"]
    assert status_of(desk.core.state).day_profit == "-1000"


def test_a_clock_set_forward_over_midnight_and_back_forgives_no_loss(desk: RiskDesk) -> None:
    """The day begins at the midnight of the clock that holds."""
    desk.set_clock(FIVE_MINUTES_S)
    _live(desk, 60)
    assert status_of(desk.core.state).day_profit == "-3000"
    desk.set_clock(-FIVE_MINUTES_S)
    assert _days(desk) == ["10-07"]
    _live(desk, 2 * FIVE_MINUTES_S)
    assert _days(desk) == ["10-07", "10-08"]
    assert desk.core.clock_steps == 2


def test_a_clock_set_forward_for_good_begins_the_day_once_it_held(desk: RiskDesk) -> None:
    """Five minutes later, and not before: a check in between does not bring it about."""
    desk.set_clock(10 * HOUR_S)
    _live(desk, 240)
    desk.quote("IBM", "70", "70")
    desk.ask(desk.signal("s", Side.BUY, "1"))
    assert _days(desk) == ["10-07"]
    _live(desk, 120)
    assert _days(desk) == ["10-07", "10-08"]
    assert status_of(desk.core.state).day_profit == "0"


def test_a_clock_that_was_days_ahead_does_not_keep_the_next_days_from_beginning(desk: RiskDesk) -> None:
    """It began a day three days too early; put right, each midnight begins its own day again."""
    desk.set_clock(72 * HOUR_S)
    _live(desk, 2 * FIVE_MINUTES_S)
    desk.set_clock(-72 * HOUR_S)
    _live(desk, 72 * HOUR_S, step_s=600)
    assert _days(desk) == ["10-07", "10-11", "10-09", "10-10", "10-11"]


@given(st.lists(st.tuples(st.integers(-300, 300), st.integers(1, 900)), max_size=40))
def test_whatever_a_clock_does_each_day_begins_once(moves: list[tuple[int, int]]) -> None:
    """Set by up to five minutes either way, again and again, for as long as it likes: two days, each once, in order."""
    watch, day, began = DayWatch(), day_of(START_NS), [day_of(START_NS)]
    now_ns = monotonic_ns = day.end_ns - 600 * SECOND_NS
    true_ns = now_ns
    for set_s, hold_s in moves:
        now_ns = true_ns + set_s * SECOND_NS
        for _ in range(hold_s):
            if watch.begins(day, now_ns, monotonic_ns):
                assert abs(now_ns - true_ns) <= 300 * SECOND_NS
                day = day_of(now_ns)
                began.append(day)
            now_ns, true_ns, monotonic_ns = (t + SECOND_NS for t in (now_ns, true_ns, monotonic_ns))
    assert began == sorted(set(began))
    assert len(began) <= 2
    if true_ns > began[0].end_ns + 300 * SECOND_NS + HELD_NS and moves[-1][1] > HELD_NS // SECOND_NS:
        assert len(began) == 2


def test_every_session_lies_within_one_day() -> None:
    """Sixty years of NYSE, half days and changes of the clocks among them: no session shares its day with another."""
    sessions = [session(day) for day in session_days(FIRST_DAY, LAST_DAY)]
    days = [day_of(each.open_ns) for each in sessions]
    assert days == [day_of(each.close_ns) for each in sessions]
    assert days == [day_of(each.pre_ns) for each in sessions] == [day_of(each.post_end_ns) for each in sessions]
    assert len(set(days)) == len(days) > 15_000
    assert sum(closing_time(each.day) == time(13) for each in sessions) > 50


def test_a_half_day_ends_no_day() -> None:
    """2024-11-29 closed at 13:00: the morning's loss counts on, no order goes without quotes, and midnight ends it."""
    opened_ns = int(datetime(2024, 11, 29, 9, 30, tzinfo=NEW_YORK).timestamp()) * SECOND_NS
    desk = RiskDesk()
    desk.now_ns = opened_ns
    desk.wait(0)
    desk.buy("IBM", "100", "100")
    desk.sell("IBM", "100", "60")
    desk.quote("IBM", "60", "60")
    _live(desk, 4 * HOUR_S)
    assert status_of(desk.core.state).day_profit == "-4000"
    late = desk.ask(desk.signal("late", Side.BUY, "1"))
    assert isinstance(late, Refused)
    assert late.check is Check.QUOTE_AGE
    _live(desk, 11 * HOUR_S)
    assert status_of(desk.core.state).day_profit == "0"


@pytest.mark.parametrize("date", ["2024-03-10", "2024-11-03"])
def test_a_day_of_23_or_25_hours_is_one_day(date: str) -> None:
    """When the clocks change in New York, wall time in nanoseconds does not."""
    noon_ns = int(datetime.fromisoformat(f"{date}T12:00").replace(tzinfo=NEW_YORK).timestamp()) * SECOND_NS
    desk = RiskDesk()
    desk.now_ns = noon_ns - 24 * HOUR_S * SECOND_NS
    desk.wait(0)
    _live(desk, 48 * HOUR_S)
    assert len(_days(desk)) == 3


def test_an_approval_whose_order_never_came_lapses_though_the_clock_is_set_back() -> None:
    """After half a minute at the latest: its room is not kept for as long as the clock was set back."""
    desk = RiskDesk()
    desk.quote("IBM", "100", "100")
    assert isinstance(desk.ask(desk.signal("lost", Side.BUY, "1")), Approved)
    confirmed = desk.signal("works", Side.BUY, "1")
    desk.ask(confirmed)
    desk.confirm(confirmed)
    desk.wait(0)
    desk.set_clock(-FIVE_MINUTES_S)
    _live(desk, 30, step_s=1)
    assert len(desk.core.state.reservations) == 2
    desk.wait(1)
    assert [found.reservation_id for found in desk.core.state.reservations] == ["r-works"]


class TestMarksAfterARestart:
    """What a position was worth is known again before any price comes."""

    def _moved(self, price: str) -> RiskDesk:
        """Bought at 100; the market went to `price`, and the marks were kept."""
        desk = RiskDesk(limits(max_quote_age_ms=10**9))
        desk.wait(0)
        desk.quote("IBM", "100", "100")
        desk.buy("IBM", "100", "100")
        desk.quote("IBM", price, price)
        desk.wait(5)
        return desk

    def test_a_gain_that_makes_up_for_a_loss_is_not_forgotten(self) -> None:
        """At the price of the last fill the day would look lost, and trip the breaker for nothing."""
        desk = self._moved("160")
        desk.sell("BAC", "100", "100")
        desk.buy("BAC", "100", "200")
        assert status_of(desk.core.state).day_profit == "-4000"
        desk.core = desk.restarted()
        desk.wait(0.1)
        assert status_of(desk.core.state).day_profit == "-4000"
        assert desk.core.state.breaker.state is BreakerState.CLOSED

    def test_a_loss_is_not_hidden(self) -> None:
        """At the price of the last fill there would be none."""
        desk = self._moved("55")
        desk.core = desk.restarted()
        desk.wait(0.1)
        assert status_of(desk.core.state).day_profit == "-4500"

    def test_a_day_that_begins_after_a_night_off_begins_where_the_last_one_was(self) -> None:
        """Yesterday's loss is yesterday's: the first quote of today does not trip the breaker."""
        desk = self._moved("55")
        desk.core = desk.restarted()
        desk.now_ns += 24 * HOUR_S * SECOND_NS
        desk.wait(0.1)
        desk.quote("IBM", "54", "54")
        desk.wait(0.1)
        assert status_of(desk.core.state).day_profit == "-100"
        assert isinstance(desk.ask(desk.signal("s", Side.BUY, "1")), Approved)

    def test_marks_are_kept_every_five_seconds_where_they_moved(self) -> None:
        """A market that stands still leaves no records."""
        desk = self._moved("101")
        for second in range(1, 31):
            desk.quote("IBM", "101", str(101 + (second > 15)))
            desk.wait(1)
        marks = [record.marks_e9 for record in desk.keep_records() if isinstance(record, Marked)]
        assert marks == [{"IBM": 101 * 10**9}, {"IBM": 1015 * 10**8}]
        assert desk.core.state.ledger.position("IBM").cost == Decimal(10_000)


def test_day_is_told_by_its_ends() -> None:
    """The watch takes any pair of ends."""
    day = day_of(START_NS)
    assert DayWatch().begins(Day(0, day.start_ns), START_NS, 0)
    assert not DayWatch().begins(day, START_NS, 0)
