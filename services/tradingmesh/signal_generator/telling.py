"""What the signal generator tells of itself: metrics, events, spans, and a line in the log where something is wrong."""

from tradingmesh.core.events import ComponentError, SignalApproved, SignalRejected
from tradingmesh.core.signals.core import Origin, Reject, Send, SignalCore
from tradingmesh.core.signals.roster import StrategyStopped
from tradingmesh.runtime.component import Context


class Telling:
    """Tells what became of each signal."""

    def __init__(self, context: Context, core: SignalCore) -> None:
        metrics = context.metrics
        self._context = context
        self._core = core
        self.signals = metrics.counter("signals", "Signals that strategies gave.")
        self.approved = metrics.counter("signals_approved", "Signals approved and handed to the execution engine.")
        self.dropped = metrics.counter("signals_dropped", "Signals refused because too many waited for their check.")
        self.late = metrics.counter("risk_answers_late", "Answers that came after their request was given up.")
        self.malformed = metrics.counter("malformed_dropped", "Messages dropped unread.", channel="risk-check")
        self.stopped = metrics.counter("strategies_stopped", "Strategies that raised, and are told of nothing more.")
        self.tick_to_signal = metrics.latency("tick_to_signal")
        self.round_trip = metrics.latency("risk_check_round_trip")
        self._tick_to_approved = metrics.latency("tick_to_approved")
        metrics.gauge("signals_waiting", "Signals without an answer yet.", lambda: core.waiting)

    def count(self) -> None:
        """Takes over what the core has counted."""
        self.signals.value = self._core.signals
        self.dropped.value = self._core.dropped
        self.late.value = self._core.late_answers

    def approval(self, send: Send, now_ns: int) -> None:
        """A signal is on its way to the execution engine."""
        self.approved.inc()
        self._tick_to_approved.observe_ns(now_ns - send.origin.published_ns)
        self._span(send.origin, now_ns)
        self._context.events.emit(
            SignalApproved,
            trace_id=send.origin.trace_id.hex(),
            signal=send.approved.signal,
            reservation_id=send.approved.approval.reservation_id,
        )

    def rejection(self, reject: Reject, now_ns: int) -> None:
        """A signal was refused."""
        refused, origin = reject.refused, reject.origin
        self._context.metrics.counter("signals_refused", "Signals refused, by check.", check=refused.check).inc()
        self._span(origin, now_ns)
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

    def _span(self, origin: Origin, now_ns: int) -> None:
        self._context.tracer.record("signal", origin.trace_id, origin.flags, origin.published_ns, now_ns)
