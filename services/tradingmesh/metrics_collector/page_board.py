"""Between the work loop and the browsers: the newest sections of the page. The loop pins them up, watchers read them.

Nobody queues for anybody: a watcher that comes back late finds the newest of each section, and never what was between.
"""

import threading
from collections.abc import Mapping
from typing import NamedTuple

WATCHERS_MAX = 16


class Pinned(NamedTuple):
    """What hangs there: each section's bytes with the version since which it is so."""

    version: int
    sections: Mapping[str, tuple[int, bytes]]


class Board:
    """`pin` is the loop's; it waits for nobody, for a lock is held only as long as it takes to change a reference."""

    def __init__(self) -> None:
        self._pinned = Pinned(0, {})
        self._news = threading.Condition()
        self._watchers = 0
        self._closed = False

    @property
    def watchers(self) -> int:
        """How many watch."""
        return self._watchers

    @property
    def closed(self) -> bool:
        """Whether nothing will be pinned any more."""
        return self._closed

    def join(self) -> bool:
        """One more watcher; False where there are `WATCHERS_MAX`."""
        with self._news:
            if self._watchers >= WATCHERS_MAX or self._closed:
                return False
            self._watchers += 1
            return True

    def leave(self) -> None:
        """One watcher less."""
        with self._news:
            self._watchers -= 1

    def pin(self, sections: Mapping[str, bytes]) -> None:
        """Replaces what changed, under the next version."""
        before = self._pinned
        version = before.version + 1
        changed = {n: (version, data) for n, data in sections.items() if before.sections.get(n, (0, b""))[1] != data}
        with self._news:
            self._pinned = Pinned(version, {**before.sections, **changed})
            self._news.notify_all()

    def clear(self) -> None:
        """Takes everything down: nobody watches, and who comes next shall find nothing old."""
        with self._news:
            self._pinned = Pinned(self._pinned.version, {})

    def newer(self, version: int, within_s: float) -> tuple[int, dict[str, bytes]]:
        """What was pinned after that version, waiting for it for so long; the version that this is."""
        with self._news:
            self._news.wait_for(lambda: self._pinned.version > version or self._closed, within_s)
            pinned = self._pinned
        return pinned.version, {name: data for name, (since, data) in pinned.sections.items() if since > version}

    def close(self) -> None:
        """Lets every watcher go."""
        with self._news:
            self._closed = True
            self._news.notify_all()
