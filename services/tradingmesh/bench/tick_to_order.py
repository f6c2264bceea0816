"""From a tick's publication to an order ready to POST: feed, signal generator, risk manager, execution engine.

Four processes of the real services with every check and every metric on; only the broker is one that records. The same
chain in bare C libzmq and in bare pyzmq (sockets only: nothing is decoded, checked or kept) runs in turn with them.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median

from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.adapters.zmq_market_data import MarketDataPublisher
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.bench import c_libzmq
from tradingmesh.bench.figures import ROUNDS, Goal, Report, Row, medians, row
from tradingmesh.bench.mesh import SYMBOL, Mesh
from tradingmesh.bench.peers import BenchError, Pipe, free_ports, start
from tradingmesh.bench.raw_chain import RawChain
from tradingmesh.contract import Channel, Component, EndpointsSpec
from tradingmesh.core.market import Quote
from tradingmesh.core.money import ZERO
from tradingmesh.core.orders.effects import SubmitAnswered
from tradingmesh.core.orders.record import Order, OrderEvent, OrderUpdate
from tradingmesh.core.signal import Side
from tradingmesh.core.strategy import Strategy, Wish
from tradingmesh.execution_engine.engine import ExecutionEngine
from tradingmesh.ports import ReadyOrder
from tradingmesh.runtime.component import Context, Service, run_component
from tradingmesh.runtime.settings import Settings
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.testing.recording_broker import RecordingBroker

TICKS = 300
WARM_UP = 50
INTERVAL_S = 0.002
C_CHAIN = "C libzmq, tcp"
RAW_CHAIN = "raw pyzmq, tcp"
MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made there is of a random name
PRICE_E4 = 1_820_000
_EPOCH = 1
_SETTLE_S = 0.25
_TRIES = 50
_STRATEGY = {"name": "every-tick", "uses": "tradingmesh.bench.tick_to_order:EveryTick", "symbols": [SYMBOL]}


def run(*, rounds: int = ROUNDS, count: int = TICKS) -> Report:
    """Microseconds from the tick's publish timestamp to the order being ready."""
    with _folder() as name, ExitStack() as stack:
        folder = Path(name)
        program = c_libzmq.Program("chain", folder)
        contestants: dict[str, Callable[[], float]] = {}
        if not program.missing:
            contestants[C_CHAIN] = partial(_in_c, program, count)
        chains = {transport: Chain(stack, folder / transport, transport) for transport in ("tcp", "ipc")}
        contestants |= {transport: partial(chain.p50_us, count) for transport, chain in chains.items()}
        contestants[RAW_CHAIN] = partial(RawChain(stack).p50_us, count, WARM_UP, INTERVAL_S)
        measured = medians(contestants, rounds)
        lost = {transport: f"{chain.lost} lost" if chain.lost else "" for transport, chain in chains.items()}
    return Report("tick-to-order", rounds, _rows(measured, lost, program.missing))


def _folder() -> "tempfile.TemporaryDirectory[str]":
    """In memory where that can be: the way to an order that is ready has no disk on it, but the same thread syncs."""
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)


def _rows(measured: dict[str, float], lost: dict[str, str], missing: str) -> list[Row]:
    in_c, bare = (C_CHAIN, measured.get(C_CHAIN)), (RAW_CHAIN, measured[RAW_CHAIN])
    over_tcp, over_ipc = "tick to order over tcp, p50", "tick to order over ipc, p50"
    return [
        row(over_tcp, "µs", measured["tcp"], beside=in_c, goal=Goal("ratio", 1.7, at_most=True), note=missing),
        row(over_tcp, "µs", measured["tcp"], beside=bare, note=lost["tcp"]),
        row(over_ipc, "µs", measured["ipc"], goal=Goal("value", 542, at_most=True), note=lost["ipc"]),
    ]


def _in_c(program: c_libzmq.Program, count: int) -> float:
    ticks, risk, orders = (f"tcp://127.0.0.1:{port}" for port in free_ports(3))
    return float(program.run(count, WARM_UP, int(INTERVAL_S * 1e6), ticks, risk, orders)["p50"])


class Chain:
    """The four processes over one transport. `lost` counts the ticks that came to no order."""

    def __init__(self, stack: ExitStack, folder: Path, transport: str) -> None:
        folder.mkdir()
        mesh = Mesh(folder, transport=transport, strategies=[_STRATEGY])
        mesh.start(stack, Component.RISK_MANAGER)
        self._feed = start(stack, feed, mesh.spec.endpoints, folder)
        self._feed.get()
        self._engine = start(stack, engine, mesh.settings(Component.EXECUTION_ENGINE))
        mesh.wait_ready(Component.EXECUTION_ENGINE)
        mesh.start(stack, Component.SIGNAL_GENERATOR)
        for _ in range(_TRIES):
            if self._elapsed_ns(1):
                break
        self.lost = 0

    def p50_us(self, count: int) -> float:
        """Sends that many ticks down the way. Raises `BenchError` where a tenth of them came to no order."""
        elapsed_ns = self._elapsed_ns(WARM_UP + count)
        lost = WARM_UP + count - len(elapsed_ns)
        self.lost += lost
        if lost * 10 > count:
            raise BenchError(f"{lost} of {WARM_UP + count} ticks came to no order")
        return median(elapsed_ns[-count:]) / 1e3

    def _elapsed_ns(self, count: int) -> list[int]:
        self._feed.put(count)
        published: dict[str, int] = self._feed.get()
        time.sleep(_SETTLE_S)
        self._engine.put("ready")
        ready: dict[str, int] = self._engine.get()
        return [ready[trace_id] - sent_ns for trace_id, sent_ns in published.items() if trace_id in ready]


def feed(pipe: Pipe, endpoints: EndpointsSpec, ipc_dir: Path) -> None:
    """Publishes as many quotes as it is told to, one each `INTERVAL_S`; answers with their traces and times."""
    socket = SocketFactory(Component.MARKET_DATA_FEED, endpoints, ipc_dir=ipc_dir).pub(Channel.MARKET_DATA)
    publisher = MarketDataPublisher(socket, "bench", _EPOCH, Metrics(), 0)
    socket.poll()
    publisher.answer_subscriptions()
    pipe.send("heard")
    number = 0
    while True:
        published: dict[str, int] = {}
        for _ in range(pipe.recv()):
            time.sleep(INTERVAL_S)
            publisher.answer_subscriptions()
            number += 1
            now_ns = time.time_ns()
            quote = Quote(SYMBOL, PRICE_E4 + number % 100, PRICE_E4 + 100 + number % 100, 100, 100, now_ns)
            published[publisher.publish_event(quote, now_ns).hex()] = now_ns
        pipe.send(published)


class EveryTick(Strategy):
    """Wishes at every quote, each time another quantity, so that no wish is a duplicate."""

    def __init__(self) -> None:
        self._count = 0

    def on_quote(self, quote: Quote) -> tuple[Wish]:
        """A wish."""
        self._count += 1
        side = Side.BUY if self._count & 1 else Side.SELL
        return (Wish(quote.symbol, side, Decimal(self._count), quote.ask_e4, reason="every tick"),)


def engine(pipe: Pipe, settings: Settings) -> None:
    """The execution engine before a broker that takes every order."""
    broker = _Broker()

    def build(context: Context) -> Service:
        outbox = Outbox(context.data_dir / "outbox.db", context.clock.now_ns())
        context.loop.on_readable(pipe.fileno(), tell)
        return ExecutionEngine(context, broker, outbox)

    def tell() -> None:
        pipe.recv()
        pipe.send(broker.ready_ns)
        broker.ready_ns = {}

    run_component(Component.EXECUTION_ENGINE, build, settings)


class _Broker(RecordingBroker):
    """Keeps when each order was ready, by the trace of its tick."""

    def __init__(self) -> None:
        super().__init__()
        self.ready_ns: dict[str, int] = {}

    def prepare(self, order: Order) -> ReadyOrder:
        self.ready_ns[order.trace_id] = time.time_ns()
        return ReadyOrder(order, {})

    def submit(self, ready: ReadyOrder) -> None:
        order = ready.order
        update = OrderUpdate(
            event=OrderEvent.NEW,
            order_id=f"b-{order.client_order_id}",
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            cumulative_quantity=ZERO,
            timestamp_ns=order.created_ns,
        )
        self.deliver(SubmitAnswered(update))
