"""Alpaca's market data stream through alpaca-py's `StockDataStream`, on a thread of its own: it wants asyncio."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import tradingmesh.adapters.alpaca_library  # noqa: F401 - must come before alpaca

# isort: split
from alpaca.data.enums import DataFeed
from alpaca.data.live import StockDataStream

WAITING_MAX = 5_000
_FULL_WAIT_S = 0.001
_STOP_WAIT_S = 5.0
_KEYS_REFUSED = "auth failed: check APCA_API_KEY_ID and APCA_API_SECRET_KEY"


class _Stream(StockDataStream):
    """alpaca-py's stream, which only logs what goes wrong, made to tell."""

    on_state: Callable[[str], None]

    async def _start_ws(self) -> None:
        self.on_state("connecting")
        try:
            await super()._start_ws()
        except Exception as error:  # whatever it is, alpaca-py retries it: here it is only told
            self.on_state(_KEYS_REFUSED if str(error) == "auth failed" else f"cannot connect: {error}")
            raise
        self.on_state("")

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        if msg.get("T") == "error":
            self.on_state(f"Alpaca says {msg.get('code')} {msg.get('msg')}")
        await super()._dispatch(msg)


class AlpacaMarketData:
    """Raw trade, quote and bar messages of some symbols, in the order they came.

    Messages wait in a queue of at most `WAITING_MAX`; when it is full the stream is not read on, so that a fast tape is
    slowed down and a fast market ends in Alpaca's own "slow client" error rather than in our memory.
    `wake` is called from the stream thread when a first message waits for `take`; `problem` is why there is no stream.
    """

    def __init__(
        self, key_id: str, secret_key: str, feed: str, url: str | None, symbols: Sequence[str], wake: Callable[[], None]
    ) -> None:
        self._stream = _Stream(key_id, secret_key, raw_data=True, feed=DataFeed(feed), url_override=url)
        self._stream.on_state = self._note
        self._waiting: deque[dict[str, Any]] = deque()
        self._wake = wake
        self.problem = "not started"
        for subscribe in (self._stream.subscribe_quotes, self._stream.subscribe_trades, self._stream.subscribe_bars):
            subscribe(self._hear, *symbols)
        self._thread = threading.Thread(target=self._stream.run, name="alpaca-market-data", daemon=True)

    def start(self) -> None:
        """Connects, and reconnects with alpaca-py's backoff of 1 to 30 s until stopped."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

    def take(self, at_most: int) -> list[dict[str, Any]]:
        """The oldest waiting messages."""
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(at_most, len(waiting)))]

    def stop(self) -> None:
        """Ends the stream, in bounded time."""
        if self._thread.is_alive():
            self._stream.stop()
            self._thread.join(_STOP_WAIT_S)

    async def _hear(self, message: Any) -> None:
        while len(self._waiting) >= WAITING_MAX:  # noqa: ASYNC110 - who empties the queue is another thread
            await asyncio.sleep(_FULL_WAIT_S)
        self._waiting.append(message)
        if len(self._waiting) == 1:
            self._wake()

    def _note(self, problem: str) -> None:
        self.problem = problem
