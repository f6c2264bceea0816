"""Who is to be looked at next: each TradingSystem at most once at a time, and soon after something happened to it."""

import asyncio
from heapq import heappop, heappush

from tradingmesh_operator.objects import Key


class Wakes:
    """A queue in which each key waits once. What happens to a key that is being looked at makes it wait again."""

    def __init__(self) -> None:
        self._due_s: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []
        self._busy: set[Key] = set()
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """How many wait and are due."""
        now_s = asyncio.get_running_loop().time()
        return sum(due_s <= now_s for due_s in self._due_s.values())

    def wake(self, key: Key, after_s: float = 0.0) -> None:
        """Has it looked at after that time, or when it was to be looked at anyway if that is sooner."""
        due_s = asyncio.get_running_loop().time() + after_s
        if self._due_s.get(key, due_s + 1) <= due_s:
            return
        self._due_s[key] = due_s
        heappush(self._heap, (due_s, key))
        self._news.set()

    def forget(self, key: Key) -> None:
        """It is gone; nobody has to look."""
        self._due_s.pop(key, None)

    async def take(self) -> Key:
        """The next that is due; waits for it. `done` must be called for it."""
        while True:
            self._news.clear()
            now_s = asyncio.get_running_loop().time()
            while self._heap and self._heap[0][0] <= now_s:
                due_s, key = heappop(self._heap)
                if self._due_s.get(key) == due_s and key not in self._busy:
                    del self._due_s[key]
                    self._busy.add(key)
                    return key
            await self._until(self._heap[0][0] - now_s if self._heap else None)

    def done(self, key: Key) -> None:
        """It was looked at; what happened since makes it due again."""
        self._busy.discard(key)
        if key in self._due_s:
            heappush(self._heap, (self._due_s[key], key))
            self._news.set()

    async def _until(self, timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return
