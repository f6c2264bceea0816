"""Answers risk checks (REP). Whatever comes is answered, so that no asker is left waiting."""

import time

import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.contract import Channel
from tradingmesh.core.checks import Approved, Check, Decision, Refused, RiskCheckRequest, RiskCheckResponse, Stage
from tradingmesh.core.errors import WireError
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.spans import check_span
from tradingmesh.risk_manager.recorder import Recorder
from tradingmesh.runtime.component import Context
from tradingmesh.wire.header import NO_TRACE
from tradingmesh.wire.messages import RISK_CHECK_REQUEST, RISK_CHECK_RESPONSE

TURN_MAX = 100


class CheckDesk:
    """Decodes a request, asks the core, encodes the reply: that is what the stage `risk-check` measures."""

    def __init__(self, context: Context, core: RiskCore, recorder: Recorder) -> None:
        self._core = core
        self._recorder = recorder
        self._now_ns = context.clock.now_ns
        self._tracer = context.tracer
        self._socket = context.sockets.rep(Channel.RISK_CHECK)
        self._sender = Sender(RISK_CHECK_RESPONSE, context.settings.instance, context.epoch)
        metrics = context.metrics
        self._latency = metrics.latency("risk-check")
        self.approved = metrics.counter("risk_checks", result="approved", check="")
        self.refused = {check: metrics.counter("risk_checks", result="refused", check=check) for check in Check}
        self._malformed = metrics.counter("messages_malformed", channel=Channel.RISK_CHECK)
        context.loop.on_readable(self._socket, self.drain)

    def drain(self) -> None:
        """Answers what waits."""
        for _ in range(TURN_MAX):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._answer(frames)

    def _decide(self, request: RiskCheckRequest, now_ns: int) -> Decision:
        """Refuses everything while the journal cannot be written: what is not kept must not be approved."""
        if not self._recorder.problem:
            decision = self._core.check(request, now_ns)
            if request.stage is not Stage.ORDER or self._recorder.write():
                return decision
        return Refused(Check.JOURNAL, f"{Check.JOURNAL}: {self._recorder.problem}")

    def _answer(self, frames: list[bytes]) -> None:
        began_ns = time.perf_counter_ns()
        now_ns = self._now_ns()
        request_id, trace_id, flags, request = "", NO_TRACE, 0, None
        try:
            header, request = read(RISK_CHECK_REQUEST, frames)
        except WireError as error:
            self._malformed.inc()
            decision: Decision = Refused(Check.REQUEST, f"{Check.REQUEST}: {error}")
        else:
            request_id, trace_id, flags = request.request_id, header.trace_id, header.flags
            decision = self._decide(request, now_ns)
        latency_us = (time.perf_counter_ns() - began_ns) // 1_000
        response = RiskCheckResponse(request_id, decision, latency_us, now_ns)
        reply = self._sender.frames(response, now_ns, trace_id=trace_id, flags=flags)
        elapsed_ns = time.perf_counter_ns() - began_ns
        self._socket.send_multipart(reply)
        self._latency.observe_ns(elapsed_ns)
        if request is not None and self._tracer.samples(trace_id):
            self._tracer.record(check_span(request), trace_id, now_ns, now_ns + elapsed_ns)
        (self.approved if isinstance(decision, Approved) else self.refused[decision.check]).inc()
