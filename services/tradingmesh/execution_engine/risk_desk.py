"""Asks the risk manager, one request in flight, the others in line; without an answer in time the answer is no."""

from collections.abc import Callable

import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.contract import Channel
from tradingmesh.core.checks import Check, Decision, Refused
from tradingmesh.core.errors import WireError
from tradingmesh.core.orders.asks import RiskAsks
from tradingmesh.core.orders.effects import Ask
from tradingmesh.execution_engine.ledger_desk import LedgerDesk
from tradingmesh.runtime.component import Context
from tradingmesh.wire.header import NO_TRACE
from tradingmesh.wire.messages import RISK_CHECK_REQUEST, RISK_CHECK_RESPONSE

LOOK_EVERY_S = 0.02
_NS_PER_MS = 1_000_000
OnDecision = Callable[[str, Decision], None]
_NOT_YET = Refused(
    Check.JOURNAL, f"{Check.JOURNAL}: the risk manager began anew, and is told first what works at the broker"
)


class RiskDesk:
    """`on_decision(request_id, decision)` is called exactly once for each request."""

    def __init__(self, context: Context, ledger: LedgerDesk, on_decision: OnDecision) -> None:
        self._context = context
        self._ledger = ledger
        self._monotonic_ns = context.clock.monotonic_ns
        self._on_decision = on_decision
        self._timeout_ms = context.spec.endpoints.risk_check.timeout_ms
        self._asks = RiskAsks(self._timeout_ms * _NS_PER_MS)
        self._socket = context.sockets.req(Channel.RISK_CHECK)
        self._sender = Sender(RISK_CHECK_REQUEST, context.settings.instance, context.epoch)
        self._sent_ns = 0
        metrics = context.metrics
        self._round_trip = metrics.latency("order_risk_check_round_trip")
        self._late = metrics.counter("risk_answers_late")
        self._timeouts = metrics.counter("risk_timeouts")
        self._malformed = metrics.counter("messages_malformed", channel=Channel.RISK_CHECK)
        context.loop.on_readable(self._socket, self._take_answer)
        context.loop.every(LOOK_EVERY_S, self._give_up_late)

    def ask(self, ask: Ask) -> None:
        """Sends the request, or puts it in line."""
        if not self._asks.add(ask, self._monotonic_ns()):
            reason = f"{Check.RISK_CHECK_TIMEOUT}: {len(self._asks)} orders wait for their check already"
            self._on_decision(ask.request.request_id, Refused(Check.RISK_CHECK_TIMEOUT, reason))
        self._send_next()

    def _send_next(self) -> None:
        ask = self._asks.to_send()
        if ask is None:
            return
        trace_id = bytes.fromhex(ask.origin.trace_id) if ask.origin.trace_id else NO_TRACE
        now_ns = self._context.clock.now_ns()
        frames = self._sender.frames(
            self._ledger.stamped(ask.request), now_ns, trace_id=trace_id, flags=ask.origin.flags
        )
        self._sent_ns = self._monotonic_ns()
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:  # nobody is there to be asked: the timeout will refuse the order
            self._context.log.warning("risk check not sent", request_id=ask.request.request_id)

    def _take_answer(self) -> None:
        """One answer, for one request is out: a REQ socket that has its answer must not be read again."""
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:  # what came was the answer to a request that was given up
            return
        try:
            header, response = read(RISK_CHECK_RESPONSE, frames)
        except WireError as error:
            self._malformed.inc()
            self._context.log.warning("risk answer dropped", error=str(error))
            return
        if not self._asks.answered(response.request_id):
            self._late.inc()
            return
        self._round_trip.observe_ns(self._monotonic_ns() - self._sent_ns)
        told = self._ledger.hear(header.epoch)
        self._on_decision(response.request_id, _NOT_YET if told else response.result)
        self._send_next()

    def _give_up_late(self) -> None:
        for ask in self._asks.overdue(self._monotonic_ns()):
            self._timeouts.inc()
            reason = f"{Check.RISK_CHECK_TIMEOUT}: no answer from the risk manager within {self._timeout_ms} ms"
            self._on_decision(ask.request.request_id, Refused(Check.RISK_CHECK_TIMEOUT, reason))
        self._send_next()
