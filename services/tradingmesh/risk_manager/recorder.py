"""Brings what the core decided onto disk, and tells of it."""

from tradingmesh.core.events import CircuitBreakerReset, CircuitBreakerTripped
from tradingmesh.core.risk.breaker import BreakerMoved, BreakerState
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.records import Confirmed, Expired, ReportKept, Reserved, RiskRecord, encode
from tradingmesh.ports import Journal
from tradingmesh.runtime.component import Context

_FLUSHED = (Reserved, Confirmed, Expired)


class Recorder:
    """Writes the core's records, one transaction a turn.

    A signal's approval is flushed after its reply went out, not before: one lost with the process is refused when its
    order asks again, so the loss can stop an order but never let a wrong one through. An order's confirmation is
    flushed before its reply (nobody asks again, and unconfirmed its reservation would expire while the order works).
    All else (fills above all) is committed to disk before anybody is answered.
    """

    def __init__(self, context: Context, core: RiskCore, journal: Journal) -> None:
        self._core = core
        self._journal = journal
        self._unwritten: list[RiskRecord] = []
        self._events = context.events
        self._log = context.log
        self._written = context.metrics.counter("journal_records", "Records written to the journal.")
        self._kept = context.metrics.counter("reports_set_aside", "Reports that cannot be booked, kept with a reason.")

    def write(self) -> None:
        """Writes what was decided so far; afterwards it may be told.

        Raises `JournalError`, and again at the next call, until it is written.
        """
        for record in self._core.take_records():
            self._journal.append(encode(record))
            self._unwritten.append(record)
        if not self._unwritten:
            return
        if all(isinstance(record, _FLUSHED) for record in self._unwritten):
            self._journal.flush()
        else:
            self._journal.commit()
        records, self._unwritten = self._unwritten, []
        self._written.inc(len(records))
        for record in records:
            self._tell(record)

    def _tell(self, record: RiskRecord) -> None:
        if isinstance(record, BreakerMoved):
            self._log.warning("circuit breaker", state=record.state.value, reason=record.reason)
            if record.state is BreakerState.OPEN:
                self._events.emit(CircuitBreakerTripped, reason=record.reason)
            elif record.state is BreakerState.CLOSED:
                self._events.emit(CircuitBreakerReset, reason=record.reason)
        elif isinstance(record, ReportKept):
            self._kept.inc()
            report = record.booked.report
            self._log.error(
                "report set aside",
                symbol=report.body.symbol,
                symbol_sequence=report.symbol_sequence,
                reason=record.reason,
                trace_id=report.trace_id,
            )
