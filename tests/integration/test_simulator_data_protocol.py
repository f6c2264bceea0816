"""The data stream's bytes and answers: both formats say the same, and no message of a client breaks anything."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
import msgspec
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from tradingmesh.alpaca_simulator.data_client import CHANNELS, FRAME_MESSAGES, WAITING_MAX, DataClient
from tradingmesh.alpaca_simulator.data_frames import JSON, MESSAGE_PACK, bar_message, quote_message, trade_message
from tradingmesh.alpaca_simulator.data_stream import ERRORS, DataStream
from tradingmesh.alpaca_simulator.faults import Faults
from tradingmesh.alpaca_simulator.market import Market
from tradingmesh.alpaca_simulator.times import parse_time
from tradingmesh.core.market import Bar, Quote, Trade
from tradingmesh.core.tape.bars import TradedBar
from tradingmesh.telemetry.metrics import Metrics

times = st.integers(0, 4 * 10**18)
symbols = st.sampled_from(["IBM", "BRK.B", "BTC/USD"])
sizes = st.integers(0, 2**32 - 1)
prices = st.integers(0, 10**12)
texts = st.dictionaries(st.text(max_size=3), st.one_of(st.integers(-5, 2**40), st.text(max_size=5)), max_size=4)


@given(texts, times)
def test_both_formats_say_the_same(message: dict[str, Any], at_ns: int) -> None:
    """What msgpack's own library reads of MessagePack is what json reads of JSON, times to the nanosecond."""
    packed = msgpack.unpackb(MESSAGE_PACK.frame([MESSAGE_PACK.encode(message, at_ns)]))
    plain = json.loads(JSON.frame([JSON.encode(message, at_ns)]))
    [moment] = [told.pop("t") for told in packed]
    [text] = [told.pop("t") for told in plain]
    assert packed == plain == [{key: value for key, value in message.items() if key != "t"}]
    assert moment.to_unix_nano() == at_ns == parse_time(text, "t")


@given(st.lists(texts, max_size=FRAME_MESSAGES))
def test_a_frame_is_an_array_of_its_messages(messages: list[dict[str, Any]]) -> None:
    """In order, whatever their number."""
    for form, read in ((MESSAGE_PACK, msgpack.unpackb), (JSON, json.loads)):
        assert read(form.frame([form.encode(message) for message in messages])) == messages
        assert [form.decode(form.encode(message)) for message in messages] == messages


@given(symbols, prices, prices, sizes, sizes)
def test_messages_carry_what_happened(symbol: str, low: int, high: int, first: int, second: int) -> None:
    """Prices are numbers that are the nearest to the exact ones, sizes and symbols are as they were."""
    trade = trade_message(Trade(symbol, high, first, 1), 7)
    assert (trade["T"], trade["S"], trade["i"], trade["s"]) == ("t", symbol, 7, first)
    assert round(trade["p"] * 10_000) == high
    quote = quote_message(Quote(symbol, low, high, first, second, 1))
    assert (quote["T"], round(quote["bp"] * 10_000), round(quote["ap"] * 10_000)) == ("q", low, high)
    assert (quote["bs"], quote["as"]) == (first, second)
    bar = bar_message("b", TradedBar(Bar(symbol, low, high, low, high, first, 1), 3, first * low))
    assert (bar["T"], bar["v"], bar["n"]) == ("b", first, 3)
    assert [round(bar[key] * 10_000) for key in "ohlc"] == [low, high, low, high]
    assert round(bar["vw"] * 10_000) == (low if first else high)


class Socket:
    """Takes what a `DataClient` sends, when it is let."""

    def __init__(self) -> None:
        self.frames: list[list[Any]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def send_frame(self, data: bytes, opcode: WSMsgType) -> None:
        assert opcode is WSMsgType.TEXT
        await self.free.wait()
        self.frames.append(json.loads(data))

    async def close(self) -> None:
        """Nothing to close."""


def client_of(socket: Socket, abort: Callable[[], None] = lambda: None, stall_s: float = 5.0) -> DataClient:
    return DataClient(socket, JSON, abort, stall_s)  # type: ignore[arg-type]


async def test_a_client_that_is_full_is_waited_for_and_one_that_ended_is_not() -> None:
    """`room` returns when the queue has been taken, and at once when nothing can be sent any more."""
    socket = Socket()
    socket.free.clear()
    client = client_of(socket)
    sending = asyncio.create_task(client.send())
    for n in range(WAITING_MAX + FRAME_MESSAGES):
        client.tell({"n": n})
        await asyncio.sleep(0)
    assert client.full
    waiting = asyncio.create_task(client.room())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    socket.free.set()
    await asyncio.wait_for(waiting, 5)
    await client.close()
    sending.cancel()
    assert [told["n"] for frame in socket.frames for told in frame] == list(range(WAITING_MAX + FRAME_MESSAGES))
    assert max(map(len, socket.frames)) <= FRAME_MESSAGES
    client.tell({"late": 1})
    await asyncio.wait_for(client.room(), 5)


async def test_a_client_that_stalls_is_cut_off_and_lets_go_who_waits() -> None:
    """After the stall time the connection is aborted and nobody waits any longer."""
    aborted = []
    socket = Socket()
    socket.free.clear()
    client = client_of(socket, lambda: aborted.append(True), stall_s=0.05)
    sending = asyncio.create_task(client.send())
    for n in range(2 * WAITING_MAX):
        client.tell({"n": n})
    await asyncio.wait_for(client.room(), 5)
    await asyncio.wait_for(sending, 5)
    assert (aborted, client.stalled, client.ended) == ([True], True, True)


words = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 3), st.text(max_size=4), st.lists(st.text(max_size=3), max_size=3)
)
requests = st.one_of(
    st.fixed_dictionaries(
        {"action": st.sampled_from(["subscribe", "unsubscribe"])},
        optional=dict.fromkeys((*CHANNELS, "orderbooks", "x"), words),
    ),
    st.fixed_dictionaries({"action": words}, optional={"key": words, "secret": words}),
    words,
)


@settings(max_examples=25, deadline=timedelta(seconds=10))
@given(st.lists(requests, min_size=1, max_size=8), st.sampled_from([JSON, MESSAGE_PACK]))
def test_every_message_has_one_answer_and_none_ends_the_stream(messages: list[Any], form: Any) -> None:
    """Once authenticated a client may send what it likes: each message is answered, by Alpaca's error or by an ack."""
    answers = asyncio.run(converse([form.encode(message) for message in messages], form))
    assert len(answers) == len(messages)
    for told in answers:
        if told["T"] == "error":
            assert ERRORS[told["code"]] == told["msg"]
        else:
            assert set(told) == {"T", *CHANNELS}


@settings(max_examples=25, deadline=timedelta(seconds=10))
@given(st.lists(st.binary(max_size=20), min_size=1, max_size=8))
def test_random_bytes_are_answered(messages: list[bytes]) -> None:
    """Bytes that are no message get an error, and the stream goes on."""
    answers = asyncio.run(converse(messages, MESSAGE_PACK))
    assert [told["T"] for told in answers] == ["error"] * len(messages)


def test_a_message_nested_without_end_is_answered() -> None:
    """Depth is not a way to end the stream either."""
    for form, nested in ((MESSAGE_PACK, b"\x91" * 100_000), (JSON, b"[" * 100_000)):
        assert [told["code"] for told in asyncio.run(converse([nested], form))] == [400]


async def converse(messages: list[bytes], form: Any) -> list[Any]:
    """Sends these after authenticating; what came back, up to the answer to a last, correct message."""
    stream = DataStream(Market(), {"key": "secret"}, Faults(Metrics(), time.monotonic))
    app = web.Application()
    app.add_routes(stream.routes())
    headers = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
    if form is MESSAGE_PACK:
        headers["Content-Type"] = "application/msgpack"
    async with TestClient(TestServer(app)) as client, client.ws_connect("/v2/iex", headers=headers) as socket:
        for data in messages:
            await socket.send_bytes(data)
        await socket.send_bytes(form.encode({"action": "subscribe", "lulds": ["THE END"]}))
        told: list[Any] = []
        while not (told and "THE END" in told[-1].get("lulds", [])):
            received = await socket.receive(timeout=5)
            assert received.type in (WSMsgType.BINARY, WSMsgType.TEXT)
            data = received.data.encode() if isinstance(received.data, str) else received.data
            told += form.decode(data)
        await stream.close()
    assert [message["msg"] for message in told[:2]] == ["connected", "authenticated"]
    return told[2:-1]


async def test_an_unknown_feed_is_not_there() -> None:
    """Only Alpaca's feeds are served."""
    app = web.Application()
    app.add_routes(DataStream(Market(), {}, Faults(Metrics(), time.monotonic)).routes())
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/v2/moon")).status == 404
        assert (await client.get("/v2/sip")).status == 400


def test_times_are_the_moments_they_name() -> None:
    """The timestamp extension is what alpaca-py turns into a datetime."""
    data = MESSAGE_PACK.encode({"T": "t"}, 1_709_562_600_001_758_193)
    moment = msgpack.unpackb(data)["t"].to_datetime()
    assert moment == datetime(2024, 3, 4, 14, 30, 0, 1758, UTC)
    with pytest.raises(msgspec.DecodeError):
        MESSAGE_PACK.decode(b"\xc1")
