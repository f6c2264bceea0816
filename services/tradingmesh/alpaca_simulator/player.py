"""Plays a tape in its own time, faster, or as fast as the events are taken."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Literal, NamedTuple

from tradingmesh.core.market import MarketEvent
from tradingmesh.ports import Tape

Speed = Decimal | Literal["max"]

_EVENTS_PER_TURN = 64
"""After so many events the event loop gets its turn, however fast the tape is."""
_SOON_NS = 500_000
"""An event due within this time is played at once: a timer is no more exact than that."""


class Progress(NamedTuple):
    """How far the tape is: events published, of how many (None where that is not known)."""

    published: int
    total: int | None


class Player:
    """Hands each event of a tape to `on_event`, at the tape's own pace x `speed`, or at once with `max`.

    It waits for `gate` before it begins; at `max` it waits there again whenever the gate is shut, so that a tape does
    not run away while nobody listens. `done` is set at the end of the tape, or where `stop` ended it.
    """

    def __init__(
        self,
        tape: Tape,
        speed: Speed,
        on_event: Callable[[MarketEvent], Awaitable[None]],
        gate: asyncio.Event | None = None,
    ) -> None:
        self.done = asyncio.Event()
        self._tape = tape
        self._speed = speed
        self._on_event = on_event
        self._gate = gate
        self._stopped = asyncio.Event()
        self._published = 0

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self._published, self._tape.length)

    def stop(self) -> None:
        """Plays no further event."""
        self._stopped.set()

    async def run(self) -> None:
        """Plays the tape to its end. What `on_event` raises ends it."""
        await self._pass_gate()
        events = iter(self._tape)
        if self._speed == "max":
            await self._at_once(events)
        else:
            await self._in_time(events, Decimal(self._speed))
        self.done.set()

    async def _at_once(self, events: Iterator[MarketEvent]) -> None:
        gate = self._gate
        for event in events:
            if gate is not None and not gate.is_set():
                await self._pass_gate()
            if self._stopped.is_set():
                return
            await self._play(event)
            if self._published % _EVENTS_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _in_time(self, events: Iterator[MarketEvent], speed: Decimal) -> None:
        first_ns: int | None = None
        began_ns = time.monotonic_ns()
        ns_per_ns = 1 / float(speed)
        turn = 0
        for event in events:
            first_ns = event.timestamp_ns if first_ns is None else first_ns
            due_ns = began_ns + int((event.timestamp_ns - first_ns) * ns_per_ns)
            wait_ns = due_ns - time.monotonic_ns()
            turn += 1
            if wait_ns > _SOON_NS or turn >= _EVENTS_PER_TURN:
                await asyncio.sleep(max(wait_ns, 0) / 1e9)
                turn = 0
            if self._stopped.is_set():
                return
            await self._play(event)

    async def _pass_gate(self) -> None:
        """Waits for the gate, or for `stop`."""
        if self._gate is None:
            return
        waits = [asyncio.create_task(event.wait()) for event in (self._gate, self._stopped)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _play(self, event: MarketEvent) -> None:
        await self._on_event(event)
        self._published += 1
