"""The websocket `/stream`: authentication, `listen`, and every trade update of the account, in binary JSON frames.

Alpaca's paper stream sends binary frames too (https://docs.alpaca.markets/docs/websocket-streaming). There is no
replay: a client that was away, or was cut off because it read too slowly, asks by REST what it missed.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from tradingmesh.alpaca_simulator import refusals
from tradingmesh.alpaca_simulator.faults import Faults
from tradingmesh.alpaca_simulator.held_messages import WayOut
from tradingmesh.alpaca_simulator.http import Keys, encode
from tradingmesh.alpaca_simulator.orders import TradeUpdate
from tradingmesh.alpaca_simulator.refusals import RefusalError
from tradingmesh.alpaca_simulator.views import update_view
from tradingmesh.contract import FaultPlace
from tradingmesh.telemetry.metrics import Metrics

STREAM = "trade_updates"
CLIENTS_MAX = 16
WAITING_MAX = 10_000
"""Updates that wait for a slow client; with one more it is cut off."""
HEARTBEAT_S = 20.0
CLOSE_WITHIN_S = 1.0
_MESSAGE_MAX_BYTES = 16 * 1024
_HERE = FaultPlace.TRADE_UPDATES


class _Client:
    def __init__(self, socket: web.WebSocketResponse, abort: Callable[[], None]) -> None:
        self.socket = socket
        self.abort = abort
        self.authorized = False
        self.listening = False
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue(WAITING_MAX)


class TradingStream:
    """The stream's clients. `publish` is the one place where trade updates leave the simulator."""

    def __init__(self, keys: Keys, metrics: Metrics, faults: Faults) -> None:
        self._keys = keys
        self._faults = faults
        self._way_out: WayOut[bytes] = WayOut(_HERE, faults, self._spread)
        self._clients: set[_Client] = set()
        self._sent = metrics.counter("trade_updates_sent")
        self._cut_off = metrics.counter("stream_clients_cut_off")
        metrics.gauge("stream_clients", lambda: len(self._clients))

    def publish(self, updates: Sequence[TradeUpdate]) -> None:
        """Queues the updates for every client that listens; never waits."""
        if self._clients or self._faults.any_on(_HERE):
            for update in updates:
                self._way_out.send(encode(update_view(update)))

    def cut(self) -> None:
        """Ends every connection at once."""
        for client in self._clients:
            self._faults.cuts(_HERE)
            client.abort()

    def _spread(self, message: bytes) -> None:
        for client in self._clients:
            if client.listening:
                self._queue(client, message)

    def _queue(self, client: _Client, message: bytes) -> None:
        try:
            client.waiting.put_nowait(message)
            self._sent.inc()
        except asyncio.QueueFull:
            client.listening = False
            self._cut_off.inc()
            client.abort()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One client, from its handshake to its end."""
        if len(self._clients) >= CLIENTS_MAX:
            raise RefusalError(429, 42910000, "connection limit exceeded")
        if self._faults.cuts(_HERE):
            raise refusals.unavailable()
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S, max_msg_size=_MESSAGE_MAX_BYTES, compress=False, autoping=False
        )
        await socket.prepare(request)
        assert request.transport is not None  # noqa: S101 - a request that was just upgraded has one
        client = _Client(socket, request.transport.abort)
        self._clients.add(client)
        sender = asyncio.create_task(self._send(client))
        try:
            async for message in socket:
                if message.type is WSMsgType.PING and not self._faults.swallows_ping(_HERE):
                    await socket.pong(message.data)
                elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    told = self._answer(client, message.data)
                    if not self._faults.mutes(_HERE):
                        await socket.send_bytes(encode(told))
        except ConnectionError:
            return socket  # the client went before it had its answer
        finally:
            self._clients.discard(client)
            sender.cancel()
        return socket

    async def close(self) -> None:
        """Sends what waits, and ends every connection; one that takes longer than `CLOSE_WITHIN_S` is cut off."""
        self._way_out.close()
        for client in list(self._clients):
            client.listening = False
            try:
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    while not client.waiting.empty() and not client.socket.closed:
                        await client.socket.send_bytes(client.waiting.get_nowait())
                    await client.socket.close()
            except (TimeoutError, ConnectionError):
                client.abort()

    async def _send(self, client: _Client) -> None:
        while not client.socket.closed:
            try:
                await client.socket.send_bytes(await client.waiting.get())
            except ConnectionError:
                return  # the client went; its reader notices as well

    def _answer(self, client: _Client, raw: str | bytes) -> dict[str, Any]:
        try:
            asked = msgspec.json.decode(raw, type=dict[str, Any])
        except msgspec.MsgspecError:
            return _error("invalid message")
        action = asked.get("action")
        if action in ("authenticate", "auth"):
            client.authorized = self._authorizes(asked)
            return _authorization(str(action), authorized=client.authorized)
        if action == "listen":
            if not client.authorized:
                return _authorization(action, authorized=False)
            data = asked.get("data")
            streams = data.get("streams") if isinstance(data, dict) else None
            client.listening = isinstance(streams, list) and STREAM in streams
            return {"stream": "listening", "data": {"streams": [STREAM] if client.listening else []}}
        return _error("unknown action")

    def _authorizes(self, asked: dict[str, Any]) -> bool:
        data = asked.get("data")
        given = (data.get("key_id"), data.get("secret_key")) if isinstance(data, dict) else _flat(asked)
        key_id, secret_key = given
        return isinstance(key_id, str) and isinstance(secret_key, str) and self._keys.match(key_id, secret_key)


def _flat(asked: dict[str, Any]) -> tuple[Any, Any]:
    return asked.get("key"), asked.get("secret")


def _authorization(action: str, *, authorized: bool) -> dict[str, Any]:
    status = "authorized" if authorized else "unauthorized"
    return {"stream": "authorization", "data": {"action": action, "status": status}}


def _error(message: str) -> dict[str, Any]:
    return {"stream": "error", "data": {"error": message}}
