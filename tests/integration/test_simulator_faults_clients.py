"""Every fault as the unmodified alpaca-py meets it; and `/simulator/faults`, where faults are shown and changed."""

import asyncio
import logging
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests
import structlog
from aiohttp import web

from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.app import Simulator, Telemetry
from tradingmesh.alpaca_simulator.http import Keys, RateLimit
from tradingmesh.core.market import Quote, Tick
from tradingmesh.telemetry.metrics import Metrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py uses websockets' legacy client
    from alpaca.common.exceptions import APIError
    from alpaca.data.live import StockDataStream
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, TimeInForce
    from alpaca.trading.requests import MarketOrderRequest
    from alpaca.trading.stream import TradingStream

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

KEYS = Keys("key-id", "secret")
OPEN_NS = 1_709_562_600 * 10**9
WAIT_S = 10.0
UPDATES = {"where": "trade-updates"}
TICKS = {"where": "market-data"}
ALL = ["pending_new", "new", "fill"]
REST = {"where": "rest", "requests": "POST /v2/orders"}


class Tape(list[Tick]):
    """A tape in memory."""

    @property
    def length(self) -> int:
        return len(self)


class Broker:
    """A simulator served from a thread."""

    def __init__(self) -> None:
        self.metrics = Metrics(component="test")
        telemetry = Telemetry(self.metrics, structlog.get_logger())
        tape = Tape([Quote("IBM", 999_800, 1_000_200, 500, 500, OPEN_NS)])
        self.simulator = Simulator(tape, ["IBM"], "max", Account(Decimal(1_000_000)), "test", KEYS, telemetry)
        app = self.simulator.application(RateLimit(60_000, lambda: 0.0), KEYS, telemetry)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._runner.setup())
        self._loop.run_until_complete(web.TCPSite(self._runner, "127.0.0.1", 0).start())
        self.address = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.now_ns = OPEN_NS
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def quote(self, bid_size: int = 500) -> None:
        """The market moves; whatever follows of it at once has left."""
        self.now_ns += 1_000_000
        event = Quote("IBM", 999_800, 1_000_200, bid_size, 500, self.now_ns)
        asyncio.run_coroutine_threadsafe(self.simulator._on_event(event), self._loop).result(WAIT_S)

    def faults(self, method: str = "GET", **told: Any) -> requests.Response:
        return requests.request(method, f"http://{self.address}/simulator/faults", timeout=WAIT_S, **told)

    def inject(self, *faults: dict[str, Any]) -> None:
        self.faults("PUT", json={"inject": faults}).raise_for_status()

    @property
    def struck(self) -> list[int]:
        told: list[int] = self.faults().json()["struck"]
        return told

    @property
    def taken(self) -> int:
        return len(self.simulator.exchange.orders)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(WAIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()


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
def broker() -> Iterator[Broker]:
    """A broker whose IBM is quoted, 500 a side."""
    made = Broker()
    made.quote()
    yield made
    made.close()


@pytest.fixture
def client(broker: Broker) -> Iterator[TradingClient]:
    """alpaca-py, which does not wait as long before it tries again."""
    made = TradingClient(*KEYS, url_override=f"http://{broker.address}")
    made._retry_wait = 0
    yield made
    made._session.close()


@pytest.fixture
def updates(broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """alpaca-py's TradingStream, listening; it comes again soon when it is cut off."""
    caplog.set_level(logging.CRITICAL, "alpaca.trading.stream")
    stream = TradingStream(*KEYS, raw_data=True, url_override=f"ws://{broker.address}/stream")
    monkeypatch.setattr(stream, "_reconnect_delay", lambda _: 0.02)
    heard = Heard(stream)
    stream.subscribe_trade_updates(heard.hear)
    heard.start()
    wait_for(lambda: listening(broker) == 1)
    yield heard
    heard.stop()


@pytest.fixture
def ticks(broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """alpaca-py's StockDataStream for IBM's quotes, not started yet."""
    caplog.set_level(logging.CRITICAL, "alpaca.data.live.websocket")
    stream = StockDataStream(*KEYS, raw_data=True, url_override=f"ws://{broker.address}/v2/iex")
    monkeypatch.setattr(stream, "_reconnect_delay", lambda _: 0.02)
    heard = Heard(stream)
    stream.subscribe_quotes(heard.hear, "IBM")
    yield heard
    heard.stop()


def listening(broker: Broker) -> int:
    return sum(one.listening for one in broker.simulator.trading_stream._clients)


def wait_for(condition: Callable[[], object]) -> None:
    """Until the condition holds; fails after `WAIT_S`."""
    give_up_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < give_up_s, "the condition did not come to hold in time"
        time.sleep(0.005)


def buy(client: TradingClient, name: str | None = None) -> Any:
    order = MarketOrderRequest(
        symbol="IBM", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id=name
    )
    return client.submit_order(order)


def events(heard: Heard, count: int) -> list[str]:
    return [heard.next()["data"]["event"] for _ in range(count)]


# REST


@pytest.mark.parametrize(("code", "text"), [(500, "internal server error"), (502, "<h1>502"), (503, "<h1>503")])
def test_an_error_before_acting_is_told_and_nothing_is_done(
    client: TradingClient, broker: Broker, code: int, text: str
) -> None:
    """A 500 is Alpaca's JSON, what a gateway says is a page; the account is untouched."""
    broker.inject(REST | {"what": "error", "code": code})
    with pytest.raises(APIError, match=text) as caught:
        buy(client)
    assert caught.value.status_code == code
    assert (broker.taken, broker.struck) == (0, [1])


def test_an_error_after_acting_leaves_an_order(client: TradingClient, broker: Broker) -> None:
    """The trap: alpaca-py repeats a POST on 504. Only the client order id keeps it from being two orders."""
    broker.inject(REST | {"what": "error", "code": 504, "acted": True, "times": 1})
    with pytest.raises(APIError, match="client_order_id must be unique"):
        buy(client, "one")
    assert broker.taken == 1
    assert client.get_order_by_client_id("one").client_order_id == "one"  # type: ignore[union-attr]
    broker.inject(REST | {"what": "error", "code": 504, "times": 1})
    buy(client, "two")
    assert broker.taken == 2


@pytest.mark.parametrize("acted", [False, True])
def test_a_reset_is_a_reset(client: TradingClient, broker: Broker, acted: bool) -> None:  # noqa: FBT001 - both ways
    """No answer at all: whether the order is there cannot be told from it. Other requests pass."""
    broker.inject(REST | {"what": "reset", "acted": acted})
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        buy(client)
    assert broker.taken == acted
    client.get_account()


def test_429_has_alpacas_headers(client: TradingClient, broker: Broker) -> None:
    """alpaca-py tries again, three times; others are told when to."""
    broker.inject({**REST, "requests": "* *", "what": "error", "code": 429, "retryAfter": "3s"})
    with pytest.raises(APIError, match="too many requests"):
        client.get_account()
    assert broker.struck == [4]
    answer = requests.get(f"http://{broker.address}/v2/account", timeout=WAIT_S)
    told = {name: int(answer.headers[name]) for name in ("Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset")}
    assert (answer.status_code, told["Retry-After"], told["X-RateLimit-Remaining"]) == (429, 3, 0)
    assert 0 <= told["X-RateLimit-Reset"] - time.time() <= 4


@pytest.mark.parametrize("acted", [False, True])
def test_slow_answers_are_slow_before_or_after(client: TradingClient, broker: Broker, acted: bool) -> None:  # noqa: FBT001 - both ways
    """With `acted` the order is there long before its answer."""
    broker.inject(REST | {"what": "delay", "min": "300ms", "max": "300ms", "acted": acted})
    thread = threading.Thread(target=buy, args=(client,))
    began_s = time.monotonic()
    thread.start()
    wait_for(lambda: broker.taken)
    taken_s = time.monotonic() - began_s
    thread.join(WAIT_S)
    assert time.monotonic() - began_s >= 0.3
    assert (taken_s < 0.3) is acted


# trade_updates


def test_updates_are_dropped_and_doubled(client: TradingClient, broker: Broker, updates: Heard) -> None:
    """The first of an order's updates is not told, the second twice."""
    broker.inject(UPDATES | {"what": "drop", "times": 1}, UPDATES | {"what": "duplicate", "times": 1})
    buy(client)
    buy(client)
    assert events(updates, 6) == ["new", "new", "fill", *ALL]
    assert broker.struck == [1, 1]


def test_updates_are_delayed_in_order_and_reordered_out_of_it(
    client: TradingClient, broker: Broker, updates: Heard
) -> None:
    """A delay holds up what follows; a reordered update is overtaken."""
    held = {"min": "200ms", "max": "200ms", "times": 1}
    broker.inject(UPDATES | {"what": "delay"} | held)
    began_s = time.monotonic()
    buy(client)
    assert events(updates, 3) == ALL
    assert time.monotonic() - began_s >= 0.2
    broker.inject(UPDATES | {"what": "reorder"} | held)
    buy(client)
    assert events(updates, 3) == ["new", "fill", "pending_new"]


def test_a_cut_stream_is_refused_and_comes_back(client: TradingClient, broker: Broker, updates: Heard) -> None:
    """What happened meanwhile is not told again."""
    broker.inject(UPDATES | {"what": "cut"})
    wait_for(lambda: not listening(broker))
    wait_for(lambda: broker.struck[0] >= 3)
    buy(client)
    broker.faults("DELETE")
    wait_for(lambda: listening(broker) == 1)
    buy(client)
    assert events(updates, 3) == ALL
    assert updates.messages.empty()


def test_a_cut_begins_and_ends_in_its_time(broker: Broker, updates: Heard) -> None:
    """From the manifest or from PUT: `after` it was put in force, `for` so long."""
    (before,) = broker.simulator.trading_stream._clients
    broker.inject(UPDATES | {"what": "cut", "after": "100ms", "for": "100ms"})
    wait_for(lambda: broker.struck[0])
    wait_for(lambda: listening(broker) == 1 and before not in broker.simulator.trading_stream._clients)
    assert updates.messages.empty()


def ping(stream: TradingStream | StockDataStream) -> bool:
    """Whether a websocket ping of the client is answered soon."""

    async def answered() -> bool:
        pong = await stream._ws.ping()  # type: ignore[attr-defined]  # connected it has one
        done, _ = await asyncio.wait([pong], timeout=0.3)
        pong.cancel()
        return bool(done)

    assert stream._loop is not None
    return asyncio.run_coroutine_threadsafe(answered(), stream._loop).result(WAIT_S)


@pytest.mark.parametrize("answers", [True, False])
def test_a_mute_stream_says_nothing(client: TradingClient, broker: Broker, updates: Heard, answers: bool) -> None:  # noqa: FBT001 - both kinds
    """It stays open; whether a ping is answered is chosen. What it did not say is never said."""
    assert ping(updates.stream)
    broker.inject(UPDATES | {"what": "mute", "answersPings": answers})
    buy(client)
    assert ping(updates.stream) is answers
    assert listening(broker) == 1
    broker.faults("DELETE")
    buy(client)
    assert events(updates, 3) == ALL


# The market data stream


def test_ticks_are_dropped_doubled_and_reordered(broker: Broker, ticks: Heard) -> None:
    """Each quote has a size of its own to know it by."""
    ticks.start()
    wait_for(broker.simulator.data_stream.subscribed.is_set)
    broker.inject(TICKS | {"what": "drop", "times": 1})
    broker.quote(1)
    broker.inject(TICKS | {"what": "duplicate", "times": 1})
    broker.quote(2)
    broker.inject(TICKS | {"what": "reorder", "times": 1, "min": "100ms", "max": "100ms"})
    for size in (3, 4, 5):
        broker.quote(size)
    assert [ticks.next()["bs"] for _ in range(5)] == [2, 2, 4, 5, 3]
    broker.inject(TICKS | {"what": "delay", "times": 1, "min": "100ms", "max": "100ms"})
    for size in (6, 7):
        broker.quote(size)
    assert [ticks.next()["bs"] for _ in range(2)] == [6, 7]


def test_the_data_stream_is_muted_and_cut(broker: Broker, ticks: Heard) -> None:
    """Muted it stays open, cut it is gone and comes back with its subscription."""
    ticks.start()
    wait_for(broker.simulator.data_stream.subscribed.is_set)
    broker.inject(TICKS | {"what": "mute", "answersPings": False})
    broker.quote(1)
    assert not ping(ticks.stream)
    assert broker.simulator.data_stream.clients == 1
    broker.inject(TICKS | {"what": "cut", "for": "100ms"})
    wait_for(lambda: not broker.simulator.data_stream.clients)
    wait_for(broker.simulator.data_stream.subscribed.is_set)
    broker.quote(2)
    assert ticks.next()["bs"] == 2


@pytest.mark.parametrize("code", [405, 406, 407, 409, 500])
def test_the_data_stream_tells_errors(broker: Broker, ticks: Heard, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
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
        wait_for(broker.simulator.data_stream.subscribed.is_set)  # it came again, and was let in
    else:
        wait_for(lambda: broker.simulator.data_stream.clients)
        if code in (407, 500):
            wait_for(broker.simulator.data_stream.subscribed.is_set)
            broker.quote()
        assert told.get(timeout=WAIT_S) == code
    assert broker.struck == [1]


# /simulator/faults


def test_faults_are_shown_replaced_and_cleared(broker: Broker) -> None:
    """What is shown can be put back as it is; what was counted is a metric too."""
    drop = UPDATES | {"what": "drop", "rate": "0.5"}
    shown = broker.faults("PUT", json={"seed": 3, "inject": [drop]}).json()
    assert shown["struck"] == [0]
    assert shown["inject"][0].items() >= drop.items()
    again = {"seed": shown["seed"], "inject": shown["inject"]}
    assert broker.faults("PUT", json=again).json() == shown == broker.faults().json()
    assert broker.faults("DELETE").json() == {"seed": 3, "inject": [], "struck": []}


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("{", 400, "request body format is invalid"),
        ("[]", 422, "faults: a mapping belongs here"),
        ('{"inject": [{"where": "rest"}]}', 422, "faults: inject[0].what: missing"),
        ('{"inject": [], "speed": 1}', 422, "faults: speed: unknown field"),
        (
            '{"inject": [{"where": "rest", "what": "reset", "rate": 0.5}]}',
            422,
            "faults: inject[0].rate: write 0.5 in quotes: a number with a fraction is read exactly only from text",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_and_changes_nothing(
    broker: Broker, body: str, status: int, message: str
) -> None:
    """The field is named; the faults in force stay."""
    broker.inject(UPDATES | {"what": "drop"})
    before = broker.faults().json()
    answer = broker.faults("PUT", data=body)
    assert (answer.status_code, answer.json()["message"]) == (status, message)
    assert broker.faults().json() == before
