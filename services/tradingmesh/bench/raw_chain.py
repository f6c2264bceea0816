"""The yardstick of tick-to-order in bare pyzmq: the same four processes and sockets, and nothing between them."""

import struct
import time
from contextlib import ExitStack
from statistics import median

import zmq

from tradingmesh.bench.peers import Pipe, free_ports, start
from tradingmesh.bench.riskcheck import example_payloads
from tradingmesh.wire.header import HEADER
from tradingmesh.wire.market import QUOTE

_SENT = struct.Struct("<q")
_ORDER_BYTES = 576
_SETTLE_S = 0.5


class RawChain:
    """feed -PUB-> signal -REQ-> risk -REP-> signal -PUSH-> execution -REQ-> risk -REP-> execution."""

    def __init__(self, stack: ExitStack) -> None:
        ticks, risk, orders = (f"tcp://127.0.0.1:{port}" for port in free_ports(3))
        request, response = map(len, example_payloads())
        start(stack, risk_manager, risk, response)
        self._engine = start(stack, execution_engine, risk, orders, request)
        self._feed = start(stack, feed, ticks)
        start(stack, signal_generator, ticks, risk, orders, request)
        self._feed.get()
        time.sleep(_SETTLE_S)

    def p50_us(self, count: int, warm_up: int, interval_s: float) -> float:
        """Sends that many ticks down the way."""
        self._engine.put(warm_up + count)
        self._feed.put((warm_up + count, interval_s))
        return float(median(self._engine.get()[warm_up:])) / 1e3


def _socket(kind: int, address: str, *, bind: bool = False) -> "zmq.Socket[bytes]":
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    socket = context.socket(kind)
    if bind:
        socket.bind(address)
    else:
        socket.connect(address)
    return socket


def feed(pipe: Pipe, ticks: str) -> None:
    """Publishes ticks whose header begins with the time."""
    socket = _socket(zmq.XPUB, ticks, bind=True)
    rest, payload = bytes(HEADER.size - _SENT.size), bytes(QUOTE.size)
    socket.recv()
    pipe.send("heard")
    while True:
        count, interval_s = pipe.recv()
        for _ in range(count):
            time.sleep(interval_s)
            socket.send_multipart([b"IBM\0", _SENT.pack(time.time_ns()) + rest, payload])


def signal_generator(_pipe: Pipe, ticks: str, risk: str, orders: str, request_bytes: int) -> None:
    """A request for each tick, and an order after its answer."""
    incoming = _socket(zmq.SUB, ticks)
    incoming.setsockopt(zmq.SUBSCRIBE, b"")
    asking, outgoing = _socket(zmq.REQ, risk), _socket(zmq.PUSH, orders)
    request, order = bytes(request_bytes), bytes(_ORDER_BYTES)
    while True:
        _, header, _ = incoming.recv_multipart()
        asking.send_multipart([header, request])
        asking.recv_multipart()
        outgoing.send_multipart([header, order])


def risk_manager(_pipe: Pipe, risk: str, response_bytes: int) -> None:
    """An answer for each request."""
    socket = _socket(zmq.REP, risk, bind=True)
    response = bytes(response_bytes)
    while True:
        header, _ = socket.recv_multipart()
        socket.send_multipart([header, response])


def execution_engine(pipe: Pipe, risk: str, orders: str, request_bytes: int) -> None:
    """A request for each order; after its answer the order is ready."""
    incoming, asking = _socket(zmq.PULL, orders, bind=True), _socket(zmq.REQ, risk)
    request = bytes(request_bytes)
    while True:
        elapsed_ns = []
        for _ in range(pipe.recv()):
            header, _ = incoming.recv_multipart()
            asking.send_multipart([header, request])
            asking.recv_multipart()
            elapsed_ns.append(time.time_ns() - _SENT.unpack_from(header)[0])
        pipe.send(elapsed_ns)
