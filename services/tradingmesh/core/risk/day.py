"""The trading day: from midnight to midnight in New York, in nanoseconds since 1970 UTC.

Nothing here depends on the exchange's session: a half day's early close, a holiday or a change of the clocks moves no
midnight. What is held over the close counts for the day on which its price moves.
"""

from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
STEP_NS = 1_000_000_000
"""A wall clock that gains or loses more than this between two looks was set."""
HELD_NS = 300_000_000_000
"""How long a clock that was set must hold before it may begin a day."""
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


class DayWatch:
    """When the next day begins, by a wall clock that may be set while a monotonic one goes on.

    A day begins once: a clock set back over midnight does not begin it anew. A clock that was set may begin a day only
    after it held for `HELD_NS`, so that one set forward by mistake and put right again has begun none.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._offset_ns: int | None = None
        self._set_ns: int | None = None
        self._midnight_ns = 0

    def begins(self, day: Day, now_ns: int, monotonic_ns: int) -> bool:
        """Whether the day after `day` has begun. To be asked often: what passes between two looks is not seen."""
        self._look(now_ns, monotonic_ns)
        if now_ns < day.start_ns and not self._midnight_ns:
            self._midnight_ns = day_of(now_ns).end_ns  # `day` began by a clock that was ahead
        passed = 0 < self._midnight_ns <= now_ns and self._midnight_ns != day.start_ns
        if now_ns >= day.start_ns:
            self._midnight_ns = 0
        due = now_ns >= day.end_ns or passed
        return due and (self._set_ns is None or monotonic_ns - self._set_ns >= HELD_NS)

    def _look(self, now_ns: int, monotonic_ns: int) -> None:
        offset_ns = now_ns - monotonic_ns
        if self._offset_ns is not None and abs(offset_ns - self._offset_ns) > STEP_NS:
            self.steps += 1
            self._set_ns = monotonic_ns
        self._offset_ns = offset_ns
