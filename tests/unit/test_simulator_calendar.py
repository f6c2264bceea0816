"""Trading days and hours: the table against its source, the phases of a day, the clock and the calendar."""

import warnings
from datetime import UTC, date, datetime, timedelta

import pytest

from tradingmesh.alpaca_simulator.calendar_view import calendar_view, clock_view
from tradingmesh.alpaca_simulator.nyse_days import CLOSED, CLOSES_AT
from tradingmesh.alpaca_simulator.sessions import (
    FIRST_DAY,
    LAST_DAY,
    Phase,
    closing_session,
    current_or_next,
    is_session,
    next_open,
    phase_at,
    session,
)


def utc_ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def test_the_table_is_what_exchange_calendars_says() -> None:
    """Every closed weekday and every early close from 1970 to 2029, as XNYS has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas and exchange_calendars warn of each other's futures
        import exchange_calendars  # noqa: PLC0415 - it brings pandas, which no other unit test needs

        schedule = exchange_calendars.get_calendar("XNYS", start=str(FIRST_DAY), end=str(LAST_DAY)).schedule
        closes = schedule.close.dt.tz_convert("America/New_York")
    open_days = {day.date() for day in schedule.index}
    closed: dict[int, list[str]] = {year: [] for year in CLOSED}
    day = FIRST_DAY
    while day <= LAST_DAY:
        if day.weekday() < 5 and day not in open_days:
            closed[day.year].append(f"{day:%m%d}")
        day += timedelta(days=1)
    early: dict[int, list[str]] = {}
    for day, close in closes.items():
        if f"{close:%H%M}" != "1600":
            early.setdefault(day.year, []).append(f"{day:%m%d}@{close:%H%M}")
    assert {year: " ".join(days) for year, days in closed.items()} == CLOSED
    assert {year: " ".join(days) for year, days in early.items()} == CLOSES_AT


def test_a_day_passes_through_its_phases() -> None:
    """Closed, pre-market from 04:00, regular from 09:30, after-hours from 16:00, closed from 20:00 in New York."""
    times = ["08:59:59", "09:00:00", "14:29:59", "14:30:00", "20:59:59", "21:00:00"]
    phases = [phase_at(utc_ns(f"2024-03-04 {time}"))[0] for time in times]
    assert phases == [Phase.CLOSED, Phase.PRE, Phase.PRE, Phase.REGULAR, Phase.REGULAR, Phase.POST]
    assert phase_at(utc_ns("2024-03-05 01:00:00"))[0] is Phase.CLOSED


def test_each_phase_says_when_it_ends() -> None:
    """The end of a phase is the begin of another, and time never stands still."""
    now_ns = utc_ns("2024-03-07 12:00:00")
    seen = []
    for _ in range(9):
        phase, ends_ns = phase_at(now_ns)
        assert ends_ns > now_ns
        seen.append(phase)
        now_ns = ends_ns
    day = [Phase.PRE, Phase.REGULAR, Phase.POST, Phase.CLOSED]
    assert seen == [*day, *day, Phase.PRE]
    assert now_ns == utc_ns("2024-03-11 13:30:00")  # the weekend was skipped, and daylight saving time has begun


def test_an_early_close_ends_regular_hours() -> None:
    """The day after Thanksgiving closes at 13:00."""
    assert session(date(2013, 11, 29)).close_ns == utc_ns("2013-11-29 18:00:00")


def test_holidays_and_weekends_are_no_sessions() -> None:
    """Independence Day, a Saturday, and a plain Monday."""
    days = [date(2024, 7, 4), date(2024, 3, 2), date(2024, 3, 4)]
    assert [is_session(day) for day in days] == [False, False, True]


def test_a_day_order_after_the_close_belongs_to_the_next_session() -> None:
    """Alpaca queues it and expires it at the next close."""
    friday_evening_ns = utc_ns("2024-03-01 22:00:00")
    assert current_or_next(friday_evening_ns).day == date(2024, 3, 1)
    assert closing_session(friday_evening_ns).day == date(2024, 3, 4)
    assert next_open(friday_evening_ns).day == date(2024, 3, 4)


def test_the_clock_tells_new_york_time() -> None:
    """With offset and nanoseconds, and the next open after today's."""
    assert clock_view(utc_ns("2013-10-07 13:30:00") + 5) == {
        "timestamp": "2013-10-07T09:30:00.000000005-04:00",
        "is_open": True,
        "next_open": "2013-10-08T09:30:00-04:00",
        "next_close": "2013-10-07T16:00:00-04:00",
    }


def test_the_clock_after_hours() -> None:
    """Closed, and both next times are of the next session."""
    clock = clock_view(utc_ns("2024-07-03 18:00:00"))
    assert clock["is_open"] is False
    assert clock["next_open"] == "2024-07-05T09:30:00-04:00"
    assert clock["next_close"] == "2024-07-05T16:00:00-04:00"


def test_the_calendar_tells_hours_and_settlement() -> None:
    """An early close before a holiday, settled the business day after it."""
    days = calendar_view(date(2024, 7, 3), date(2024, 7, 5), by_settlement=False)
    assert days[0] == {
        "date": "2024-07-03",
        "open": "09:30",
        "close": "13:00",
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": "2024-07-05",
    }
    assert [day["date"] for day in days] == ["2024-07-03", "2024-07-05"]


@pytest.mark.parametrize(
    ("traded", "settled"),
    [
        ("1995-06-06", "1995-06-13"),
        ("2013-10-07", "2013-10-10"),
        ("2024-05-24", "2024-05-29"),
        ("2024-05-28", "2024-05-29"),
    ],
)
def test_settlement_became_faster(traded: str, settled: str) -> None:
    """Five business days, then three, two and one."""
    day = date.fromisoformat(traded)
    assert calendar_view(day, day, by_settlement=False)[0]["settlement_date"] == settled


def test_the_calendar_by_settlement_date() -> None:
    """Both trade dates that settle on one day."""
    day = date(2024, 5, 29)
    assert [each["date"] for each in calendar_view(day, day, by_settlement=True)] == ["2024-05-24", "2024-05-28"]


def test_the_calendar_ends_where_its_table_ends() -> None:
    """What lies outside 1970 to 2029 is left out."""
    days = calendar_view(date(1950, 1, 1), date(2100, 1, 1), by_settlement=False)
    assert (days[0]["date"], days[-1]["date"], len(days)) == ("1970-01-02", "2029-12-31", 15125)
    assert calendar_view(date(2024, 2, 2), date(2024, 1, 1), by_settlement=False) == []
