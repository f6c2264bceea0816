"""A lane of reports on their way out: those that wait their turn, by symbol, and those that are outstanding.

At most `WINDOW` are outstanding, so that a slow consumer is not sent everything twice. Reports of one symbol that
follow each other travel together.
"""

from collections import deque
from itertools import islice

from tradingmesh.adapters.outbox_sqlite import Parcel
from tradingmesh.adapters.zmq_reports import BATCH_MAX
from tradingmesh.core.place import Place

WINDOW = 1_000


class Sent:
    """A parcel that is outstanding: when it was pushed first, when it is to be pushed again, how often it was."""

    __slots__ = ("due_ns", "first_ns", "parcel", "times")

    def __init__(self, parcel: Parcel, now_ns: int) -> None:
        self.parcel = parcel
        self.first_ns = now_ns
        self.due_ns = 0
        self.times = 0


class Lane:
    """Times are of a monotonic clock."""

    def __init__(self, redeliver_ns: int) -> None:
        self._redeliver_ns = redeliver_ns
        self._waiting: dict[str, deque[Parcel]] = {}
        self._waiting_count = 0
        self._outstanding: dict[Place, Sent] = {}

    @property
    def count(self) -> int:
        """How many wait or are outstanding."""
        return self._waiting_count + len(self._outstanding)

    def symbols(self) -> set[str]:
        """Those of which there is a report here."""
        return self._waiting.keys() | {place.symbol for place in self._outstanding}

    def has(self, place: Place) -> bool:
        """Whether that report waits or is outstanding."""
        waiting = self._waiting.get(place.symbol, ())
        return place in self._outstanding or any(parcel.place == place for parcel in waiting)

    def add(self, parcel: Parcel) -> None:
        """Takes a report; it waits behind those of its symbol."""
        self._waiting.setdefault(parcel.place.symbol, deque()).append(parcel)
        self._waiting_count += 1

    def drop(self, symbol: str) -> None:
        """Lets go of all of a symbol."""
        self._waiting_count -= len(self._waiting.pop(symbol, ()))
        for place in [place for place in self._outstanding if place.symbol == symbol]:
            del self._outstanding[place]

    def acked(self, place: Place) -> Sent | None:
        """Lets go of a report that was outstanding."""
        return self._outstanding.pop(place, None)

    def to_push(self, now_ns: int) -> bool:
        """Whether there is anything to push now."""
        due = bool(self._outstanding) and next(iter(self._outstanding.values())).due_ns <= now_ns
        return due or (bool(self._waiting) and len(self._outstanding) < WINDOW)

    def overdue(self, now_ns: int) -> list[Sent]:
        """The reports that are due first, as many as can travel together: they stand in the order of being due."""
        batch: list[Sent] = []
        for sent in islice(self._outstanding.values(), BATCH_MAX):
            if sent.due_ns > now_ns or (batch and not _follows(batch[-1].parcel, sent.parcel)):
                break
            batch.append(sent)
        return batch

    def pushed_again(self, batch: list[Sent], now_ns: int) -> None:
        """The overdue ones went out."""
        for sent in batch:
            self._await(sent, now_ns)

    def next(self) -> list[Parcel]:
        """The next reports of the symbol whose turn it is, as many as travel together and have room."""
        room = min(BATCH_MAX, WINDOW - len(self._outstanding))
        batch: list[Parcel] = []
        for parcel in islice(next(iter(self._waiting.values()), ()), max(0, room)):
            if batch and not _follows(batch[-1], parcel):
                break
            batch.append(parcel)
        return batch

    def pushed(self, batch: list[Parcel], now_ns: int) -> None:
        """What was next went out: the turn is another symbol's."""
        symbol = batch[0].place.symbol
        queue = self._waiting.pop(symbol)
        for parcel in batch:
            queue.popleft()
            self._await(Sent(parcel, now_ns), now_ns)
        self._waiting_count -= len(batch)
        if queue:
            self._waiting[symbol] = queue

    def _await(self, sent: Sent, now_ns: int) -> None:
        sent.times += 1
        sent.due_ns = now_ns + self._redeliver_ns
        place = sent.parcel.place
        self._outstanding.pop(place, None)
        self._outstanding[place] = sent


def _follows(before: Parcel, parcel: Parcel) -> bool:
    """Whether the second may travel behind the first."""
    last, place = before.place, parcel.place
    same_line = last.symbol == place.symbol and last.symbol_sequence + 1 == place.symbol_sequence
    return same_line and before.aside is None and parcel.aside is None
