"""Alpaca's order stream through alpaca-py, against a server that falls silent, hangs up, or says nonsense."""

import json
import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from tradingmesh.adapters import alpaca_stream
from tradingmesh.adapters.alpaca_stream import AlpacaStream
from tradingmesh.core.orders.effects import (
    BrokerEvent,
    StreamState,
    UpdateUnreadable,
)
from tradingmesh.core.orders.record import OrderUpdate

ORDER = {
    "id": "00000000-0000-0000-0000-000000000001",
    "client_order_id": "c-1",
    "created_at": "2024-01-02T15:00:01Z",
    "symbol": "IBM",
    "qty": "100",
    "filled_qty": "0",
    "side": "buy",
    "status": "new",
}


class Stream:
    """The websocket side: `talk` is what it says to the next connections, one after the other."""

    def __init__(self, *talks: Callable[[ServerConnection], None]) -> None:
        self._talks = list(talks)
        self.connections = 0
        self._server = serve(self._serve, "127.0.0.1", 0)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/stream"

    def _serve(self, socket: ServerConnection) -> None:
        self.connections += 1
        if self._talks:
            self._talks.pop(0)(socket)

    def close(self) -> None:
        self._server.shutdown()


def say(socket: ServerConnection, stream: str, data: Any) -> None:
    socket.send(json.dumps({"stream": stream, "data": data}).encode())


def welcome(socket: ServerConnection) -> None:
    assert json.loads(socket.recv())["data"] == {"key_id": "key", "secret_key": "secret"}
    say(socket, "authorization", {"status": "authorized", "action": "authenticate"})
    assert json.loads(socket.recv()) == {"action": "listen", "data": {"streams": ["trade_updates"]}}
    say(socket, "listening", {"streams": ["trade_updates"]})


def update(event: str, **changes: Any) -> dict[str, Any]:
    return {"event": event, "timestamp": "2024-01-02T15:00:01Z", "order": ORDER, **changes}


def wait_for_close(socket: ServerConnection) -> None:
    for _ in socket:
        pass


def welcome_and_wait(socket: ServerConnection) -> None:
    welcome(socket)
    wait_for_close(socket)


@pytest.fixture
def listen() -> Iterator[Callable[[Stream], SimpleQueue[BrokerEvent]]]:
    made: list[tuple[AlpacaStream, Stream]] = []

    def start(server: Stream) -> SimpleQueue[BrokerEvent]:
        heard: SimpleQueue[BrokerEvent] = SimpleQueue()
        stream = AlpacaStream("key", "secret", server.url, heard.put, paper=True)
        made.append((stream, server))
        stream.start()
        return heard

    yield start
    for stream, server in made:
        stream.stop()
        assert not stream._thread.is_alive()
        server.close()


Listen = Callable[[Stream], "SimpleQueue[BrokerEvent]"]


def test_stream_tells_when_it_listens_and_what_it_hears(listen: Listen) -> None:
    """In order: listening, then each update; one that cannot be read is told, and the next comes through."""

    def talk(socket: ServerConnection) -> None:
        welcome(socket)
        say(socket, "trade_updates", update("new"))
        say(socket, "trade_updates", update("fill", price="oops", qty="1"))
        socket.send(b"no json")
        say(socket, "trade_updates", update("done_for_day"))
        wait_for_close(socket)

    heard = listen(Stream(talk))
    events = [heard.get(timeout=5) for _ in range(5)]
    assert [type(event) for event in events] == [
        StreamState,
        OrderUpdate,
        UpdateUnreadable,
        UpdateUnreadable,
        OrderUpdate,
    ]
    assert events[0] == StreamState("")
    assert isinstance(events[4], OrderUpdate)
    assert events[4].event == "done_for_day"


def test_lost_connection_is_told_and_made_again(listen: Listen) -> None:
    """Problem, then listening again: that is when the broker must be asked what was missed."""
    heard = listen(Stream(welcome, welcome_and_wait))
    assert heard.get(timeout=5) == StreamState("")
    lost = heard.get(timeout=5)
    assert isinstance(lost, StreamState)
    assert "connection lost" in lost.problem
    assert heard.get(timeout=5) == StreamState("")


def test_refused_keys_are_told_and_not_tried_over_and_over(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear reason, and no storm."""
    monkeypatch.setattr(alpaca_stream, "RECONNECT_MIN_S", 0.01)
    monkeypatch.setattr(alpaca_stream, "RECONNECT_MAX_S", 0.01)

    def refuse(socket: ServerConnection) -> None:
        socket.recv()
        say(socket, "authorization", {"status": "unauthorized", "action": "authenticate"})
        wait_for_close(socket)

    server = Stream(*[refuse] * 20)
    heard = listen(server)
    told = heard.get(timeout=5)
    assert isinstance(told, StreamState)
    assert "refuses the keys" in told.problem
    with pytest.raises(Empty):
        heard.get(timeout=0.3)
    assert server.connections == 1


def test_mute_server_is_left(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login without an answer ends in bounded time, and is tried again."""
    monkeypatch.setattr(alpaca_stream, "LOGIN_TIMEOUT_S", 1.0)
    heard = listen(Stream(wait_for_close, welcome_and_wait))
    told = heard.get(timeout=5)
    assert isinstance(told, StreamState)
    assert "cannot connect" in told.problem
    assert heard.get(timeout=5) == StreamState("")
