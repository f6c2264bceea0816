"""Reports on their way out: pushed once they are on disk, pushed again until a fill processor acknowledges them.

A PUSH socket promises nothing (what is queued for a killed peer is lost), so the promise is made here: at least once.
At most `WINDOW` reports are outstanding; the others wait their turn, so that a slow consumer is not sent everything
twice.
"""

from collections import deque

import zmq

from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.contract import Channel
from tradingmesh.core.errors import WireError
from tradingmesh.core.fills import Report
from tradingmesh.runtime.component import Context
from tradingmesh.wire.header import NO_TRACE
from tradingmesh.wire.messages import REPORT, REPORT_ANSWER

WINDOW = 1_000
TURN_MAX = 1_000
_NS_PER_MS = 1_000_000
Key = tuple[str, int]


class Delivery:
    """Every report that is not acknowledged, either outstanding or waiting. Times are of a monotonic clock."""

    def __init__(self, context: Context, outbox: Outbox) -> None:
        self._context = context
        self._outbox = outbox
        self._redeliver_ns = context.spec.endpoints.fills.redeliver_after_ms * _NS_PER_MS
        self._waiting: deque[Report] = deque(outbox.unacked())
        self._outstanding: dict[Key, tuple[int, Report]] = {}
        self._fills = context.sockets.push(Channel.FILLS)
        self._acks = context.sockets.pull(Channel.FILL_ACKS)
        self._sender = Sender(REPORT, context.settings.instance, context.epoch)
        counter = context.metrics.counter
        self.pushed = counter("reports_pushed", "Reports pushed to the fill processors, repetitions included.")
        self.redelivered = counter("reports_redelivered", "Reports pushed again because no ack came in time.")
        self.acked = counter("reports_acked", "Reports acknowledged.")
        self._foreign = counter("acks_foreign", "Acks of reports that were not outstanding.")
        self._malformed = counter("malformed_dropped", "Unreadable messages, dropped.", channel=Channel.FILL_ACKS)
        context.metrics.gauge("outbox_backlog", "Reports not acknowledged yet.", lambda: self.backlog)
        context.loop.on_readable(self._acks, self.take_acks)

    @property
    def backlog(self) -> int:
        """How many reports are not acknowledged."""
        return len(self._waiting) + len(self._outstanding)

    def add(self, report: Report) -> None:
        """Takes a report that is on disk."""
        self._waiting.append(report)

    def push(self, now_ns: int) -> None:
        """Pushes what is overdue, then what waits, as far as the socket and the window take it."""
        while self._outstanding:
            key, (due_ns, report) = next(iter(self._outstanding.items()))
            if due_ns > now_ns or not self._send(report):
                break
            del self._outstanding[key]
            self._outstanding[key] = (now_ns + self._redeliver_ns, report)
            self.redelivered.inc()
        while self._waiting and len(self._outstanding) < WINDOW and self._send(self._waiting[0]):
            report = self._waiting.popleft()
            self._outstanding[report.body.symbol, report.symbol_sequence] = (now_ns + self._redeliver_ns, report)

    def take_acks(self) -> None:
        """Lets go of what is acknowledged: applied or set aside, it is on the risk manager's disk."""
        for _ in range(TURN_MAX):
            try:
                frames = self._acks.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                answer = read(REPORT_ANSWER, frames)[1]
            except WireError as error:
                self._malformed.inc()
                self._context.log.warning("ack dropped", error=str(error))
                continue
            self._ack(answer.outbox_epoch, (answer.symbol, answer.symbol_sequence))

    def _ack(self, epoch: int, key: Key) -> None:
        if epoch != self._outbox.epoch or self._outstanding.pop(key, None) is None:
            self._foreign.inc()
            return
        self._outbox.ack(*key)
        self.acked.inc()

    def _send(self, report: Report) -> bool:
        trace_id = bytes.fromhex(report.trace_id) if report.trace_id else NO_TRACE
        frames = self._sender.frames(report, self._context.clock.now_ns(), trace_id=trace_id)
        try:
            self._fills.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        self.pushed.inc()
        return True
