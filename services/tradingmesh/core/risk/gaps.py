"""Lines of reports that wait for one that does not come: for how long, and what to ask the execution engine for."""

from collections.abc import Mapping
from typing import NamedTuple

from tradingmesh.core.place import Place
from tradingmesh.core.risk.reports import Line

ASK_AFTER_NS = 1_000_000_000
"""By then a report that is only late has been pushed again."""
ALARM_AFTER_NS = 5_000_000_000


class Gap(NamedTuple):
    """A line, the number that it waits for, and since when (monotonic)."""

    line: Line
    awaited: int
    since_ns: int

    @property
    def place(self) -> Place:
        """The report that is missing."""
        return Place(*self.line, self.awaited)


class GapWatch:
    """Knows since when each line waits for the same report."""

    def __init__(self) -> None:
        self._since: dict[tuple[Line, int], int] = {}

    def look(self, gaps: Mapping[Line, int], now_ns: int) -> list[Gap]:
        """Takes what the lines wait for now; returns those that wait for longer than `ASK_AFTER_NS`, longest first."""
        self._since = {item: self._since.get(item, now_ns) for item in gaps.items()}
        found = [Gap(line, awaited, since_ns) for (line, awaited), since_ns in self._since.items()]
        return sorted((gap for gap in found if now_ns - gap.since_ns >= ASK_AFTER_NS), key=lambda gap: gap.since_ns)
