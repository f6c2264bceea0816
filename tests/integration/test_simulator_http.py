"""The simulator's shell: keys, errors as JSON, the stream's manners, its own two paths."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import structlog
from aiohttp import ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from tradingmesh.alpaca_simulator import trading_stream
from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.app import Simulator, Telemetry
from tradingmesh.alpaca_simulator.http import BODY_MAX_BYTES, Keys, RateLimit
from tradingmesh.core.market import Bar, MarketEvent, Quote, Trade
from tradingmesh.telemetry.metrics import Metrics

KEYS = Keys("key-id", "secret")
HEADERS = {"APCA-API-KEY-ID": KEYS.key_id, "APCA-API-SECRET-KEY": KEYS.secret_key}
OPEN_NS = 1_709_562_600 * 10**9
ORDER = {"symbol": "IBM", "side": "buy", "type": "market", "time_in_force": "day", "qty": "10"}
AUTHENTICATE = {"action": "authenticate", "data": {"key_id": KEYS.key_id, "secret_key": KEYS.secret_key}}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates", "nonsense"]}}

Client = TestClient[web.Request, web.Application]


class Tape(list[MarketEvent]):
    """A tape in memory."""

    @property
    def length(self) -> int:
        return len(self)


def make_simulator(metrics: Metrics) -> tuple[Simulator, web.Application]:
    telemetry = Telemetry(metrics, structlog.get_logger())
    tape = Tape(
        [
            Quote("IBM", 999_800, 1_000_200, 500, 500, OPEN_NS),
            Bar("IBM", 1, 1, 1, 1, 1, OPEN_NS),
            Trade("IBM", 1_000_000, 100, OPEN_NS + 1),
        ]
    )
    simulator = Simulator(tape, ["IBM"], "max", Account(Decimal(100_000)), "test", KEYS, telemetry)
    return simulator, simulator.application(RateLimit(60_000, lambda: 0.0), KEYS, telemetry)


@pytest.fixture
def metrics() -> Metrics:
    """What the simulator counts."""
    return Metrics()


@pytest.fixture
def parts(metrics: Metrics) -> tuple[Simulator, web.Application]:
    """A simulator and its application."""
    return make_simulator(metrics)


@pytest.fixture
def simulator(parts: tuple[Simulator, web.Application]) -> Simulator:
    """The simulator behind `client`."""
    return parts[0]


@pytest.fixture
async def client(parts: tuple[Simulator, web.Application]) -> AsyncIterator[Client]:
    """A client of the served simulator, without keys."""
    async with TestClient(TestServer(parts[1])) as made:
        yield made


async def ask(stream: ClientWebSocketResponse, message: Any) -> Any:
    """Sends a message and gives the answer, which comes in a binary frame."""
    await stream.send_str(message if isinstance(message, str) else json.dumps(message))
    return await hear(stream)


async def hear(stream: ClientWebSocketResponse) -> Any:
    received = await stream.receive(timeout=5)
    assert received.type is WSMsgType.BINARY
    return json.loads(received.data)


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/v2/nothing", 404, {"code": 40410000, "message": "not found"}),
        ("PUT", "/v2/orders", 405, {"code": 40510000, "message": "method not allowed"}),
        ("GET", "/v2/orders/5", 422, {"code": 40010001, "message": "order_id is not a UUID"}),
        ("GET", "/v2/orders?limit=0", 422, {"code": 40010001, "message": "limit must be a whole number from 1 to 500"}),
        ("GET", "/v2/orders?status=x", 422, {"code": 40010001, "message": "status must be one of open, closed, all"}),
        ("GET", "/v2/orders:by_client_order_id", 422, {"code": 40010001, "message": "client_order_id is required"}),
        ("GET", "/v2/calendar?start=x", 400, None),
        (
            "DELETE",
            "/v2/positions/IBM?qty=1&percentage=5",
            404,
            {"code": 40410000, "message": "position does not exist"},
        ),
    ],
)
async def test_errors_are_json(client: Client, method: str, path: str, status: int, body: Any) -> None:
    """Whoever refuses, the client can read code and message: alpaca-py parses every error body."""
    answer = await client.request(method, path, headers=HEADERS)
    told = await answer.json()
    assert answer.status == status
    assert told == body if body else told["message"].startswith("start: ")


async def test_a_huge_body_is_refused(client: Client) -> None:
    """The limit is named nowhere in Alpaca's document; the answer is JSON all the same."""
    answer = await client.post("/v2/orders", headers=HEADERS, data=b"x" * (BODY_MAX_BYTES + 1))
    assert (answer.status, (await answer.json())["code"]) == (413, 41310000)


async def test_a_failure_inside_is_told_as_json(client: Client, simulator: Simulator, metrics: Metrics) -> None:
    """500 with Alpaca's words, and counted."""
    simulator.exchange.account.positions = None  # type: ignore[method-assign,assignment]
    answer = await client.get("/v2/positions", headers=HEADERS)
    assert answer.status == 500
    assert await answer.json() == {"code": 50010000, "message": "internal server error occurred"}
    assert metrics.counter("requests_refused").value == 1


@pytest.mark.parametrize("path", ["/v2/account", "/v2/nothing", "/v2/orders"])
async def test_nobody_comes_in_without_keys(client: Client, path: str) -> None:
    """Not even to learn which paths there are."""
    answer = await client.get(path)
    assert (answer.status, (await answer.json())["code"]) == (401, 40110000)


async def test_market_data_without_keys_is_forbidden(client: Client) -> None:
    """As the market data API says it; with keys it is served from the same port."""
    answer = await client.get("/v2/stocks/IBM/quotes/latest")
    assert (answer.status, (await answer.json())["message"]) == (403, "forbidden.")
    await client.post("/simulator/start")
    assert (await client.get("/v2/stocks/trades/latest?symbols=IBM", headers=HEADERS)).status == 200


async def test_the_tape_starts_when_told(client: Client, simulator: Simulator) -> None:
    """Not before; then it plays to its end, and the state tells the broker's books."""
    before = await (await client.get("/simulator/state")).json()
    assert before["tape"] == {
        "published": 0,
        "total": 3,
        "market_time": "2024-03-04T14:30:00Z",
        "done": False,
    }
    assert (await client.post("/simulator/start")).status == 200
    await simulator.play()
    await client.post("/v2/orders", headers=HEADERS, json=ORDER | {"client_order_id": "mine"})
    state = await (await client.get("/simulator/state")).json()
    [fill] = state.pop("fills")
    assert state == {
        "cash": "98999.8",
        "commissions": "0",
        "positions": {"IBM": "10"},
        "orders": {"taken": 1, "open": 0},
        "tape": {"published": 3, "total": 3, "market_time": "2024-03-04T14:30:00.000000001Z", "done": True},
    }
    assert (fill["client_order_id"], fill["side"], fill["qty"], fill["price"]) == ("mine", "buy", "10", "100.02")


async def test_a_held_tape_waits_for_the_command(client: Client, simulator: Simulator) -> None:
    """A subscriber alone does not start it."""
    simulator.released.clear()
    simulator.data_stream.subscribed.set()
    playing = asyncio.create_task(simulator.play())
    await client.get("/simulator/state")
    assert simulator.player.progress.published == 0
    await client.post("/simulator/start")
    await asyncio.wait_for(playing, 5)
    assert simulator.player.progress.published == 3


async def test_a_stopped_tape_is_done(client: Client, simulator: Simulator) -> None:
    """Also one that was still held: nothing more is played, and the state says so."""
    simulator.released.clear()
    playing = asyncio.create_task(simulator.play())
    assert (await client.post("/simulator/stop")).status == 200
    await asyncio.wait_for(playing, 5)
    state = await (await client.get("/simulator/state")).json()
    assert (state["tape"]["published"], state["tape"]["done"]) == (0, True)


@pytest.mark.parametrize(
    "message", [AUTHENTICATE, {"action": "auth", "key": KEYS.key_id, "secret": KEYS.secret_key}], ids=["long", "short"]
)
async def test_the_stream_authenticates_both_ways(client: Client, message: dict[str, Any]) -> None:
    """The message of the trading stream and that of the market data stream."""
    async with client.ws_connect("/stream") as stream:
        answer = await ask(stream, message)
        assert answer == {
            "stream": "authorization",
            "data": {"action": message["action"], "status": "authorized"},
        }
        assert await ask(stream, LISTEN) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}


@pytest.mark.parametrize(
    "message",
    [
        {"action": "authenticate", "data": {"key_id": KEYS.key_id, "secret_key": "wrong"}},
        {"action": "authenticate", "data": {"key_id": KEYS.key_id}},
        {"action": "authenticate"},
        {"action": "auth", "key": 5, "secret": []},
        LISTEN,
    ],
)
async def test_the_stream_refuses_strangers(client: Client, simulator: Simulator, message: dict[str, Any]) -> None:
    """Unauthorized, and nothing is heard."""
    async with client.ws_connect("/stream") as stream:
        answer = await ask(stream, message)
        assert answer["stream"] == "authorization"
        assert answer["data"]["status"] == "unauthorized"
        assert not any(one.listening for one in simulator.trading_stream._clients)


@pytest.mark.parametrize("message", ["", "no json", "[]", '{"action": "dance"}', "{}"])
async def test_the_stream_survives_nonsense(client: Client, message: str) -> None:
    """An error for an answer, and the connection goes on."""
    async with client.ws_connect("/stream") as stream:
        assert (await ask(stream, message))["stream"] == "error"
        assert (await ask(stream, AUTHENTICATE))["data"]["status"] == "authorized"


async def test_who_stops_listening_hears_nothing(client: Client, simulator: Simulator) -> None:
    """An empty list of streams ends the updates."""
    async with client.ws_connect("/stream") as stream:
        await ask(stream, AUTHENTICATE)
        await ask(stream, LISTEN)
        await ask(stream, {"action": "listen", "data": {"streams": []}})
        await client.post("/v2/orders", headers=HEADERS, json=ORDER)
        assert (await ask(stream, {"action": "dance"}))["stream"] == "error"
        assert len(simulator.exchange.orders) == 1


async def test_updates_come_before_the_answer_to_the_order(client: Client) -> None:
    """So a client that waits for both sees neither missing."""
    async with client.ws_connect("/stream") as stream:
        await ask(stream, AUTHENTICATE)
        await ask(stream, LISTEN)
        await client.post("/v2/orders", headers=HEADERS, json=ORDER)
        events = [(await hear(stream))["data"]["event"] for _ in range(2)]
        assert events == ["pending_new", "new"]


async def test_a_client_that_does_not_read_is_cut_off(
    client: Client, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the limit of waiting updates it is cut off and counted; the simulator goes on."""
    monkeypatch.setattr(trading_stream, "WAITING_MAX", 1)
    async with client.ws_connect("/stream") as slow:
        await ask(slow, AUTHENTICATE)
        await ask(slow, LISTEN)
        await client.post("/v2/orders", headers=HEADERS, json=ORDER)
        assert metrics.counter("stream_clients_cut_off").value == 1
        ending = (WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR)
        assert (await slow.receive(timeout=5)).type in ending
        assert (await client.get("/v2/orders", headers=HEADERS)).status == 200


async def test_the_number_of_stream_clients_is_limited(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused with 429."""
    monkeypatch.setattr(trading_stream, "CLIENTS_MAX", 1)
    async with client.ws_connect("/stream"):
        assert (await client.get("/stream")).status == 429
