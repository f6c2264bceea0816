"""Brings what the core decided onto disk, and tells of it."""

from collections.abc import Callable

from tradingmesh.core.errors import JournalError
from tradingmesh.core.events import CircuitBreakerReset, CircuitBreakerTripped, ComponentError
from tradingmesh.core.journal.chain import Kind
from tradingmesh.core.place import Place
from tradingmesh.core.risk.breaker import BreakerMoved, BreakerState
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.records import Confirmed, Expired, PoisonKept, ReportKept, Reserved, RiskRecord, encode
from tradingmesh.core.risk.reports import place_of
from tradingmesh.core.risk.snapshot import encode_snapshot
from tradingmesh.ports import Journal
from tradingmesh.risk_manager.recovery import Recovered
from tradingmesh.runtime.component import Context

SNAPSHOT_EVERY = 50_000
"""So many records are folded at a start, at most, after the snapshot that it begins with: half a second's work."""
RETRY_NS = 100_000_000
_FLUSHED = (Reserved, Confirmed, Expired)


class Recorder:
    """Writes the core's records, one transaction a turn.

    A signal's approval is flushed after its reply went out, not before: one lost with the process is refused when its
    order asks again, so the loss can stop an order but never let a wrong one through. An order's confirmation is
    flushed before its reply (nobody asks again, and unconfirmed its reservation would expire while the order works).
    All else (fills above all) is committed to disk before anybody is answered.

    While the journal cannot be written, `problem` says why: nothing new is to be approved and no report taken. What was
    decided before is kept and written as soon as there is room, or the database, again.
    """

    def __init__(self, context: Context, core: RiskCore, journal: Journal, recovered: Recovered) -> None:
        self._core = core
        self._journal = journal
        self._snapshot_at, self._position = recovered
        self._unwritten: list[RiskRecord] = []
        self._retry_ns = 0
        self._broken = False
        self._events = context.events
        self._instance = context.settings.instance
        self._monotonic_ns = context.clock.monotonic_ns
        self._log = context.log
        self.problem = ""
        metrics = context.metrics
        self._written = metrics.counter("journal_records")
        self._failures = metrics.counter("journal_failures")
        self._snapshots = metrics.counter("journal_snapshots")
        self._uncompacted = metrics.counter("journal_compactions_failed")
        metrics.gauge("journal_writable", lambda: float(not self.problem))
        metrics.gauge("journal_records_unwritten", lambda: len(self._unwritten))
        self._kept = metrics.counter("reports_set_aside")

    def write(self) -> bool:
        """Writes what was decided so far; whether that is done: then it may be told."""
        if self._broken:
            return False
        self._take_records()
        if not self._unwritten and not self.problem:
            return True
        if self.problem and self._monotonic_ns() < self._retry_ns:
            return False
        if not self._try(self._sync):
            return False
        records, self._unwritten = self._unwritten, []
        self._written.inc(len(records))
        for record in records:
            self._tell(record)
        return True

    def end_turn(self) -> bool:
        """`write`, and a snapshot where one is due."""
        return self.write() and (self._position - self._snapshot_at < SNAPSHOT_EVERY or self.snapshot())

    def snapshot(self) -> bool:
        """Writes a snapshot, unless nothing came after the last one. To be called when all records are written."""
        if self._position == self._snapshot_at or self._broken:
            return not self._broken
        picture = encode_snapshot(self._core.state.snapshot())
        self._position = self._snapshot_at = self._journal.append(picture, Kind.SNAPSHOT)
        self._snapshots.inc()
        return self._try(self._journal.commit)

    def compact(self) -> None:
        """Puts a little of what the next start will not need out of its way."""
        if self.problem:
            return
        try:
            self._journal.compact()
        except JournalError as error:  # nothing is lost: the journal grows, until this can be done again
            self._uncompacted.inc()
            self._log.warning("the journal grows", reason=str(error))

    def _take_records(self) -> None:
        """Where one cannot be written down, nothing is kept or told from then on: all that follows rests on it."""
        self._broken = True
        for record in self._core.take_records():
            self._position = self._journal.append(encode(record))
            self._unwritten.append(record)
        self._broken = False

    def _sync(self) -> None:
        if self._unwritten and all(isinstance(record, _FLUSHED) for record in self._unwritten):
            self._journal.flush()
        else:
            self._journal.commit()

    def _try(self, write: Callable[[], None]) -> bool:
        """Writes. A failure is told once, and is tried again after a while, a longer one where it took long to fail."""
        began_ns = self._monotonic_ns()
        try:
            write()
        except JournalError as error:
            now_ns = self._monotonic_ns()
            self._retry_ns = now_ns + max(RETRY_NS, 2 * (now_ns - began_ns))
            self._failures.inc()
            if not self.problem:
                self._log.error("the journal cannot be written: nothing is approved or booked", reason=str(error))
                self._events.emit(ComponentError, instance=self._instance, error=f"journal: {error}")
            self.problem = str(error)
            return False
        if self.problem:
            self._log.warning("the journal can be written again")
            self.problem = ""
        return True

    def _tell(self, record: RiskRecord) -> None:
        if isinstance(record, BreakerMoved):
            self._log.warning("circuit breaker", state=record.state.value, reason=record.reason)
            if record.state is BreakerState.OPEN:
                self._events.emit(CircuitBreakerTripped, reason=record.reason)
            elif record.state is BreakerState.CLOSED:
                self._events.emit(CircuitBreakerReset, reason=record.reason)
        elif isinstance(record, ReportKept):
            self._tell_set_aside(place_of(record.booked), record.reason, record.booked.report.trace_id)
        elif isinstance(record, PoisonKept):
            self._tell_set_aside(record.poison.place, record.poison.reason)

    def _tell_set_aside(self, place: Place, reason: str, trace_id: str = "") -> None:
        """An alarm for each: the ledger is without what the report said, until a person has looked at it."""
        self._kept.inc()
        error = f"{place} set aside: {reason}"
        self._log.error("report set aside", error=error, trace_id=trace_id)
        self._events.emit(ComponentError, trace_id=trace_id, instance=self._instance, error=error)
