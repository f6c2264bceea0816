"""Which fault meets what: every decision, without a socket.

Each fault has a chance of its own, drawn once for each message or request that it could meet. So one fault's draws do
not shift another's, and the same messages and requests in the same order meet the same faults.
"""

import random
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from tradingmesh.contract import FaultKind, FaultPlace, FaultSpec, FaultsSpec
from tradingmesh.telemetry.metrics import Counter, Metrics

_MESSAGE_KINDS = (FaultKind.DROP, FaultKind.DUPLICATE, FaultKind.DELAY, FaultKind.REORDER)


class Fate(NamedTuple):
    """What becomes of a message: how often it is sent, after how long, and whether what follows may overtake it."""

    copies: int = 1
    hold_s: float = 0.0
    overtaken: bool = False


class RequestFate(NamedTuple):
    """What becomes of a request: how long before and after the broker acts, and the error or reset that ends it."""

    before_s: float = 0.0
    after_s: float = 0.0
    end: FaultSpec | None = None


class _Fault:
    def __init__(self, spec: FaultSpec, chance: random.Random, now_s: float, counter: Counter) -> None:
        self.spec = spec
        self.struck = 0
        self._counter = counter
        self._chance = chance
        self._rate = float(spec.rate)
        self._begins_s = now_s + spec.after_ms / 1_000
        self._ends_s = float("inf") if spec.for_ms is None else self._begins_s + spec.for_ms / 1_000

    def in_force(self, now_s: float) -> bool:
        spent = self.spec.times is not None and self.struck >= self.spec.times
        return self._begins_s <= now_s < self._ends_s and not spent

    def draw(self, now_s: float) -> bool:
        """Whether the next message or request is met."""
        return self.in_force(now_s) and self._chance.random() < self._rate

    def count(self) -> None:
        self.struck += 1
        self._counter.inc()

    def hold_s(self) -> float:
        return self._chance.uniform(self.spec.min_ms, self.spec.max_ms) / 1_000


class Faults:
    """The faults in force. `now_s` counts seconds from anywhere."""

    def __init__(self, metrics: Metrics, now_s: Callable[[], float]) -> None:
        self._metrics = metrics
        self._now_s = now_s
        self.hurried = metrics.counter("faults_hurried")
        self.inject(FaultsSpec())

    def inject(self, spec: FaultsSpec) -> None:
        """Puts these in force, from now on, instead of those that were."""
        self.spec = spec
        self._faults = [_Fault(one, chance, self._now_s(), self._counter(one)) for one, chance in _chances(spec)]
        self._at = {place: [fault for fault in self._faults if fault.spec.where is place] for place in FaultPlace}

    @property
    def struck(self) -> list[int]:
        """How often each has struck, in the order of the spec."""
        return [fault.struck for fault in self._faults]

    def any_on(self, place: FaultPlace) -> bool:
        """Whether there is any on it, in force or still to come."""
        return bool(self._at[place])

    def fate(self, place: FaultPlace) -> Fate:
        """What becomes of the next message on a stream. What is dropped is neither doubled nor held."""
        now_s = self._now_s()
        met = [fault for fault in self._at[place] if fault.spec.what in _MESSAGE_KINDS and fault.draw(now_s)]
        hold_s = sum(fault.hold_s() for fault in met if fault.spec.max_ms)
        drops = [fault for fault in met if fault.spec.what is FaultKind.DROP]
        for fault in drops[:1] or met:
            fault.count()
        if drops:
            return Fate(copies=0)
        kinds = [fault.spec.what for fault in met]
        return Fate(1 + kinds.count(FaultKind.DUPLICATE), hold_s, FaultKind.REORDER in kinds)

    def request_fate(self, method: str, path: str) -> RequestFate:
        """What becomes of the next request. Of several ends one before the broker acts wins, else the first."""
        now_s, request = self._now_s(), f"{method} {path}"
        asked = [fault for fault in self._at[FaultPlace.REST] if fnmatchcase(request, fault.spec.requests)]
        met = [fault for fault in asked if fault.draw(now_s)]
        delays = [(fault, fault.hold_s()) for fault in met if fault.spec.what is FaultKind.DELAY]
        ends = [fault for fault in met if fault.spec.what is not FaultKind.DELAY]
        end = min(ends, key=lambda fault: fault.spec.acted, default=None)
        acts = end is None or end.spec.acted
        suffered = [(fault, hold_s) for fault, hold_s in delays if acts or not fault.spec.acted]
        for fault in [fault for fault, _ in suffered] + ([end] if end else []):
            fault.count()
        before_s = sum(hold_s for fault, hold_s in suffered if not fault.spec.acted)
        after_s = sum(hold_s for fault, hold_s in suffered if fault.spec.acted)
        return RequestFate(before_s, after_s, end.spec if end else None)

    def error(self, *codes: int) -> int | None:
        """The error that the market data stream tells now, of these."""
        now_s = self._now_s()
        for fault in self._at[FaultPlace.MARKET_DATA]:
            if fault.spec.code in codes and fault.draw(now_s):
                fault.count()
                return fault.spec.code
        return None

    def cuts(self, place: FaultPlace) -> bool:
        """Whether a connection to it is closed or refused now."""
        return self._meets(place, lambda fault: fault.what is FaultKind.CUT)

    def mutes(self, place: FaultPlace) -> bool:
        """Whether a message on it is not said now."""
        return self._meets(place, lambda fault: fault.what is FaultKind.MUTE)

    def swallows_ping(self, place: FaultPlace) -> bool:
        """Whether a ping gets no answer now."""
        return self._meets(place, lambda fault: fault.what is FaultKind.MUTE and not fault.answers_pings)

    def _meets(self, place: FaultPlace, wanted: Callable[[FaultSpec], bool]) -> bool:
        now_s = self._now_s()
        for fault in self._at[place]:
            if wanted(fault.spec) and fault.in_force(now_s):
                fault.count()
                return True
        return False

    def _counter(self, spec: FaultSpec) -> Counter:
        return self._metrics.counter("faults_injected", where=spec.where.value, what=spec.what.value)


def _chances(spec: FaultsSpec) -> Iterator[tuple[FaultSpec, random.Random]]:
    """Each fault with its chance: seeded by what it is, and by how many before it are the same."""
    seen: dict[str, int] = {}
    for one in spec.inject:
        name = f"{one.where} {one.what}"
        seen[name] = seen.get(name, 0) + 1
        yield one, random.Random(f"{spec.seed} {name} {seen[name]}")  # noqa: S311 - chance, not secrets
