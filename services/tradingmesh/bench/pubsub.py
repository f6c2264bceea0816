"""Market data from one process to another over tcp, beside raw pyzmq and C libzmq sending the same three frames.

All three wait for the subscriber rather than drop (XPUB_NODROP), and only what was received counts.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import zmq

from tradingmesh.adapters.zmq_market_data import Delivery, MarketDataPublisher, MarketDataSubscriber
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.bench import c_libzmq
from tradingmesh.bench.figures import ROUNDS, Goal, Report, Row, medians, row
from tradingmesh.bench.peers import BenchError, Pipe, free_ports, start
from tradingmesh.contract import Channel, Component, EndpointsSpec
from tradingmesh.core.market import MarketEvent, Quote, Trade
from tradingmesh.runtime.loop import Loop
from tradingmesh.telemetry.latency import Latency
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.wire.header import HEADER
from tradingmesh.wire.market import QUOTE, TRADE, topic_of

TICKS = 150_000
RAW_PYZMQ = "raw pyzmq"
_SYMBOLS = ("IBM", "BAC")
_EPOCH = 1


def run(*, rounds: int = ROUNDS, count: int = TICKS) -> Report:
    """Messages a second that arrive, with codec, gap check and metrics, one process a side."""
    with tempfile.TemporaryDirectory() as folder:
        program = c_libzmq.Program("pubsub", Path(folder))
        contestants: dict[str, Callable[[], float]] = {
            RAW_PYZMQ: partial(between, raw_publisher, raw_subscriber, count),
            "ours": partial(between, publisher, subscriber, count),
        }
        if not program.missing:
            contestants[c_libzmq.NAME] = partial(_in_c, program, count)
        measured = medians(contestants, rounds)
    return Report("pubsub", rounds, _rows(measured, program.missing))


def _rows(measured: dict[str, float], missing: str) -> list[Row]:
    figure, ours = "messages received", measured["ours"] / 1e3
    in_c = measured.get(c_libzmq.NAME)
    return [
        row(figure, "K/s", ours, beside=(RAW_PYZMQ, measured[RAW_PYZMQ] / 1e3), goal=Goal("ratio", 0.8)),
        row(figure, "K/s", ours, goal=Goal("value", 100)),
        row(figure, "K/s", ours, beside=(c_libzmq.NAME, in_c / 1e3 if in_c else None), note=missing),
    ]


def between(send: Callable[..., None], receive: Callable[..., None], count: int) -> float:
    """Messages a second from one process to the other. Raises `BenchError` where one of them is missing."""
    [port] = free_ports(1)
    with ExitStack() as stack:
        receiver = start(stack, receive, port, count)
        start(stack, send, port, count)
        received, missed, elapsed_ns = receiver.get()
    if received != count or missed:
        raise BenchError(f"{received} of {count} messages arrived, {missed} were missed: the figure would be wrong")
    return (count - 1) * 1e9 / float(elapsed_ns)


def _in_c(program: c_libzmq.Program, count: int) -> float:
    [port] = free_ports(1)
    return float(program.run(f"tcp://127.0.0.1:{port}", count, TRADE.size)["per_s"])


def endpoints(port: int) -> EndpointsSpec:
    """The market-data channel on that port."""
    return EndpointsSpec.model_validate({"marketData": {"port": port}})


def _ticks(count: int) -> list[MarketEvent]:
    """Trades and quotes of two symbols in turn."""
    ticks: list[MarketEvent] = []
    for number in range(count):
        symbol = _SYMBOLS[number >> 1 & 1]
        price_e4 = 1_820_000 + number % 1_000
        if number & 1:
            ticks.append(Quote(symbol, price_e4, price_e4 + 100, 200, 300, number))
        else:
            ticks.append(Trade(symbol, price_e4, 100, number))
    return ticks


def publisher(pipe: Pipe, port: int, count: int) -> None:
    """The feed's side: publishes as market-data-feed does, from events that are there."""
    metrics = Metrics()
    sockets = SocketFactory(Component.MARKET_DATA_FEED, endpoints(port))
    socket = sockets.pub(Channel.MARKET_DATA, lossless=True)
    publisher = MarketDataPublisher(socket, "bench", _EPOCH, metrics, sample_every=100)
    latency = Latency()
    ticks = _ticks(count)
    socket.poll()
    publisher.answer_subscriptions()
    now_ns = time.time_ns
    for tick in ticks:
        began_ns = now_ns()
        publisher.publish_event(tick, began_ns)
        latency.observe_ns(now_ns() - began_ns)
    pipe.recv()


def subscriber(pipe: Pipe, port: int, count: int) -> None:
    """A service's side: the poll loop, gap check, decoding, and the latency of each tick observed."""
    metrics = Metrics()
    loop = Loop()
    latency = Latency()
    arrived_ns: list[int] = []

    def on_event(_: MarketEvent, delivery: Delivery) -> None:
        now_ns = time.time_ns()
        latency.observe_ns(now_ns - delivery.timestamp_ns)
        if latency.count in {1, count}:
            arrived_ns.append(now_ns)
            if len(arrived_ns) == 2 or count == 1:
                loop.stop()

    socket = SocketFactory(Component.SIGNAL_GENERATOR, endpoints(port)).sub(Channel.MARKET_DATA)
    incoming = MarketDataSubscriber(socket, on_event, metrics, lambda *_: None, time.time_ns)
    loop.on_readable(socket, incoming.drain)
    loop.run()
    pipe.send((incoming.received.value, incoming.gaps.value, arrived_ns[-1] - arrived_ns[0]))


def raw_publisher(pipe: Pipe, port: int, count: int) -> None:
    """The yardstick's side: `send_multipart` of frames that are there."""
    socket = zmq.Context().socket(zmq.XPUB)
    socket.setsockopt(zmq.XPUB_NODROP, 1)
    socket.bind(f"tcp://127.0.0.1:{port}")
    trade, quote = ([topic_of("IBM"), bytes(HEADER.size), bytes(size)] for size in (TRADE.size, QUOTE.size))
    socket.recv()
    for number in range(count):
        socket.send_multipart(quote if number & 1 else trade)
    pipe.recv()


def raw_subscriber(pipe: Pipe, port: int, count: int) -> None:
    """The yardstick's other side: `recv_multipart`, and nothing else."""
    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.connect(f"tcp://127.0.0.1:{port}")
    socket.recv_multipart()
    began_ns = time.time_ns()
    for _ in range(count - 1):
        socket.recv_multipart()
    pipe.send((count, 0, time.time_ns() - began_ns))
