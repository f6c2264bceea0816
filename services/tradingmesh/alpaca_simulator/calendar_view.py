"""The clock and the calendar, as Alpaca tells them."""

from datetime import date, timedelta
from typing import Any

from tradingmesh.alpaca_simulator.sessions import (
    AFTER_HOURS_END,
    FIRST_DAY,
    LAST_DAY,
    OPENS,
    PRE_MARKET,
    Phase,
    closing_session,
    closing_time,
    next_open,
    phase_at,
    session_days,
)
from tradingmesh.alpaca_simulator.times import rfc3339_new_york

_SETTLES_WITHIN = timedelta(days=21)
_SETTLEMENT = ((date(2024, 5, 28), 1), (date(2017, 9, 5), 2), (date(1995, 6, 7), 3), (date.min, 5))
"""From which trade date on a trade settles after how many business days (SEC rule 15c6-1 and its changes)."""


def clock_view(now_ns: int) -> dict[str, Any]:
    """The clock at a market time."""
    return {
        "timestamp": rfc3339_new_york(now_ns),
        "is_open": phase_at(now_ns)[0] is Phase.REGULAR,
        "next_open": rfc3339_new_york(next_open(now_ns).open_ns),
        "next_close": rfc3339_new_york(closing_session(now_ns).close_ns),
    }


def calendar_view(first: date, last: date, *, by_settlement: bool) -> list[dict[str, str]]:
    """The days from `first` to `last`, within 1970 to 2029, by trade date or by the day that its trades settle on."""
    first, last = max(first, FIRST_DAY), min(last, LAST_DAY)
    if first > last:
        return []
    earliest = max(first - _SETTLES_WITHIN, FIRST_DAY) if by_settlement else first
    days = list(session_days(earliest, last + _SETTLES_WITHIN))
    told = (_day(day, settles=days[number + _lag(day)]) for number, day in enumerate(days) if day <= last)
    key = "settlement_date" if by_settlement else "date"
    return [day for day in told if str(first) <= day[key] <= str(last)]


def _day(day: date, *, settles: date) -> dict[str, str]:
    return {
        "date": str(day),
        "open": f"{OPENS:%H:%M}",
        "close": f"{closing_time(day):%H:%M}",
        "session_open": f"{PRE_MARKET:%H%M}",
        "session_close": f"{AFTER_HOURS_END:%H%M}",
        "settlement_date": str(settles),
    }


def _lag(day: date) -> int:
    return next(days for since, days in _SETTLEMENT if day >= since)
