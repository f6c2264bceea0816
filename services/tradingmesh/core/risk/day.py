"""The trading day: from midnight to midnight in New York, in nanoseconds since 1970 UTC."""

from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_NS = 1_000_000_000


class Day(NamedTuple):
    """From `start_ns` up to, not including, `end_ns`."""

    start_ns: int
    end_ns: int


def day_of(time_ns: int) -> Day:
    """The New York day that `time_ns` lies in: 23 or 25 hours long where the clocks change."""
    date = datetime.fromtimestamp(time_ns // _NS, NEW_YORK).date()
    start = datetime.combine(date, time(), NEW_YORK)
    end = datetime.combine(date + timedelta(days=1), time(), NEW_YORK)
    return Day(int(start.timestamp()) * _NS, int(end.timestamp()) * _NS)
