"""Every fault of the two websockets as the unmodified alpaca-py meets it."""

import asyncio
import logging
import queue
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import requests

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py uses websockets' legacy client
    from alpaca.data.live import StockDataStream
    from alpaca.trading.stream import TradingStream

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WAIT_S = 10.0
ALL = ["pending_new", "new", "fill"]
UPDATES = {"where": "trade-updates"}
TICKS = {"where": "market-data"}


class Heard:
    """What a stream of alpaca-py hears, in a thread of its own."""

    def __init__(self, stream: TradingStream | StockDataStream) -> None:
        self.stream = stream
        self.messages: queue.Queue[Any] = queue.Queue()
        self._thread = threading.Thread(target=stream.run)

    async def hear(self, message: Any) -> None:
        self.messages.put(message)

    def start(self) -> None:
        self._thread.start()

    def next(self) -> Any:
        return self.messages.get(timeout=WAIT_S)

    def stop(self) -> None:
        assert self.stream._loop is not None
        for ending in (self.stream.stop_ws, self.stream.close):
            asyncio.run_coroutine_threadsafe(ending(), self.stream._loop).result(WAIT_S)
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


@pytest.fixture
def updates(broker: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """alpaca-py's TradingStream, listening; it comes again soon when it is cut off."""
    caplog.set_level(logging.CRITICAL, "alpaca.trading.stream")
    stream = TradingStream("key-id", "secret", raw_data=True, url_override=f"ws://{broker.address}/stream")
    monkeypatch.setattr(stream, "_reconnect_delay", lambda _: 0.02)
    heard = Heard(stream)
    stream.subscribe_trade_updates(heard.hear)
    heard.start()
    broker.wait_for(lambda: listening(broker) == 1)
    yield heard
    heard.stop()


@pytest.fixture
def ticks(broker: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """alpaca-py's StockDataStream for IBM's quotes, not started yet."""
    caplog.set_level(logging.CRITICAL, "alpaca.data.live.websocket")
    stream = StockDataStream("key-id", "secret", raw_data=True, url_override=f"ws://{broker.address}/v2/iex")
    monkeypatch.setattr(stream, "_reconnect_delay", lambda _: 0.02)
    heard = Heard(stream)
    stream.subscribe_quotes(heard.hear, "IBM")
    yield heard
    heard.stop()


def listening(broker: Any) -> int:
    return sum(one.listening for one in broker.simulator.trading_stream._clients)


def buy(broker: Any) -> None:
    """One order of one share: three updates."""
    order = {"symbol": "IBM", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
    keys = {"APCA-API-KEY-ID": "key-id", "APCA-API-SECRET-KEY": "secret"}
    url = f"http://{broker.address}/v2/orders"
    requests.post(url, json=order, headers=keys, timeout=WAIT_S).raise_for_status()


def events(heard: Heard, count: int) -> list[str]:
    return [heard.next()["data"]["event"] for _ in range(count)]


def test_updates_are_dropped_and_doubled(broker: Any, updates: Heard) -> None:
    """The first of an order's updates is not told, the second twice."""
    broker.inject(UPDATES | {"what": "drop", "times": 1}, UPDATES | {"what": "duplicate", "times": 1})
    buy(broker)
    buy(broker)
    assert events(updates, 6) == ["new", "new", "fill", *ALL]
    assert broker.struck == [1, 1]


def test_updates_are_delayed_in_order_and_reordered_out_of_it(broker: Any, updates: Heard) -> None:
    """A delay holds up what follows; a reordered update is overtaken."""
    held = {"min": "200ms", "max": "200ms", "times": 1}
    broker.inject(UPDATES | {"what": "delay"} | held)
    began_s = time.monotonic()
    buy(broker)
    assert events(updates, 3) == ALL
    assert time.monotonic() - began_s >= 0.2
    broker.inject(UPDATES | {"what": "reorder"} | held)
    buy(broker)
    assert events(updates, 3) == ["new", "fill", "pending_new"]


def test_a_cut_stream_is_refused_and_comes_back(broker: Any, updates: Heard) -> None:
    """What happened meanwhile is not told again."""
    broker.inject(UPDATES | {"what": "cut"})
    broker.wait_for(lambda: not listening(broker))
    broker.wait_for(lambda: broker.struck[0] >= 3)
    buy(broker)
    broker.faults("DELETE")
    broker.wait_for(lambda: listening(broker) == 1)
    buy(broker)
    assert events(updates, 3) == ALL
    assert updates.messages.empty()


def test_a_cut_begins_and_ends_in_its_time(broker: Any, updates: Heard) -> None:
    """From the manifest or from PUT: `after` it was put in force, `for` so long."""
    (before,) = broker.simulator.trading_stream._clients
    broker.inject(UPDATES | {"what": "cut", "after": "100ms", "for": "1s"})
    broker.wait_for(lambda: broker.struck[0])
    broker.wait_for(lambda: listening(broker) == 1 and before not in broker.simulator.trading_stream._clients)
    assert updates.messages.empty()


def ping(stream: TradingStream | StockDataStream, within_s: float = 0.3) -> bool:
    """Whether a websocket ping of the client is answered in time."""

    async def answered() -> bool:
        pong = await stream._ws.ping()  # type: ignore[attr-defined]  # connected it has one
        done, _ = await asyncio.wait([pong], timeout=within_s)
        pong.cancel()
        return bool(done)

    assert stream._loop is not None
    return asyncio.run_coroutine_threadsafe(answered(), stream._loop).result(WAIT_S)


@pytest.mark.parametrize("answers", [True, False])
def test_a_mute_stream_says_nothing(broker: Any, updates: Heard, answers: bool) -> None:  # noqa: FBT001 - both kinds
    """It stays open; whether a ping is answered is chosen. What it did not say is never said."""
    assert ping(updates.stream, WAIT_S / 2)
    broker.inject(UPDATES | {"what": "mute", "answersPings": answers})
    buy(broker)
    assert ping(updates.stream, WAIT_S / 2 if answers else 0.3) is answers
    assert listening(broker) == 1
    broker.faults("DELETE")
    buy(broker)
    assert events(updates, 3) == ALL


def test_ticks_are_dropped_doubled_and_reordered(broker: Any, ticks: Heard) -> None:
    """Each quote has a size of its own to know it by."""
    ticks.start()
    broker.wait_for(broker.simulator.data_stream.subscribed.is_set)
    broker.inject(TICKS | {"what": "drop", "times": 1})
    broker.quote(1)
    broker.inject(TICKS | {"what": "duplicate", "times": 1})
    broker.quote(2)
    broker.inject(TICKS | {"what": "reorder", "times": 1, "min": "1s", "max": "1s"})
    for size in (3, 4, 5):
        broker.quote(size)
    assert [ticks.next()["bs"] for _ in range(5)] == [2, 2, 4, 5, 3]
    broker.inject(TICKS | {"what": "delay", "times": 1, "min": "100ms", "max": "100ms"})
    for size in (6, 7):
        broker.quote(size)
    assert [ticks.next()["bs"] for _ in range(2)] == [6, 7]


def test_the_data_stream_is_muted_and_cut(broker: Any, ticks: Heard) -> None:
    """Muted it stays open, cut it is gone and comes back with its subscription."""
    ticks.start()
    broker.wait_for(broker.simulator.data_stream.subscribed.is_set)
    broker.inject(TICKS | {"what": "mute", "answersPings": False})
    broker.quote(1)
    assert not ping(ticks.stream)
    assert broker.simulator.data_stream.clients == 1
    broker.inject(TICKS | {"what": "cut"})
    broker.wait_for(lambda: broker.struck[0] >= 3)
    assert not broker.simulator.data_stream.clients
    broker.faults("DELETE")
    broker.wait_for(broker.simulator.data_stream.subscribed.is_set)
    broker.quote(2)
    assert ticks.next()["bs"] == 2


@pytest.mark.parametrize("path", ["/stream", "/v2/iex"])
async def test_who_comes_to_a_mute_stream_is_let_in_and_not_greeted(broker: Any, path: str) -> None:
    """Nor is a login answered: a client must bound how long it waits for that."""
    broker.inject(UPDATES | {"what": "mute"}, TICKS | {"what": "mute"})
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://{broker.address}{path}") as socket:
        await socket.send_json({"action": "auth", "key": "key-id", "secret": "secret"})
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.2)
        assert not socket.closed


@pytest.mark.parametrize("code", [405, 406, 407, 409, 500])
def test_the_data_stream_tells_errors(broker: Any, ticks: Heard, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """406 refuses a login, 405 and 409 a subscription, 407 and 500 come among the ticks: alpaca-py only logs them."""
    told: queue.Queue[Any] = queue.Queue()
    dispatch = ticks.stream._dispatch

    async def note(message: Any) -> None:
        if message["T"] == "error":
            told.put(message["code"])
        await dispatch(message)

    monkeypatch.setattr(ticks.stream, "_dispatch", note)
    broker.inject(TICKS | {"what": "error", "code": code, "times": 1})
    ticks.start()
    if code == 406:
        broker.wait_for(broker.simulator.data_stream.subscribed.is_set)  # it came again, and was let in
    else:
        broker.wait_for(lambda: broker.simulator.data_stream.clients)
        if code in (407, 500):
            broker.wait_for(broker.simulator.data_stream.subscribed.is_set)
            broker.quote()
        assert told.get(timeout=WAIT_S) == code
    assert broker.struck == [1]
