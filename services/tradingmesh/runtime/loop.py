"""The poll loop of a service: one thread, blocking in one place, draining what is ready."""

import heapq
import os
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

import zmq

Handler = Callable[[], object]
_IDLE_WAIT_MS = 200


class Loop:
    """Calls handlers when their socket or file descriptor is readable, and timers when they are due.

    A handler takes a bounded amount and returns; what it leaves is offered again in the next turn. `last_turn_s` is
    the monotonic time of the last turn: a hung handler shows as an old one. A handler that may wait for longer, for a
    bounded time, says in between that it is `still_alive`.
    """

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._handlers: dict[Any, Handler] = {}
        self._timers: list[tuple[float, int, float, Handler]] = []
        self._numbers = count()
        self._after_turn: list[Handler] = []
        self._calls: deque[Handler] = deque()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._running = True
        self.last_turn_s = time.monotonic()
        self.on_readable(self._wake_reader, self._run_calls)

    def on_readable(self, source: "zmq.Socket[bytes] | int", handler: Handler) -> None:
        """Calls `handler` whenever `source` has something to read."""
        self._poller.register(source, zmq.POLLIN)
        self._handlers[source] = handler

    def every(self, interval_s: float, handler: Handler) -> None:
        """Calls `handler` every so often, the first time after one interval; missed turns are not made up for."""
        heapq.heappush(self._timers, (time.monotonic() + interval_s, next(self._numbers), interval_s, handler))

    def after(self, delay_s: float, handler: Handler) -> None:
        """Calls `handler` once."""
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._numbers), 0.0, handler))

    def after_turn(self, handler: Handler) -> None:
        """Calls `handler` at the end of every turn: the place to commit what the turn brought, as one group."""
        self._after_turn.append(handler)

    def call_soon_threadsafe(self, handler: Handler) -> None:
        """Calls `handler` in the loop's thread. The one method that other threads and signal handlers may use."""
        self._calls.append(handler)
        try:
            os.write(self._wake_writer, b"\0")
        except BlockingIOError:
            return  # the pipe is full of wake-ups already

    def stop(self) -> None:
        """Lets `run` return at the end of this turn."""
        self._running = False

    def still_alive(self) -> None:
        """For a handler that waits for somebody: this turn is long, and not hung."""
        self.last_turn_s = time.monotonic()

    def run(self) -> None:
        """Turns until stopped."""
        self.run_until(lambda: False)

    def run_until(self, done: Callable[[], bool]) -> bool:
        """Turns until `done`, or stopped; looks at least every `_IDLE_WAIT_MS`. Whether it is done."""
        self._running = True
        self.still_alive()
        while self._running:
            if done():
                return True
            self.turn()
        return False

    def turn(self, wait_ms: int = _IDLE_WAIT_MS) -> None:
        """Waits for something to do, for at most `wait_ms`, and does it."""
        if self._timers:
            wait_ms = max(0, min(wait_ms, int((self._timers[0][0] - time.monotonic()) * 1_000) + 1))
        handlers = self._handlers
        for source, _ in self._poller.poll(wait_ms):
            handlers[source]()
        self.last_turn_s = now_s = time.monotonic()
        while self._timers and self._timers[0][0] <= now_s:
            _, _, interval_s, handler = heapq.heappop(self._timers)
            if interval_s:
                heapq.heappush(self._timers, (now_s + interval_s, next(self._numbers), interval_s, handler))
            handler()
        for handler in self._after_turn:
            handler()

    def _run_calls(self) -> None:
        try:
            os.read(self._wake_reader, 4_096)
        except BlockingIOError:
            return
        for _ in range(len(self._calls)):
            self._calls.popleft()()
