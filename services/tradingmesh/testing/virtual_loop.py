"""A service's loop in virtual time: what `runtime.loop.Loop` promises, without threads, files or waits."""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush, heapreplace
from itertools import count

from tradingmesh.testing.virtual_sockets import VirtualSocket
from tradingmesh.testing.virtual_time import VirtualTime

Handler = Callable[[], object]
_NS = 1_000_000_000


class Killed(BaseException):
    """The process ended in the middle of what it did; nothing in it may catch this."""


class VirtualLoop:
    """The loop of one process. `guard(turn)` is called for each turn, so that whoever runs the process sees its end.

    A turn takes no time, unless it is told to `block`. It comes `latency()` ns after there is something to do, never
    twice at once. Timers are no finer than `least_s`: a simulation need not look fifty times a second for what is late.
    """

    def __init__(
        self,
        time: VirtualTime,
        latency: Callable[[], int],
        guard: Callable[[Callable[[], None]], object],
        least_s: float,
    ) -> None:
        self._time = time
        self._latency = latency
        self._guard = guard
        self.least_s = least_s
        self._sources: list[tuple[VirtualSocket, Handler]] = []
        self._timers: list[tuple[int, int, int, Handler]] = []
        self._numbers = count()
        self._after_turn: list[Handler] = []
        self._calls: deque[Handler] = deque()
        self._planned_ns = 0
        self._nested = False
        self._stalled_until_ns = 0
        self.dead = False

    @property
    def last_turn_s(self) -> float:
        """Every turn is over at once."""
        return self._time.now_ns / _NS

    def still_alive(self) -> None:
        """Needs no saying: a turn takes no time."""

    def on_readable(self, source: VirtualSocket, handler: Handler) -> None:
        """Calls `handler` whenever `source` has something to read."""
        source.on_arrival = self.wake
        self._sources.append((source, handler))

    def every(self, interval_s: float, handler: Handler) -> None:
        """Calls `handler` every so often."""
        self._time_for(interval_s, handler, again=True)

    def after(self, delay_s: float, handler: Handler) -> None:
        """Calls `handler` once."""
        self._time_for(delay_s, handler, again=False)

    def after_turn(self, handler: Handler) -> None:
        """Calls `handler` at the end of every turn."""
        self._after_turn.append(handler)

    def call_soon_threadsafe(self, handler: Handler) -> None:
        """Calls `handler` in the next turn."""
        self._calls.append(handler)
        self.wake()

    @property
    def busy(self) -> bool:
        """Whether it is in the middle of a turn, which waits."""
        return self._nested

    def stop(self) -> None:
        """No turn comes any more."""
        self.dead = True

    def wake(self) -> None:
        """There is something to do."""
        self._plan(self._time.now_ns + self._latency())

    def stall(self, for_ns: int) -> None:
        """Nothing is done for so long, whatever comes."""
        self._stalled_until_ns = self._time.now_ns + for_ns

    def go_on(self) -> None:
        """A stall is over."""
        self._stalled_until_ns = 0
        self.wake()

    def turn(self, wait_ms: int = 200) -> None:
        """Waits for something to do, for at most `wait_ms` in which the rest of the world goes on, and does it."""
        if wait_ms and not self._has_work():
            until_ns = self._time.now_ns + wait_ms * 1_000_000
            self._let_others(min([until_ns, *(due_ns for due_ns, *_ in self._timers[:1])]), self._disturbed)
        self._turn()

    def block(self, for_ns: int) -> None:
        """A turn takes time after all, as where it waits for a disk: the rest of the world goes on meanwhile."""
        self._let_others(self._time.now_ns + for_ns, lambda: self.dead)

    def _let_others(self, until_ns: int, done: Callable[[], object]) -> None:
        nested, self._nested = self._nested, True
        self._time.run_until(until_ns, done)
        self._nested = nested
        if self.dead:
            raise Killed

    def _time_for(self, interval_s: float, handler: Handler, *, again: bool) -> None:
        interval_ns = int(max(interval_s, self.least_s) * _NS)
        entry = (self._time.now_ns + interval_ns, next(self._numbers), interval_ns if again else 0, handler)
        heappush(self._timers, entry)
        self._plan(entry[0])

    def _plan(self, when_ns: int) -> None:
        when_ns = max(when_ns, self._stalled_until_ns)
        if self._planned_ns <= self._time.now_ns or when_ns < self._planned_ns:
            self._planned_ns = when_ns
            self._time.at(when_ns, self._planned_turn, when_ns)

    def _planned_turn(self, when_ns: int) -> None:
        if self.dead or self._nested or when_ns != self._planned_ns:
            return
        if self._stalled_until_ns > when_ns:
            self._plan(self._stalled_until_ns)
            return
        self._guard(self._turn)
        if not self.dead:
            self._plan_next()

    def _plan_next(self) -> None:
        self._planned_ns = 0
        if self._has_work():
            self.wake()
        elif self._timers:
            self._plan(self._timers[0][0])

    def _has_work(self) -> bool:
        return bool(self._calls) or any(source.readable for source, _ in self._sources)

    def _disturbed(self) -> bool:
        return self.dead or (self._has_work() and self._stalled_until_ns <= self._time.now_ns)

    def _turn(self) -> None:
        for _ in range(len(self._calls)):
            self._calls.popleft()()
        for source, handler in self._sources:
            if source.readable:
                handler()
        now_ns = self._time.now_ns
        timers = self._timers
        while timers and timers[0][0] <= now_ns:
            _, _, interval_ns, handler = timers[0]
            if interval_ns:
                due_ns = now_ns + max(interval_ns, int(self.least_s * _NS))
                heapreplace(timers, (due_ns, next(self._numbers), interval_ns, handler))
            else:
                heappop(timers)
            handler()
        for handler in self._after_turn:
            handler()
