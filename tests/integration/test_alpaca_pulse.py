"""Alpaca's streams through a link that swallows: silence is told in two seconds, long before the link is given up."""

import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.integration.test_execution_stream import welcome
from tests.integration.test_feed_stream import log_in
from tradingmesh.adapters.alpaca_market_data import AlpacaMarketData, StreamPlace
from tradingmesh.adapters.alpaca_pulse import ANSWER_WITHIN_S, PULSE_EVERY_S, SILENT
from tradingmesh.adapters.alpaca_stream import AlpacaStream
from tradingmesh.core.orders.effects import BrokerEvent, StreamState
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.testing.tcp_proxy import TcpProxy

FOUND_WITHIN_S = 2.0
SLACK_S = 0.5
"""For a machine with other work."""
TRIES = 3
"""One good try is enough: while the machine itself stands still, no ping of anybody is answered."""
WELL_FOR_S = PULSE_EVERY_S + ANSWER_WITHIN_S + 0.25


class Broker:
    """Greets who comes, then says nothing, but answers pings; the link to it can swallow."""

    def __init__(self, greet: Callable[[ServerConnection], object]) -> None:
        self._server = serve(lambda socket: self._serve(socket, greet), "127.0.0.1", 0)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.link = TcpProxy(0, self._server.socket.getsockname()[1])
        self.url = f"ws://127.0.0.1:{self.link.port}"

    @staticmethod
    def _serve(socket: ServerConnection, greet: Callable[[ServerConnection], object]) -> None:
        try:
            greet(socket)
            for _ in socket:
                pass
        except ConnectionClosed:
            return

    def close(self) -> None:
        self.link.close()
        self._server.shutdown()


@pytest.fixture
def broker() -> Iterator[Callable[..., Broker]]:
    made: list[Broker] = []

    def start(greet: Callable[[ServerConnection], object]) -> Broker:
        made.append(Broker(greet))
        return made[-1]

    yield start
    for one in made:
        one.close()


def _until(condition: Callable[[], object]) -> float:
    """How long it took."""
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() < began_s + 15
        time.sleep(0.002)
    return time.monotonic() - began_s


def _says_nothing(heard: "SimpleQueue[BrokerEvent]") -> bool:
    try:
        heard.get(timeout=WELL_FOR_S)
    except Empty:
        return True
    return False


def _order_stream_tells_in_time(there: Broker) -> bool:
    """Nothing while the link is well, then once that it is silent, in time."""
    heard: SimpleQueue[BrokerEvent] = SimpleQueue()
    stream = AlpacaStream("key", "secret", there.url, heard.put, paper=True)
    stream.start()
    try:
        assert heard.get(timeout=15) == StreamState("")
        if not _says_nothing(heard):
            return False
        there.link.swallow = "both"
        began_s = time.monotonic()
        assert heard.get(timeout=15) == StreamState(SILENT)
        return time.monotonic() - began_s < FOUND_WITHIN_S + SLACK_S and _says_nothing(heard)
    finally:
        stream.stop()


@pytest.mark.timeout(120)
def test_a_mute_order_stream_is_told_in_time(broker: Callable[..., Broker]) -> None:
    """A link that is well says nothing; one that swallows is told once, and stays up: a new login is not worth a hitch.

    Shown to fail: without the pulse nothing is told before the 15 s of the websocket library.
    """
    assert any(_order_stream_tells_in_time(broker(welcome)) for _ in range(TRIES))


@pytest.mark.timeout(120)
def test_a_mute_market_data_stream_is_told_in_time(broker: Callable[..., Broker]) -> None:
    """There is a problem as soon as no ping is answered."""
    assert any(_market_data_stream_tells_in_time(broker(log_in)) for _ in range(TRIES))


def _market_data_stream_tells_in_time(there: Broker) -> bool:
    feed = AlpacaMarketData(StreamPlace("key", "secret", "iex", there.url), ["IBM"], Metrics(), wake=lambda: None)
    feed.start()
    try:
        _until(lambda: not feed.problem)
        time.sleep(WELL_FOR_S)
        if feed.problem:
            return False
        there.link.swallow = "both"
        return _until(lambda: feed.problem == SILENT) < FOUND_WITHIN_S + SLACK_S
    finally:
        feed.stop()
