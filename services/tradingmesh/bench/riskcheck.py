"""The round trip of a risk check over tcp with every check passed, beside an echo in raw pyzmq and in C libzmq.

The risk manager is the real service in a process of its own: journal, metrics, admin HTTP and all. One request follows
the other, as in the echoes; encoding a request and decoding its answer are part of the round trip.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median

import zmq

from tradingmesh.adapters.zmq_market_data import MarketDataPublisher
from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.bench import c_libzmq
from tradingmesh.bench.figures import ROUNDS, Goal, Report, Row, medians, row
from tradingmesh.bench.mesh import SYMBOL, Mesh
from tradingmesh.bench.peers import BenchError, Pipe, free_ports, start
from tradingmesh.contract import Channel, Component
from tradingmesh.core.checks import Approved, Decision, Refused, RiskCheckRequest, RiskCheckResponse, Stage
from tradingmesh.core.market import Quote
from tradingmesh.core.risk.pre_trade import SIGNAL_PLAN
from tradingmesh.core.signal import Side, Signal
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.wire.header import HEADER
from tradingmesh.wire.messages import RISK_CHECK_REQUEST, RISK_CHECK_RESPONSE

CHECKS = 2_000
WARM_UP = 200
RAW_PYZMQ = "raw pyzmq echo"
C_ECHO = "C libzmq echo"
PRICE_E4 = 1_820_000
_EPOCH = 1
_QUOTED_WITHIN_S = 5.0
_VALID_NS = 1_000_000_000


def run(*, rounds: int = ROUNDS, count: int = CHECKS) -> Report:
    """Microseconds from asking to being answered, and inside the risk manager."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        mesh = Mesh(Path(folder))
        program = c_libzmq.Program("echo", Path(folder))
        client = Client(stack, mesh)
        echo = EchoClient(stack)
        contestants: dict[str, Callable[[], float]] = {
            RAW_PYZMQ: partial(echo.p50_us, count),
            "ours": partial(client.p50_us, count),
        }
        if not program.missing:
            contestants[C_ECHO] = partial(_in_c, program, count)
        measured = medians(contestants, rounds)
        inside_us = mesh.latency_us(Component.RISK_MANAGER, "risk-check")["p50"]
    return Report("riskcheck", rounds, _rows(measured, inside_us, program.missing))


def _rows(measured: dict[str, float], inside_us: float, missing: str) -> list[Row]:
    figure, ours = "round trip, every check passed, p50", measured["ours"]
    return [
        row(figure, "µs", ours, beside=(RAW_PYZMQ, measured[RAW_PYZMQ]), goal=Goal("ratio", 1.4, at_most=True)),
        row(figure, "µs", ours, beside=(C_ECHO, measured.get(C_ECHO)), note=missing),
        row("inside the risk manager, p50", "µs", inside_us, goal=Goal("value", 30, at_most=True)),
    ]


def _in_c(program: c_libzmq.Program, count: int) -> float:
    [port] = free_ports(1)
    request, response = (len(frame) for frame in example_payloads())
    return float(program.run(f"tcp://127.0.0.1:{port}", count, WARM_UP, request, response)["p50"])


class Client:
    """Asks a real risk manager, as a component would, and feeds it the quotes that its checks want."""

    def __init__(self, stack: ExitStack, mesh: Mesh) -> None:
        feed = SocketFactory(Component.MARKET_DATA_FEED, mesh.spec.endpoints)
        asking = SocketFactory(Component.SIGNAL_GENERATOR, mesh.spec.endpoints)
        stack.callback(asking.close)
        stack.callback(feed.close)
        ticks = feed.pub(Channel.MARKET_DATA)
        self._feed = MarketDataPublisher(ticks, "bench", _EPOCH, Metrics(), 0)
        mesh.start(stack, Component.RISK_MANAGER)
        ticks.poll()
        self._feed.answer_subscriptions()
        self._socket = asking.req(Channel.RISK_CHECK)
        self._sender = Sender(RISK_CHECK_REQUEST, "bench", _EPOCH)
        self._number = 0
        self._decision: Decision | None = None
        self.refused = 0

    def p50_us(self, count: int) -> float:
        """Asks that often. Raises `BenchError` where a check does not pass: the figure would be of something else."""
        now_ns = time.time_ns()
        self._feed.publish_event(Quote(SYMBOL, PRICE_E4, PRICE_E4 + 100, 100, 100, now_ns), now_ns)
        deadline_s = time.monotonic() + _QUOTED_WITHIN_S
        self._ask()
        while isinstance(self._decision, Refused) and time.monotonic() < deadline_s:
            self._ask()  # the quote is on its way
        refused = self.refused
        measured = _p50_us(self._ask, count)
        if self.refused > refused:
            raise BenchError(f"{self.refused - refused} checks did not pass: {self._decision}")
        return measured

    def _ask(self) -> int:
        self._number += 1
        now_ns = time.time_ns()
        request = request_of(self._number, now_ns)
        began_ns = time.perf_counter_ns()
        self._socket.send_multipart(self._sender.frames(request, now_ns))
        self._decision = read(RISK_CHECK_RESPONSE, self._socket.recv_multipart())[1].result
        elapsed_ns = time.perf_counter_ns() - began_ns
        if isinstance(self._decision, Refused):
            self.refused += 1
        return elapsed_ns


class EchoClient:
    """Asks an echo with frames of the same sizes."""

    def __init__(self, stack: ExitStack) -> None:
        [port] = free_ports(1)
        start(stack, echo_server, port, len(example_payloads()[1]))
        context = stack.enter_context(zmq.Context())
        self._socket = stack.enter_context(context.socket(zmq.REQ))
        self._socket.connect(f"tcp://127.0.0.1:{port}")
        self._frames = [bytes(HEADER.size), bytes(len(example_payloads()[0]))]

    def p50_us(self, count: int) -> float:
        """Asks that often."""
        return _p50_us(self._ask, count)

    def _ask(self) -> int:
        began_ns = time.perf_counter_ns()
        self._socket.send_multipart(self._frames)
        self._socket.recv_multipart()
        return time.perf_counter_ns() - began_ns


def _p50_us(elapsed_ns: Callable[[], int], count: int) -> float:
    for _ in range(WARM_UP):
        elapsed_ns()
    return median(elapsed_ns() for _ in range(count)) / 1e3


def request_of(number: int, now_ns: int) -> RiskCheckRequest:
    """A request that no other is like."""
    signal = Signal(
        signal_id=f"bench-{now_ns:x}-{number}",
        strategy="bench",
        symbol=SYMBOL,
        side=Side.BUY if number & 1 else Side.SELL,
        quantity=Decimal(number),
        reference_price=Decimal("182.00"),
        generated_ns=now_ns,
        valid_until_ns=now_ns + _VALID_NS,
        reason="fast 1820000.00, slow 1819999.00",
    )
    return RiskCheckRequest(f"{signal.signal_id}/signal", Stage.SIGNAL, signal, signal.reference_price, now_ns)


def example_payloads() -> tuple[bytes, bytes]:
    """A request and its answer as they are on the wire: the echo carries as many bytes."""
    now_ns = time.time_ns()
    request = request_of(1_000, now_ns)
    approved = Approved(f"r-{request.signal.signal_id}", now_ns, SIGNAL_PLAN.passed[-1])
    response = RiskCheckResponse(request.request_id, approved, 20, now_ns)
    return RISK_CHECK_REQUEST.encode(request), RISK_CHECK_RESPONSE.encode(response)


def echo_server(_pipe: Pipe, port: int, response_bytes: int) -> None:
    """The yardstick's server: takes two frames, gives two back."""
    socket = zmq.Context().socket(zmq.REP)
    socket.bind(f"tcp://127.0.0.1:{port}")
    frames = [bytes(HEADER.size), bytes(response_bytes)]
    while True:
        socket.recv_multipart()
        socket.send_multipart(frames)
