"""One client of the market data stream: what it subscribed to, and a sender that never holds more than it may."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from tradingmesh.alpaca_simulator.data_frames import Format

FRAME_MESSAGES = 8
"""Messages in one frame at most. Few, because alpaca-py queues 1024 frames: what is queued there is already late."""
WAITING_MAX = 64
"""Messages that wait for a client before the tape waits for it."""
STALL_S = 30.0

CHANNELS = (
    "trades",
    "quotes",
    "bars",
    "updatedBars",
    "dailyBars",
    "statuses",
    "lulds",
    "corrections",
    "cancelErrors",
)
_WITH_TRADES = ("corrections", "cancelErrors")
EVERY = "*"


class DataClient:
    """A connected client. Once it `ended` nothing more is sent to it."""

    def __init__(
        self, socket: web.WebSocketResponse, form: Format, abort: Callable[[], None], stall_s: float = STALL_S
    ) -> None:
        self.form = form
        self.authenticated = False
        self.stalled = False
        self.ended = False
        self._abort = abort
        self._socket = socket
        self._stall_s = stall_s
        self._symbols: dict[str, set[str]] = {channel: set() for channel in CHANNELS}
        self._waiting: list[bytes] = []
        self._wake = asyncio.Event()
        self._room = asyncio.Event()

    def wants(self, channel: str, symbol: str) -> bool:
        """Whether it subscribed to this."""
        symbols = self._symbols[channel]
        return symbol in symbols or EVERY in symbols

    @property
    def subscriptions(self) -> dict[str, list[str]]:
        """What it subscribed to, as Alpaca tells it: corrections and cancels come with trades."""
        told = {channel: sorted(symbols) for channel, symbols in self._symbols.items()}
        return told | dict.fromkeys(_WITH_TRADES, told["trades"])

    @property
    def symbol_count(self) -> int:
        """How many different symbols it subscribed to."""
        return self.symbol_count_with({})

    def symbol_count_with(self, wanted: Mapping[str, list[str]]) -> int:
        """How many there would be with these as well."""
        return len(set().union(*self._symbols.values(), *wanted.values()))

    def subscribe(self, wanted: Mapping[str, list[str]]) -> None:
        """Adds these symbols by channel."""
        for channel, symbols in wanted.items():
            self._symbols[channel].update(symbols)

    def unsubscribe(self, unwanted: Mapping[str, list[str]]) -> None:
        """Takes these symbols away by channel."""
        for channel, symbols in unwanted.items():
            self._symbols[channel].difference_update(symbols)

    def tell(self, message: dict[str, Any]) -> None:
        """Sends an answer, behind what waits already."""
        self.put(self.form.encode(message))

    def put(self, encoded: bytes) -> None:
        """Sends a message of its format, behind what waits already."""
        if not self.ended:
            self._waiting.append(encoded)
            self._wake.set()

    @property
    def full(self) -> bool:
        """Whether it is to be waited for."""
        return len(self._waiting) >= WAITING_MAX and not self.ended

    async def room(self) -> None:
        """Waits until it took what waits, or ended."""
        while self.full:
            self._room.clear()
            await self._room.wait()

    async def send(self) -> None:
        """Sends what is put, until the socket is closed or takes nothing for `stall_s`: then the client is cut off."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._send_waiting()
        except TimeoutError:
            self.stalled = True
            self._abort()
        except ConnectionError:
            pass  # the client went: the reading side ends and tells
        finally:
            self._end()

    def cut(self) -> None:
        """Ends the connection at once."""
        self._end()
        self._abort()

    async def close(self) -> None:
        """Sends what waits, in bounded time, and closes the connection."""
        try:
            if not self.ended:
                await self._send_waiting()
                await self._socket.close()
        except (TimeoutError, ConnectionError):
            self._abort()
        finally:
            self._end()

    def _end(self) -> None:
        """Nothing is sent any more, and nobody waits for it."""
        self.ended = True
        self._waiting.clear()
        self._room.set()

    async def _send_waiting(self) -> None:
        while self._waiting:
            batch = self._waiting[:FRAME_MESSAGES]
            del self._waiting[:FRAME_MESSAGES]
            self._room.set()
            async with asyncio.timeout(self._stall_s):
                await self._socket.send_frame(self.form.frame(batch), self.form.opcode)
