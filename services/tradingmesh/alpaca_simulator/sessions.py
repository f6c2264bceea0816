"""When the exchange is open: the trading sessions of the New York Stock Exchange, in nanoseconds of market time.

Hours are Alpaca's: regular 09:30 to 16:00 (or an early close), extended from 04:00 to 20:00 in New York.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tradingmesh.alpaca_simulator.nyse_days import CLOSED, CLOSES_AT

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2029, 12, 31)
PRE_MARKET = time(4)
OPENS = time(9, 30)
_CLOSES = time(16)
AFTER_HOURS_END = time(20)
_DAY = timedelta(days=1)
_SECOND_NS = 10**9


class Phase(StrEnum):
    """What part of the day it is."""

    CLOSED = "closed"
    PRE = "pre"
    REGULAR = "regular"
    POST = "post"


class Session(NamedTuple):
    """One trading day: where its pre-market, regular hours and after-hours begin and end."""

    day: date
    pre_ns: int
    open_ns: int
    close_ns: int
    post_end_ns: int


def is_session(day: date) -> bool:
    """Whether the exchange opens that day; outside 1970 to 2029 every weekday counts as open."""
    return day.weekday() < 5 and f"{day:%m%d}" not in CLOSED.get(day.year, "")


def closing_time(day: date) -> time:
    """When regular hours end on a day on which the exchange opens."""
    for early in CLOSES_AT.get(day.year, "").split():
        if early.startswith(f"{day:%m%d}"):
            return time(int(early[5:7]), int(early[7:]))
    return _CLOSES


@lru_cache(maxsize=16)
def session(day: date) -> Session:
    """The hours of a day on which the exchange opens."""
    hours = (PRE_MARKET, OPENS, closing_time(day), AFTER_HOURS_END)
    return Session(day, *(_at(day, hour) for hour in hours))


def session_days(first: date, last: date) -> Iterator[date]:
    """The days on which the exchange opens, both ends included."""
    day = first
    while day <= last:
        if is_session(day):
            yield day
        day += _DAY


def current_or_next(now_ns: int) -> Session:
    """The session that is not over yet, after-hours included: today's or the next one."""
    day = datetime.fromtimestamp(now_ns // _SECOND_NS, NEW_YORK).date()
    while not is_session(day) or session(day).post_end_ns <= now_ns:
        day += _DAY
    return session(day)


def next_open(now_ns: int) -> Session:
    """The next session to open its regular hours after now."""
    candidate = current_or_next(now_ns)
    return candidate if candidate.open_ns > now_ns else current_or_next(candidate.post_end_ns)


def phase_at(now_ns: int) -> tuple[Phase, int]:
    """The phase, and when it ends."""
    today = current_or_next(now_ns)
    if now_ns < today.pre_ns:
        return Phase.CLOSED, today.pre_ns
    if now_ns < today.open_ns:
        return Phase.PRE, today.open_ns
    if now_ns < today.close_ns:
        return Phase.REGULAR, today.close_ns
    return Phase.POST, today.post_end_ns


def closing_session(now_ns: int) -> Session:
    """The session at whose close a day order placed now expires: the next one, once regular hours are over."""
    today = current_or_next(now_ns)
    return today if now_ns < today.close_ns else current_or_next(today.post_end_ns)


def _at(day: date, hour: time) -> int:
    return int(datetime.combine(day, hour, NEW_YORK).timestamp()) * _SECOND_NS
