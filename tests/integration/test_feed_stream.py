"""Alpaca's market data stream through alpaca-py, against a server that refuses, falls silent or hangs up."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tradingmesh.adapters import alpaca_market_data
from tradingmesh.adapters.alpaca_market_data import AlpacaMarketData, StreamPlace
from tradingmesh.telemetry.metrics import Metrics

# isort: split
from alpaca.data.live.websocket import DataStream

TICK = {"T": "t", "S": "IBM", "p": 10.5, "s": 100, "i": 1, "c": [], "z": "A", "x": "V", "t": msgpack.Timestamp(1, 0)}
Talk = Callable[[ServerConnection], None]


def say(socket: ServerConnection, **message: Any) -> None:
    socket.send(msgpack.packb([message]))


def hear(socket: ServerConnection) -> Any:
    said = socket.recv(timeout=10)
    assert isinstance(said, bytes)
    return msgpack.unpackb(said)


def log_in(socket: ServerConnection) -> None:
    """The way in, up to the subscription."""
    say(socket, T="success", msg="connected")
    assert hear(socket) == {"action": "auth", "key": "key", "secret": "secret"}
    say(socket, T="success", msg="authenticated")
    assert hear(socket)["action"] == "subscribe"


def wait_for_close(socket: ServerConnection) -> None:
    for _ in socket:
        pass


def refuse_login(code: int, words: str) -> Talk:
    def talk(socket: ServerConnection) -> None:
        say(socket, T="success", msg="connected")
        hear(socket)
        say(socket, T="error", code=code, msg=words)

    return talk


def well(socket: ServerConnection) -> None:
    log_in(socket)
    say(socket, **TICK)
    wait_for_close(socket)


class Server:
    """The websocket side: `talks` are what it does with its connections, one after the other; then it is well."""

    def __init__(self, *talks: Talk) -> None:
        self._talks = list(talks)
        self.connections = 0
        self._server = serve(self._serve, "127.0.0.1", 0)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/v2/iex"

    def _serve(self, socket: ServerConnection) -> None:
        self.connections += 1
        talk = self._talks.pop(0) if self._talks else well
        try:
            talk(socket)
        except ConnectionClosed:
            return

    def close(self) -> None:
        self._server.shutdown()


class Feed:
    """The stream and what it counted."""

    def __init__(self, server: Server, data_timeout_s: float | None, *, paced: bool) -> None:
        self.server = server
        self.metrics = Metrics()
        place = StreamPlace("key", "secret", "iex", server.url, paced, data_timeout_s)
        self.stream = AlpacaMarketData(place, ["IBM"], self.metrics, wake=lambda: None)
        self.stream.start()

    def counted(self, name: str) -> dict[str, int]:
        found: dict[str, int] = self.metrics.snapshot()["counters"].get(name, {})
        return found


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Feed]]:
    """`listen(talks...)`: a stream that connects again after 10 ms rather than 1 to 30 s."""
    monkeypatch.setattr(DataStream, "_reconnect_delay", lambda *_: 0.01)
    made: list[Feed] = []

    def start(*talks: Talk, data_timeout_s: float | None = None, paced: bool = False) -> Feed:
        made.append(Feed(Server(*talks), data_timeout_s, paced=paced))
        return made[-1]

    yield start
    for feed in made:
        feed.stream.stop()
        assert not feed.stream._thread.is_alive()
        feed.server.close()


Listen = Callable[..., Feed]


def wait_for(condition: Callable[[], object]) -> None:
    give_up_s = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.002)


def test_lost_connection_is_told_and_made_again(listen: Listen) -> None:
    """There is a problem until the next one listens, and both are counted."""

    def cut(socket: ServerConnection) -> None:
        log_in(socket)
        cutting.wait(10)

    cutting, problems = threading.Event(), list[str]()
    feed = listen(cut)
    wait_for(lambda: feed.stream.problem == "")
    notes = feed.stream._stream._note
    feed.stream._stream._note = lambda problem, **more: (problems.append(problem), notes(problem, **more))[1]  # type: ignore[func-returns-value, method-assign]
    cutting.set()
    wait_for(lambda: feed.stream.take(1))
    assert problems == ["connection lost", "connecting", ""]
    assert feed.counted("stream_connections") == {"stream=market-data": 2}
    assert feed.counted("stream_failures") == {"stream=market-data": 1}


def test_mute_login_is_left(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and says nothing does not hold the feed up for ever."""
    monkeypatch.setattr(alpaca_market_data, "LOGIN_TIMEOUT_S", 1.0)
    feed = listen(wait_for_close)
    wait_for(lambda: feed.stream.take(1))
    assert feed.counted("stream_failures")["stream=market-data"] >= 1


def test_mute_socket_is_left(listen: Listen) -> None:
    """It answers pings and brings nothing: after the data timeout it is made anew."""

    def mute(socket: ServerConnection) -> None:
        log_in(socket)
        wait_for_close(socket)

    feed = listen(mute, mute, data_timeout_s=0.2)
    wait_for(lambda: feed.stream.take(1))
    assert feed.server.connections >= 3  # the one that brought it falls silent, too


def test_silence_of_a_paced_tape_is_borne(listen: Listen) -> None:
    """It waits for us: a reconnect would lose what is on its way."""

    def pause(socket: ServerConnection) -> None:
        log_in(socket)
        time.sleep(0.5)
        say(socket, **TICK)
        wait_for_close(socket)

    feed = listen(pause, data_timeout_s=0.1, paced=True)
    wait_for(lambda: feed.stream.take(1))
    assert feed.server.connections == 1


def test_taken_connection_is_tried_until_it_is_free(listen: Listen) -> None:
    """406: said in words that tell what to do, and tried again at the pace of alpaca-py's backoff."""
    feed = listen(*[refuse_login(406, "connection limit exceeded")] * 3)
    wait_for(lambda: "another one is open" in feed.stream.problem)
    wait_for(lambda: feed.stream.take(1))
    assert feed.server.connections == 4
    assert feed.stream.problem == ""


def test_backoff_of_refused_keys_is_no_storm(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """402: it says which variables to look at, and waits as long as alpaca-py does, which is up to half a minute."""
    monkeypatch.undo()
    feed = listen(*[refuse_login(402, "auth failed")] * 9)
    wait_for(lambda: "check APCA_API_KEY_ID" in feed.stream.problem)
    delays = [feed.stream._stream._reconnect_delay(retries) for retries in range(1, 12)]
    assert min(delays) >= 0.5
    assert delays[-1] >= 15
    assert feed.server.connections == 1


@pytest.mark.parametrize("code", [405, 409])
def test_refused_subscription_is_not_tried_again(listen: Listen, code: int) -> None:
    """It would be refused again: the connection stays, silent, and says why."""

    def refuse(socket: ServerConnection) -> None:
        log_in(socket)
        say(socket, T="error", code=code, msg="symbol limit exceeded")
        wait_for_close(socket)

    feed = listen(refuse, data_timeout_s=0.2)
    wait_for(lambda: feed.stream.problem == f"Alpaca says {code} symbol limit exceeded")
    time.sleep(0.5)
    assert (feed.server.connections, feed.stream.problem[:11]) == (1, "Alpaca says")
    assert feed.counted("stream_errors") == {f"code={code}": 1}


@pytest.mark.parametrize("code", [407, 500])
def test_passing_trouble_passes(listen: Listen, code: int) -> None:
    """A slow client, or the server's own trouble: told, counted, and over when data comes."""

    def stumble(socket: ServerConnection) -> None:
        log_in(socket)
        say(socket, T="error", code=code, msg="trouble")
        stumbled.wait(10)
        say(socket, **TICK)
        wait_for_close(socket)

    stumbled = threading.Event()
    feed = listen(stumble)
    wait_for(lambda: feed.stream.problem == f"Alpaca says {code} trouble")
    stumbled.set()
    wait_for(lambda: feed.stream.take(1))
    assert feed.stream.problem == ""


def test_every_feed_of_the_manifest_has_a_stream() -> None:
    """The delayed one too, which alpaca-py does not know."""
    for feed in ("iex", "sip", "delayed_sip"):
        stream = AlpacaMarketData(StreamPlace("key", "secret", feed, None), ["IBM"], Metrics(), wake=lambda: None)
        assert stream._stream._endpoint == f"wss://stream.data.alpaca.markets/v2/{feed}"
