"""Time that passes only when somebody lets it, and does what was planned on the way: the heart of a simulation.

Two runs that plan the same do the same, to the nanosecond: what is due at one time is done in the order it was planned.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

START_NS = 1_704_292_200_000_000_000
"""A Wednesday of January 2024, half past nine in New York."""


class VirtualTime:
    """What is to be done, and when. `now_ns` never goes back; `wall_step_ns` is how far the wall clock is set off."""

    def __init__(self, start_ns: int = START_NS) -> None:
        self.now_ns = start_ns
        self.wall_step_ns = 0
        self._planned: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, when_ns: int, do: Callable[..., object], *arguments: Any) -> None:
        """Plans a call; one for the past is due at once."""
        self._count += 1
        heappush(self._planned, (max(when_ns, self.now_ns), self._count, do, arguments))

    def after(self, delay_ns: int, do: Callable[..., object], *arguments: Any) -> None:
        """Plans a call for later."""
        self.at(self.now_ns + delay_ns, do, *arguments)

    def run_until(self, until_ns: int, done: Callable[[], object] | None = None) -> None:
        """Does what is due up to `until_ns`, where time then stands; less, where `done` comes to be true before."""
        planned = self._planned
        while planned and planned[0][0] <= until_ns:
            if done is not None and done():
                return
            when_ns, _, do, arguments = heappop(planned)
            self.now_ns = max(self.now_ns, when_ns)
            do(*arguments)
        if done is None or not done():
            self.now_ns = max(self.now_ns, until_ns)


class VirtualClock:
    """`ports.Clock` in virtual time, on a machine whose wall clock is wrong by `skew_ns`."""

    def __init__(self, time: VirtualTime, skew_ns: int = 0) -> None:
        self._time = time
        self._skew_ns = skew_ns

    def now_ns(self) -> int:
        """The wall clock, however it was set."""
        return self._time.now_ns + self._time.wall_step_ns + self._skew_ns

    def monotonic_ns(self) -> int:
        """What no setting of the clock changes."""
        return self._time.now_ns
