"""Code that blocks (a worker thread's) in virtual time: it runs, one at a time, until it would wait, and goes on later.

A virtual thread is a real one that has the word only while nobody else has it: `start` and every later turn of it
return when it sleeps, waits or ends. So runs repeat exactly, though nothing in the code that blocks was changed.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from tradingmesh.testing.virtual_loop import Killed
from tradingmesh.testing.virtual_time import VirtualTime

T = TypeVar("T")
_NS = 1_000_000_000
_idle: list["_Worker"] = []
_running: list["VirtualThread"] = []


class _Worker:
    """A real thread, kept for the next virtual one: starting one costs more than most of them do."""

    def __init__(self) -> None:
        self._go = threading.Lock()
        self._back = threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self.run: Callable[[], object] = lambda: None
        self.done = True
        threading.Thread(target=self._work, name="virtual", daemon=True).start()

    def resume(self) -> None:
        """Gives it the word until it gives it back."""
        self._go.release()
        self._back.acquire()

    def suspend(self) -> None:
        """Gives the word back; called in the thread itself."""
        self._back.release()
        self._go.acquire()

    def _work(self) -> None:
        self._go.acquire()
        while True:
            try:
                self.run()
            finally:
                self.done = True
                self.suspend()


class VirtualThread:
    """One piece of blocking code. `run` must let nothing out but `Killed`."""

    def __init__(self, time: VirtualTime, run: Callable[[], object]) -> None:
        self._time = time
        self._worker = _idle.pop() if _idle else _Worker()
        self._naps = 0
        self._killed = False
        self.ended = False
        self._worker.run, self._worker.done = lambda: self._guarded(run), False
        self._resume(0)

    def sleep(self, for_ns: int) -> None:
        """Lets so much time pass; less, where it is woken. Raises `Killed` where its process ends meanwhile."""
        self._time.after(for_ns, self._resume, self._naps)
        self._suspend()

    def wait(self) -> None:
        """Lets time pass until it is woken. Raises `Killed` as `sleep` does."""
        self._suspend()

    def wake(self) -> None:
        """It goes on now, if it sleeps."""
        self._time.after(0, self._resume, self._naps)

    def kill(self) -> None:
        """Its process ended. Where it sleeps, it unwinds now."""
        self._killed = True
        if self not in _running:
            self._resume(self._naps)

    def _suspend(self) -> None:
        self._worker.suspend()
        if self._killed:
            raise Killed

    def _resume(self, nap: int) -> None:
        if self.ended or nap != self._naps:
            return
        self._naps += 1
        _running.append(self)
        self._worker.resume()
        _running.pop()
        if self._worker.done:
            self.ended = True
            _idle.append(self._worker)

    def _guarded(self, run: Callable[[], object]) -> None:
        try:
            run()
        except Killed:
            return


def sleep(seconds: float) -> None:
    """`time.sleep` for code that runs in a virtual thread."""
    _running[-1].sleep(int(seconds * _NS))


class VirtualQueue(Generic[T]):
    """`queue.SimpleQueue` between virtual threads, and from outside."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._waiting: deque[VirtualThread] = deque()

    def put(self, item: T) -> None:
        """Never waits."""
        self._items.append(item)
        if self._waiting:
            self._waiting.popleft().wake()

    def get(self) -> T:
        """Waits for an item."""
        while not self._items:
            self._waiting.append(_running[-1])
            _running[-1].wait()
        return self._items.popleft()


class VirtualCondition:
    """`threading.Condition` between virtual threads. Its lock is free whenever it is asked for: one runs at a time."""

    def __init__(self) -> None:
        self._waiting: list[VirtualThread] = []

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: Any) -> None:
        """Lets go of what it need not hold."""

    def wait(self, timeout: float) -> None:
        """Until it is notified, or the time is over."""
        thread = _running[-1]
        self._waiting.append(thread)
        try:
            thread.sleep(int(timeout * _NS))
        finally:
            self._waiting.remove(thread)

    def notify_all(self) -> None:
        """Whoever waits goes on."""
        for thread in self._waiting:
            thread.wake()
