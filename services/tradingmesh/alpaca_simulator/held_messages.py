"""Messages on their way out of a stream, some held back: in their order, but for those that are overtaken."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

from tradingmesh.alpaca_simulator.faults import Fate, Faults
from tradingmesh.contract import FaultPlace
from tradingmesh.telemetry.metrics import Counter

T = TypeVar("T")

HELD_MAX = 10_000
"""Messages held back at most; with one more the one due first goes out at once, counted."""


class Line(Generic[T]):
    """The messages held back, each with the time at which it is due. Without clock and timer."""

    def __init__(self, at_most: int = HELD_MAX, hurried: Counter | None = None) -> None:
        self._hurried = hurried or Counter()
        self._at_most = at_most
        self._held: list[tuple[float, int, T]] = []
        self._numbers = count()
        self._in_order_s = 0.0

    def push(self, message: T, fate: Fate, now_s: float) -> None:
        """Takes a message, as many copies as it has. One that is not overtaken leaves after all before it like it."""
        due_s = now_s + fate.hold_s
        if not fate.overtaken:
            due_s = self._in_order_s = max(self._in_order_s, due_s)
        for _ in range(fate.copies):
            heapq.heappush(self._held, (due_s, next(self._numbers), message))

    def due(self, now_s: float) -> list[T]:
        """Gives up what is due, and what is too much to hold, in the order in which it leaves."""
        leaving: list[T] = []
        while self._held and (self._held[0][0] <= now_s or len(self._held) > self._at_most):
            self._hurried.inc(self._held[0][0] > now_s)
            leaving.append(heapq.heappop(self._held)[2])
        return leaving

    @property
    def next_s(self) -> float | None:
        """When the next is due; None where nothing is held."""
        return self._held[0][0] if self._held else None


class WayOut(Generic[T]):
    """Delivers each message of a stream as the faults have it. Without faults it delivers at once."""

    def __init__(self, place: FaultPlace, faults: Faults, deliver: Callable[[T], None]) -> None:
        self._place = place
        self._faults = faults
        self._deliver = deliver
        self._line: Line[T] = Line(hurried=faults.hurried)
        self._timer: asyncio.TimerHandle | None = None

    def send(self, message: T) -> None:
        """Takes the next message. Never waits."""
        if self._line.next_s is None and not self._faults.any_on(self._place):
            self._deliver(message)
            return
        self._line.push(message, self._faults.fate(self._place), asyncio.get_running_loop().time())
        self._flush()

    def close(self) -> None:
        """Delivers nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        for message in self._line.due(loop.time()):
            if not self._faults.mutes(self._place):
                self._deliver(message)
        if self._timer is not None:
            self._timer.cancel()
        next_s = self._line.next_s
        self._timer = loop.call_at(next_s, self._flush) if next_s is not None else None
