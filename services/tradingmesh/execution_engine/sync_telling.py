"""What is told of reconciliations: metrics, one event for each that found something, and a line in the log."""

from typing import Any

import msgspec

from tradingmesh.core.events import BrokerReconciled
from tradingmesh.core.orders.findings import Findings
from tradingmesh.core.orders.holdings import Holdings
from tradingmesh.core.orders.sync import BrokerSync
from tradingmesh.runtime.component import Context

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_KINDS = (*Findings.__struct_fields__, "position")


class SyncTelling:
    """Tells what was found, once: what stays as it is shows in the gauges, and is no news."""

    def __init__(self, context: Context, sync: BrokerSync, holdings: Holdings) -> None:
        self._context = context
        self._monotonic_ns = context.clock.monotonic_ns
        self._holdings = holdings
        self._success_ns: int | None = None
        self._last = Findings()
        self._differing: frozenset[str] = frozenset()
        self._in_sync = False
        metrics = context.metrics
        self._duration = metrics.latency("reconcile")
        self._asked = metrics.counter("broker_reconciles", result="answered")
        self._failed = metrics.counter("broker_reconciles", result="failed")
        self._found = {kind: metrics.counter("broker_differences", kind=kind) for kind in _KINDS}
        gauge = metrics.gauge
        gauge("broker_in_sync", lambda: float(not sync.problem))
        gauge("broker_reconciled_age_seconds", self._age_s)
        gauge("broker_differing", lambda: len(holdings.differing))

    def status(self, problem: str) -> dict[str, Any]:
        """As the operator's condition BrokerInSync has it: whether, why not, how fresh, and what differs."""
        return {
            "in_sync": not problem,
            "reason": problem,
            "reconciled_age_s": round(self._age_s(), 3),
            "differences": list(self._holdings.differing.values()),
        }

    def failed(self, reason: str) -> None:
        """The broker could not be asked."""
        self._failed.inc()
        self._context.log.warning("the broker could not be asked", reason=reason)

    def reconciled(self, found: Findings, problem: str, elapsed_ns: int) -> None:
        """The broker's answer was taken in."""
        self._success_ns = self._monotonic_ns()
        self._duration.observe_ns(elapsed_ns)
        self._asked.inc()
        differing = frozenset(self._holdings.differing)
        self._count(found, differing)
        news = found != self._last or differing != self._differing or self._in_sync is bool(problem)
        self._last, self._differing, self._in_sync = found, differing, not problem
        if news:
            self._tell(found, problem, elapsed_ns // _NS_PER_MS)

    def _count(self, found: Findings, differing: frozenset[str]) -> None:
        """What happened counts each time; what is, when it comes to be."""
        self._found["missed_fill"].inc(found.missed_fill)
        self._found["adopted"].inc(found.adopted)
        for kind in ("missing", "short", "unreadable"):
            self._found[kind].inc(max(0, getattr(found, kind) - getattr(self._last, kind)))
        self._found["position"].inc(len(differing - self._differing))

    def _tell(self, found: Findings, problem: str, duration_ms: int) -> None:
        differences = tuple(self._holdings.differing.values())
        told = msgspec.structs.asdict(found)
        self._context.events.emit(
            BrokerReconciled, **told, in_sync=not problem, differences=differences, duration_ms=duration_ms
        )
        odd = bool(differences or found.missing or found.short or found.unreadable)
        tell = self._context.log.error if odd else self._context.log.info
        tell("reconciled", **told, problem=problem or "none", differences=differences, duration_ms=duration_ms)

    def _age_s(self) -> float:
        return -1.0 if self._success_ns is None else (self._monotonic_ns() - self._success_ns) / _NS_PER_S
