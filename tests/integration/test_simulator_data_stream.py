"""The data websocket, with the real alpaca-py and with clients that misbehave."""

import asyncio
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import aiohttp
import msgpack
import pytest
from aiohttp import web

from tradingmesh.adapters.tape import open_tape
from tradingmesh.alpaca_simulator import data_client
from tradingmesh.alpaca_simulator.data_stream import DataStream
from tradingmesh.alpaca_simulator.faults import Faults
from tradingmesh.alpaca_simulator.market import Market
from tradingmesh.core.market import Quote, Tick, Trade
from tradingmesh.core.tape.bars import MINUTE_NS
from tradingmesh.core.tape.generator import OPEN_NS
from tradingmesh.telemetry.metrics import Metrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py uses websockets' legacy client
    from alpaca.data.live import StockDataStream
    from alpaca.data.models import Quote as AlpacaQuote
    from alpaca.data.models import Trade as AlpacaTrade

KEYS = {"key-id": "secret"}
AUTH = {"action": "auth", "key": "key-id", "secret": "secret"}
TRADE = Trade("IBM", 1_234_567, 300, OPEN_NS + 1_758_193)
QUOTE = Quote("IBM", 1_234_500, 1_234_700, 100, 900, OPEN_NS + 2)


class Server:
    """A data stream on a free port."""

    def __init__(self, url: str, stream: DataStream, market: Market) -> None:
        self.url = url
        self.stream = stream
        self.market = market

    async def play(self, events: Sequence[Tick]) -> None:
        for event in events:
            self.market.record(event)
            await self.stream.publish(event)


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Server]:
    market = Market()
    stream = DataStream(market, KEYS, Faults(Metrics(), time.monotonic), **options)
    app = web.Application()
    app.add_routes(stream.routes())
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield Server(f"http://127.0.0.1:{runner.addresses[0][1]}/v2/iex", stream, market)
    finally:
        await stream.close()
        await runner.cleanup()


@asynccontextmanager
async def connected(
    server: Server, *, auth: bool = True, **options: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url, **options) as socket:
        if not options:
            assert await socket.receive_json(timeout=5) == [{"T": "success", "msg": "connected"}]
        if auth:
            assert await ask(socket, **AUTH) == {"T": "success", "msg": "authenticated"}
        yield socket


async def ask(socket: aiohttp.ClientWebSocketResponse, **message: Any) -> Any:
    await socket.send_json(message)
    return (await socket.receive_json(timeout=5))[0]


def error(code: int, msg: str) -> dict[str, Any]:
    return {"T": "error", "code": code, "msg": msg}


class Listener:
    """alpaca-py's stream in a thread of its own, as an application runs it."""

    def __init__(self, url: str, *, raw_data: bool, until: int) -> None:
        self.heard: list[Any] = []
        self.stream = StockDataStream("key-id", "secret", raw_data=raw_data, url_override=url.replace("http", "ws"))
        self._until = until
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self.stream.run, daemon=True)

    async def hear(self, message: Any) -> None:
        self.heard.append(message)
        if len(self.heard) == self._until:
            self._enough.set()

    async def join(self, server: Server) -> None:
        """Waits for the last message, then plays one more: alpaca-py looks whether to stop when it hears something."""
        assert await asyncio.to_thread(self._enough.wait, 20)
        await asyncio.to_thread(self.stream.stop)
        await server.play([Quote("IBM", 1, 2, 3, 4, OPEN_NS + MINUTE_NS)])
        await asyncio.to_thread(self._thread.join, 10)
        assert not self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()


async def test_alpaca_py_hears_models() -> None:
    """With raw_data=False trades, quotes and bars arrive as alpaca-py's own models, to the microsecond it keeps."""
    async with serving() as server:
        listener = Listener(server.url, raw_data=False, until=4)
        listener.stream.subscribe_trades(listener.hear, "IBM")
        listener.stream.subscribe_quotes(listener.hear, "*")
        listener.stream.subscribe_bars(listener.hear, "IBM")
        listener.start()
        await asyncio.wait_for(server.stream.subscribed.wait(), 10)
        other = Trade("BAC", 1, 1, OPEN_NS + 2_000_000)
        await server.play([TRADE, QUOTE, other, Quote("BAC", 1, 2, 3, 4, OPEN_NS + MINUTE_NS)])
        await listener.join(server)
    trade, quote, bar, *_ = listener.heard
    assert isinstance(trade, AlpacaTrade)
    assert (trade.symbol, trade.price, trade.size, trade.id) == ("IBM", 123.4567, 300, 1)
    assert trade.timestamp == datetime(2024, 3, 4, 14, 30, 0, 1758, UTC)
    assert isinstance(quote, AlpacaQuote)
    assert (quote.bid_price, quote.ask_price, quote.bid_size, quote.ask_size) == (123.45, 123.47, 100, 900)
    assert (bar.open, bar.volume, bar.trade_count, bar.vwap) == (123.4567, 300, 1, 123.4567)


async def test_alpaca_py_hears_every_raw_message_in_order() -> None:
    """With raw_data=True a tape of thousands at full speed arrives whole, in order, to the nanosecond."""
    events = list(open_tape("generated", ["IBM", "BAC"], duration_ms=20_000))
    async with serving() as server:
        listener = Listener(server.url, raw_data=True, until=len(events))
        listener.stream.subscribe_trades(listener.hear, "IBM", "BAC")
        listener.stream.subscribe_quotes(listener.hear, "IBM", "BAC")
        listener.start()
        await asyncio.wait_for(server.stream.subscribed.wait(), 10)
        await server.play(events)
        await listener.join(server)
    heard = [(m["T"], m["S"], m["t"].seconds * 10**9 + m["t"].nanoseconds) for m in listener.heard[: len(events)]]
    assert heard == [("t" if isinstance(e, Trade) else "q", e.symbol, e.timestamp_ns) for e in events]


async def test_json_is_spoken_to_who_does_not_ask_for_msgpack() -> None:
    """Text frames of JSON, with times as RFC 3339 to the nanosecond and the subscription told back."""
    async with serving() as server, connected(server) as socket:
        told = await ask(socket, action="subscribe", trades=["IBM"], bars=["*"])
        assert told["T"] == "subscription"
        assert (told["trades"], told["cancelErrors"], told["bars"], told["quotes"]) == (["IBM"], ["IBM"], ["*"], [])
        await server.play([QUOTE, TRADE])
        assert await socket.receive_json(timeout=5) == [
            {"T": "t", "S": "IBM", "i": 1, "x": "V", "p": 123.4567, "s": 300, "c": ["@"], "z": "C"}
            | {"t": "2024-03-04T14:30:00.001758193Z"}
        ]


async def test_unsubscribing_ends_what_it_names() -> None:
    """After an unsubscribe only the rest is heard, and with nothing left nobody listens."""
    async with serving() as server, connected(server) as socket:
        await ask(socket, action="subscribe", trades=["IBM"], quotes=["IBM"])
        await ask(socket, action="unsubscribe", quotes=["IBM"])
        await server.play([QUOTE, TRADE])
        assert [m["T"] for m in await socket.receive_json(timeout=5)] == ["t"]
        await ask(socket, action="unsubscribe", trades=["IBM"])
        assert not server.stream.subscribed.is_set()


async def test_daily_bars_come_with_each_minute() -> None:
    """A minute that ends sends the day so far to who asked for daily bars."""
    async with serving() as server, connected(server) as socket:
        await ask(socket, action="subscribe", dailyBars=["IBM"])
        await server.play([TRADE, Trade("IBM", 1_300_000, 100, TRADE.timestamp_ns + MINUTE_NS)])
        [day] = await socket.receive_json(timeout=5)
        assert (day["T"], day["o"], day["c"], day["v"]) == ("d", 123.4567, 130.0, 400)
        assert day["t"] == "2024-03-04T05:00:00Z"


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ({"action": "auth", "key": "key-id", "secret": "secret"}, error(403, "already authenticated")),
        ({"action": "dance"}, error(400, "invalid syntax")),
        (["subscribe"], error(400, "invalid syntax")),
        ({"action": "subscribe", "trades": "IBM"}, error(400, "invalid syntax")),
        ({"action": "subscribe", "trades": [7]}, error(400, "invalid syntax")),
        ({"action": "subscribe", "orderbooks": ["IBM"]}, error(410, "invalid subscribe action for this feed")),
        ({"action": "subscribe", "trades": ["A", "B"], "bars": ["C"]}, error(405, "symbol limit exceeded")),
    ],
)
async def test_what_does_not_fit_gets_alpacas_code_and_the_stream_goes_on(message: Any, answer: Any) -> None:
    """Each mistake has its code, and changes nothing."""
    async with serving(symbols_max=2) as server, connected(server) as socket:
        await socket.send_json(message)
        assert await socket.receive_json(timeout=5) == [answer]
        told = await ask(socket, action="subscribe", trades=["A", "B"])
        assert told["trades"] == ["A", "B"]


async def test_text_that_is_no_json_is_answered() -> None:
    """Garbage gets 400, in whichever format is spoken."""
    async with serving() as server:
        async with connected(server) as socket:
            await socket.send_str("{")
            assert await socket.receive_json(timeout=5) == [error(400, "invalid syntax")]
        headers = {"Content-Type": "application/msgpack"}
        async with aiohttp.ClientSession() as session, session.ws_connect(server.url, headers=headers) as socket:
            await socket.receive_bytes(timeout=5)
            await socket.send_bytes(b"\xc1")
            assert msgpack.unpackb(await socket.receive_bytes(timeout=5)) == [error(400, "invalid syntax")]


async def test_no_data_without_authentication() -> None:
    """A subscription before authentication is refused, and wrong keys end the connection."""
    async with serving() as server, connected(server, auth=False) as socket:
        assert await ask(socket, action="subscribe", trades=["*"]) == error(401, "not authenticated")
        await server.play([TRADE])
        assert await ask(socket, **AUTH | {"secret": "wrong"}) == error(402, "auth failed")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE


async def test_keys_may_come_as_headers() -> None:
    """Alpaca's headers authenticate at once."""
    headers = {"APCA-API-KEY-ID": "key-id", "APCA-API-SECRET-KEY": "secret"}
    async with serving() as server, connected(server, auth=False, headers=headers) as socket:
        told: list[Any] = []
        while len(told) < 2:
            told += await socket.receive_json(timeout=5)
        assert [message["msg"] for message in told] == ["connected", "authenticated"]


async def test_who_does_not_authenticate_in_time_is_sent_away() -> None:
    """The error says why, then the connection closes."""
    async with serving(auth_timeout_s=0.05) as server, connected(server, auth=False) as socket:
        assert await socket.receive_json(timeout=5) == [error(404, "auth timeout")]
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE


async def test_connections_are_limited_and_freed() -> None:
    """One too many gets 406; when the first goes, there is room again."""
    async with serving(connections_max=1) as server:
        async with connected(server), connected(server, auth=False) as second:
            refused = await ask(second, **AUTH)
            assert refused == error(406, "connection limit exceeded")
        assert await settled(lambda: server.stream.clients) == 0
        async with connected(server):
            pass


async def test_a_slow_client_slows_the_tape() -> None:
    """While a client does not read, publishing stops within what fits the buffers; then all of it arrives."""
    events = list(open_tape("generated", ["IBM"], duration_ms=600_000))
    async with serving() as server, connected(server) as socket:
        await ask(socket, action="subscribe", trades=["*"], quotes=["*"])
        transport = socket._response.connection.transport  # type: ignore[union-attr]
        transport.pause_reading()  # type: ignore[union-attr]
        playing = asyncio.create_task(server.play(events))
        held = await settled(lambda: server.market.trades("IBM").count)
        assert 0 < held < len(events) / 10
        assert not playing.done()
        transport.resume_reading()  # type: ignore[union-attr]
        heard = 0
        while heard < len(events):
            heard += len(await socket.receive_json(timeout=10))
        await playing
        assert heard == len(events)


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    """After the stall time the tape goes on without it, and it is counted."""
    events = list(open_tape("generated", ["IBM"], duration_ms=600_000))
    async with serving(stall_s=0.2) as server, connected(server) as socket:
        await ask(socket, action="subscribe", trades=["*"], quotes=["*"])
        transport = socket._response.connection.transport  # type: ignore[union-attr]
        transport.pause_reading()  # type: ignore[union-attr]
        async with asyncio.timeout(20):
            await server.play(events)
        assert await settled(lambda: server.stream.clients) == 0
        assert server.stream.stalled == 1
        transport.resume_reading()  # type: ignore[union-attr]


async def test_events_share_a_frame_only_when_they_come_fast() -> None:
    """One event at a time goes out at once and alone; a burst goes out in few frames, of bounded size."""
    events = list(islice(open_tape("generated", ["IBM"]), 100))
    async with serving() as server, connected(server) as socket:
        await ask(socket, action="subscribe", trades=["*"], quotes=["*"])
        await server.play(events[:1])
        assert len(await socket.receive_json(timeout=5)) == 1
        await server.play(events[1:])
        sizes: list[int] = []
        while sum(sizes) < 99:
            sizes.append(len(await socket.receive_json(timeout=5)))
        assert max(sizes) == data_client.FRAME_MESSAGES


async def settled(count: Callable[[], int]) -> int:
    """The count once it no longer changes."""
    before = -1
    async with asyncio.timeout(20):
        while count() != before:
            before = count()
            await asyncio.sleep(0.1)
    return before
