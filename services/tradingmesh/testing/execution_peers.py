"""Everybody that an execution engine talks to, in one hand: signal generator, risk manager and fill processor."""

import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal

import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_reports import read_batch
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.contract import Channel
from tradingmesh.core.checks import Approved, ApprovedSignal, Check, Decision, RiskCheckRequest, RiskCheckResponse
from tradingmesh.core.fills import Report
from tradingmesh.core.place import Place
from tradingmesh.core.signal import Side, Signal
from tradingmesh.core.standing import EngineStarted
from tradingmesh.wire.messages import APPROVED_SIGNAL, REPORT, REPORT_ACKS, RISK_CHECK_REQUEST, RISK_CHECK_RESPONSE

TRACE = bytes(range(16))
_FOREVER_NS = 2**62
_NS_PER_S = 10**9
Wait = Callable[[Callable[[], object]], None]


class ExecutionPeers:
    """The sockets around an execution engine. `wait(condition)` must let the engine run until the condition holds."""

    def __init__(self, generator: SocketFactory, risk: SocketFactory, processor: SocketFactory, wait: Wait) -> None:
        self.orders = generator.push(Channel.ORDERS)
        self.fills = processor.pull(Channel.FILLS)
        self.acks = processor.push(Channel.FILL_ACKS)
        self.risk = risk.rep(Channel.RISK_CHECK)
        self._wait = wait
        self._signals = Sender(APPROVED_SIGNAL, "generator", 5)
        self._answers = Sender(RISK_CHECK_RESPONSE, "risk", 7)
        self._acks = Sender(REPORT_ACKS, "processor", 5)
        self._pulled: deque[Report] = deque()
        self.starts: list[EngineStarted] = []

    def signal(
        self,
        number: int = 1,
        *,
        symbol: str = "IBM",
        side: Side = Side.BUY,
        quantity: int = 100,
        valid_s: float = 5.0,
        repeat: int = 1,
    ) -> None:
        """Hands over the approved signal `s-<number>`, once the engine takes orders."""
        now_ns = time.time_ns()
        valid_until_ns = now_ns + int(valid_s * _NS_PER_S)
        wish = Signal(
            f"s-{number}",
            "s",
            symbol,
            side,
            Decimal(quantity),
            Decimal("10.5"),
            generated_ns=1,
            valid_until_ns=valid_until_ns,
        )
        approval = Approved(f"r-{number}", now_ns + 30 * _NS_PER_S, (Check.DUPLICATE,))
        self._wait(lambda: self.orders.poll(0, zmq.POLLOUT))
        for _ in range(repeat):
            self.orders.send_multipart(self._signals.frames(ApprovedSignal(wish, approval), now_ns, trace_id=TRACE))

    def request(self) -> RiskCheckRequest:
        """The next risk check that the engine asks for."""
        self._wait(lambda: self.risk.poll(0))
        return read(RISK_CHECK_REQUEST, self.risk.recv_multipart())[1]

    def answer(self, request: RiskCheckRequest, decision: Decision | None = None, request_id: str = "") -> None:
        """Answers it: yes, unless told otherwise; with another request's id, one that does not belong to it."""
        yes = Approved(request.reservation_id, _FOREVER_NS, ())
        response = RiskCheckResponse(request_id or request.request_id, decision or yes, 3, 1)
        self.risk.send_multipart(self._answers.frames(response, 1))

    def report(self) -> Report:
        """The next report that the engine pushes; that a life of it began is acknowledged, and kept in `starts`."""
        self._wait(lambda: self.reports_wait)
        return self._pulled.popleft()

    @property
    def reports_wait(self) -> bool:
        """Whether a report is there to be taken."""
        while self.fills.poll(0):
            for report in map(REPORT.decode, read_batch(self.fills.recv_multipart()).payloads):
                if not isinstance(report.body, EngineStarted):
                    self._pulled.append(report)
                elif self.acks.poll(0, zmq.POLLOUT):  # else it comes again
                    self.starts.append(report.body)
                    self.ack(report)
        return bool(self._pulled)

    def ack(self, report: Report, *, epoch: int = 0) -> None:
        """Acknowledges a report; with another epoch, one that is not the engine's."""
        place = Place(epoch or report.outbox_epoch, report.body.symbol, report.symbol_sequence)
        self._wait(lambda: self.acks.poll(0, zmq.POLLOUT))
        self.acks.send_multipart(self._acks.frames([place], 1))

    def close(self) -> None:
        """Goes away, to the last socket."""
        for socket in (self.orders, self.risk, self.fills, self.acks):
            socket.close(linger=0)
