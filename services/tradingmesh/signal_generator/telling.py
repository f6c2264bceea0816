"""What the signal generator tells of itself: metrics, events, spans, and a line in the log where something is wrong."""

from tradingmesh.core.checks import Check
from tradingmesh.core.events import ComponentError, SignalApproved, SignalRejected
from tradingmesh.core.signal import Signal
from tradingmesh.core.signals.core import Origin, Reject, Send, SignalCore
from tradingmesh.core.signals.roster import StrategyStopped
from tradingmesh.core.spans import signal_span
from tradingmesh.runtime.component import Context


class Telling:
    """Tells what became of each signal."""

    def __init__(self, context: Context, core: SignalCore) -> None:
        metrics = context.metrics
        self._context = context
        self._core = core
        self.signals = metrics.counter("signals")
        self.approved = metrics.counter("signals_approved")
        self.dropped = metrics.counter("signals_dropped")
        self.late = metrics.counter("risk_answers_late")
        self.malformed = metrics.counter("messages_malformed", channel="risk-check")
        self.stopped = metrics.counter("strategies_stopped")
        self._refused = {check: metrics.counter("signals_refused", check=check) for check in Check}
        self._timeouts = metrics.counter("risk_timeouts")
        self.tick_to_signal = metrics.latency("tick_to_signal")
        self.round_trip = metrics.latency("risk_check_round_trip")
        self._tick_to_approved = metrics.latency("tick_to_approved")
        metrics.gauge("signals_waiting", lambda: core.waiting)

    def count(self) -> None:
        """Takes over what the core has counted."""
        self.signals.value = self._core.signals
        self.dropped.value = self._core.dropped
        self.late.value = self._core.late_answers

    def approval(self, send: Send, now_ns: int) -> None:
        """A signal is on its way to the execution engine."""
        self.approved.inc()
        self._tick_to_approved.observe_ns(now_ns - send.origin.published_ns)
        self._span(send.approved.signal, send.origin, now_ns)
        self._context.events.emit(
            SignalApproved,
            trace_id=send.origin.trace_id.hex(),
            signal=send.approved.signal,
            reservation_id=send.approved.approval.reservation_id,
        )

    def rejection(self, reject: Reject, now_ns: int) -> None:
        """A signal was refused."""
        refused, origin = reject.refused, reject.origin
        self._refused[refused.check].inc()
        self._timeouts.inc(refused.check is Check.RISK_CHECK_TIMEOUT)
        self._span(reject.signal, origin, now_ns)
        self._context.events.emit(
            SignalRejected,
            trace_id=origin.trace_id.hex(),
            signal=reject.signal,
            check=refused.check,
            reason=refused.reason,
        )

    def strategy_stopped(self, stopped: StrategyStopped) -> None:
        """A strategy raised."""
        self.stopped.inc()
        self._context.log.error("strategy stopped", strategy=stopped.name, error=stopped.error)
        self._context.events.emit(
            ComponentError,
            instance=self._context.settings.instance,
            error=f"strategy {stopped.name} stopped: {stopped.error}",
        )

    def _span(self, signal: Signal, origin: Origin, now_ns: int) -> None:
        if self._context.tracer.samples(origin.trace_id):
            self._context.tracer.record(signal_span(signal.signal_id), origin.trace_id, origin.published_ns, now_ns)
