"""Alpaca's market data websocket, `/v2/{feed}`: authentication, subscriptions, and the tape as it plays.

`publish` waits for a client that is slow, so a tape at full speed is as fast as its slowest subscriber. A client that
takes nothing for `STALL_S` is cut off. Source of messages and codes:
https://docs.alpaca.markets/docs/streaming-market-data.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from aiohttp import WSMsgType, web

from tradingmesh.alpaca_simulator import refusals
from tradingmesh.alpaca_simulator.data_client import CHANNELS, STALL_S, DataClient
from tradingmesh.alpaca_simulator.data_frames import (
    JSON,
    MESSAGE_PACK,
    bar_message,
    quote_message,
    trade_message,
)
from tradingmesh.alpaca_simulator.faults import Faults
from tradingmesh.alpaca_simulator.held_messages import WayOut
from tradingmesh.alpaca_simulator.market import Market
from tradingmesh.contract import FaultPlace
from tradingmesh.core.market import MarketEvent, Quote, Trade
from tradingmesh.core.tape.bars import TradedBar

AUTH_TIMEOUT_S = 10.0
CONNECTIONS_MAX = 16
SYMBOLS_MAX = 1000
FEEDS = ("iex", "sip", "delayed_sip", "test")
_MESSAGE_BYTES_MAX = 1 << 20
_WRITE_BUFFER_BYTES = 32 << 10
_HERE = FaultPlace.MARKET_DATA

ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    500: "internal error",
}


_ENDING = (402, 404, 406)
"""After these the connection is closed."""


class _Message(NamedTuple):
    """What goes to the subscribers of a channel and symbol."""

    channel: str
    symbol: str
    content: dict[str, Any]
    timestamp_ns: int


class _Refused(Exception):  # noqa: N818 - it is an answer
    """The client's message gets an error code for an answer."""

    def __init__(self, code: int) -> None:
        super().__init__(ERRORS[code])
        self.code = code


class DataStream:
    """The stream's clients. `subscribed` is set while at least one of them subscribes to anything."""

    def __init__(
        self,
        market: Market,
        keys: Mapping[str, str],
        faults: Faults,
        *,
        auth_timeout_s: float = AUTH_TIMEOUT_S,
        stall_s: float = STALL_S,
        connections_max: int = CONNECTIONS_MAX,
        symbols_max: int = SYMBOLS_MAX,
    ) -> None:
        self.subscribed = asyncio.Event()
        self.stalled = 0
        self._market = market
        self._keys = dict(keys)
        self._faults = faults
        self._way_out: WayOut[_Message] = WayOut(_HERE, faults, self._spread)
        self._auth_timeout_s = auth_timeout_s
        self._stall_s = stall_s
        self._connections_max = connections_max
        self._symbols_max = symbols_max
        self._connected: set[DataClient] = set()
        self._clients: set[DataClient] = set()
        self._listeners: dict[tuple[str, str], list[DataClient]] = {}

    @property
    def clients(self) -> int:
        """How many clients are connected and authenticated."""
        return len(self._clients)

    def routes(self) -> list[web.RouteDef]:
        """Where the stream is served."""
        return [web.get(f"/v2/{{feed:{'|'.join(FEEDS)}}}", self._serve)]

    async def publish(self, event: MarketEvent) -> None:
        """Sends a tick that the market has recorded, and the bars that it finished, to those who subscribed to them.

        Returns when no client has more than `data_client.WAITING_MAX` messages waiting.
        """
        for done in self._market.take_bars():
            await self._publish_bar(done)
        symbol = event.symbol
        if type(event) is Quote:
            if self._leaves("quotes", symbol):
                await self._send(_Message("quotes", symbol, quote_message(event), event.timestamp_ns))
        elif type(event) is Trade and self._leaves("trades", symbol):
            message = trade_message(event, self._market.trades(symbol).count)
            await self._send(_Message("trades", symbol, message, event.timestamp_ns))

    def cut(self) -> None:
        """Ends every connection at once."""
        for client in list(self._connected):
            self._faults.cuts(_HERE)
            client.cut()

    async def close(self) -> None:
        """Ends every connection."""
        self._way_out.close()
        for client in list(self._clients):
            await client.close()

    async def _publish_bar(self, done: TradedBar) -> None:
        symbol = done.bar.symbol
        if self._leaves("bars", symbol):
            await self._send(_Message("bars", symbol, bar_message("b", done), done.bar.timestamp_ns))
        if self._leaves("dailyBars", symbol):
            day = self._market.day_bar(symbol)
            if day is not None:
                await self._send(_Message("dailyBars", symbol, bar_message("d", day), day.bar.timestamp_ns))

    def _leaves(self, channel: str, symbol: str) -> bool:
        """Whether it is sent: to somebody, or to meet the faults that it would meet in any run."""
        return bool(self._listening(channel, symbol)) or self._faults.any_on(_HERE)

    async def _send(self, message: _Message) -> None:
        code = self._faults.error(407, 500)
        if code is not None:
            for client in self._clients:
                client.tell(_error(code))
        self._way_out.send(message)
        for client in self._listening(message.channel, message.symbol):
            if client.full:
                await client.room()

    def _spread(self, message: _Message) -> None:
        encoded: dict[int, bytes] = {}
        for client in self._listening(message.channel, message.symbol):
            form = client.form
            if id(form) not in encoded:
                encoded[id(form)] = form.encode(message.content, message.timestamp_ns)
            client.put(encoded[id(form)])

    def _answer(self, client: DataClient, answer: dict[str, Any]) -> None:
        if not self._faults.mutes(_HERE):
            client.tell(answer)

    def _listening(self, channel: str, symbol: str) -> list[DataClient]:
        """Who wants that, remembered until a subscription changes."""
        listeners = self._listeners.get((channel, symbol))
        if listeners is None:
            listeners = [client for client in self._clients if client.wants(channel, symbol)]
            self._listeners[channel, symbol] = listeners
        return listeners

    def _changed(self) -> None:
        self._listeners.clear()
        if any(client.symbol_count for client in self._clients):
            self.subscribed.set()
        else:
            self.subscribed.clear()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        if self._faults.cuts(_HERE):
            raise refusals.unavailable()
        socket = web.WebSocketResponse(compress=False, writer_limit=0, max_msg_size=_MESSAGE_BYTES_MAX, autoping=False)
        await socket.prepare(request)
        assert request.transport is not None  # noqa: S101 - a request that was just upgraded has one
        request.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        form = MESSAGE_PACK if "msgpack" in request.headers.get("Content-Type", "") else JSON
        client = DataClient(socket, form, request.transport.abort, self._stall_s)
        self._connected.add(client)
        sender = asyncio.create_task(client.send())
        self._answer(client, {"T": "success", "msg": "connected"})
        try:
            await self._converse(request, socket, client)
        finally:
            self._connected.discard(client)
            self._clients.discard(client)
            self._changed()
            self.stalled += client.stalled
            await client.close()
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
        return socket

    async def _converse(self, request: web.Request, socket: web.WebSocketResponse, client: DataClient) -> None:
        """Answers the client until it goes or has to go."""
        try:
            async with asyncio.timeout(self._auth_timeout_s):
                if "APCA-API-KEY-ID" in request.headers:
                    key, secret = (request.headers.get(f"APCA-API-{name}") for name in ("KEY-ID", "SECRET-KEY"))
                    self._authenticate(client, {"key": key, "secret": secret})
                while not client.authenticated:
                    if not await self._answer_next(socket, client):
                        return
            while await self._answer_next(socket, client):
                await client.room()
        except TimeoutError:
            self._answer(client, _error(404))
        except _Refused as refused:
            self._answer(client, _error(refused.code))

    async def _answer_next(self, socket: web.WebSocketResponse, client: DataClient) -> bool:
        """Whether there was another message. Raises `_Refused` where the connection ends with the error."""
        received = await socket.receive()
        if received.type in (WSMsgType.PING, WSMsgType.PONG):
            if received.type is WSMsgType.PING and not self._faults.swallows_ping(_HERE):
                await socket.pong(received.data)
            return True
        if received.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return False
        data = received.data.encode() if received.type is WSMsgType.TEXT else received.data
        try:
            self._obey(client, client.form.decode(data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._answer(client, _error(400))
        except _Refused as refused:
            if refused.code in _ENDING:
                raise
            self._answer(client, _error(refused.code))
        return True

    def _obey(self, client: DataClient, message: Any) -> None:
        if not isinstance(message, dict):
            raise _Refused(400)
        action = message.get("action")
        if action == "auth":
            self._authenticate(client, message)
        elif action not in ("subscribe", "unsubscribe"):
            raise _Refused(400)
        elif not client.authenticated:
            raise _Refused(401)
        else:
            self._subscribe(client, action, _wanted(message))

    def _authenticate(self, client: DataClient, message: Mapping[str, Any]) -> None:
        if client.authenticated:
            raise _Refused(403)
        secret = message.get("secret")
        if not isinstance(secret, str) or self._keys.get(str(message.get("key"))) != secret:
            raise _Refused(402)
        if len(self._clients) >= self._connections_max:
            raise _Refused(406)
        self._fail_if_told(406)
        client.authenticated = True
        self._clients.add(client)
        self._answer(client, {"T": "success", "msg": "authenticated"})

    def _subscribe(self, client: DataClient, action: str, wanted: Mapping[str, list[str]]) -> None:
        if action == "unsubscribe":
            client.unsubscribe(wanted)
        elif client.symbol_count_with(wanted) > self._symbols_max:
            raise _Refused(405)
        else:
            self._fail_if_told(405, 409)
            client.subscribe(wanted)
        self._answer(client, {"T": "subscription", **client.subscriptions})
        self._changed()

    def _fail_if_told(self, *codes: int) -> None:
        code = self._faults.error(*codes)
        if code is not None:
            raise _Refused(code)


def _wanted(message: Mapping[str, Any]) -> dict[str, list[str]]:
    """The symbols by channel. Raises `_Refused` for another channel than the feed has, and for other than symbols."""
    wanted = {channel: symbols for channel, symbols in message.items() if channel != "action"}
    for channel, symbols in wanted.items():
        if channel not in CHANNELS:
            raise _Refused(410)
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise _Refused(400)
    return wanted


def _error(code: int) -> dict[str, Any]:
    return {"T": "error", "code": code, "msg": ERRORS[code]}
