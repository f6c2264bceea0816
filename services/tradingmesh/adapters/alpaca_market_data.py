"""Alpaca's market data stream through alpaca-py's `StockDataStream`, on a thread of its own: it wants asyncio.

What alpaca-py leaves open is closed here. It only logs what goes wrong: told, in `problem`. It waits without end for an
answer to its login: bounded. It notices a dead link after 190 s: told within 2 s, left after 15 s. A socket that
answers pings and brings nothing is left after the manifest's `dataTimeout`. It connects again 1 to 30 s after each
failure, as refused keys (402) and a taken connection (406, for up to 90 s after a broken one) want it; but a
subscription that is refused (405, 409) would be refused again: that connection stays, and says why it is silent.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tradingmesh.adapters.alpaca_library  # noqa: F401 - must come before alpaca

# isort: split
from alpaca.common.enums import BaseURL
from alpaca.data.live import StockDataStream

from tradingmesh.adapters.alpaca_pulse import SILENT, Pulse
from tradingmesh.adapters.alpaca_stop import end
from tradingmesh.telemetry.metrics import Metrics

WAITING_MAX = 5_000
LOGIN_TIMEOUT_S = 10.0
_FULL_WAIT_S = 0.001
_LIVELY = {"ping_interval": 5, "ping_timeout": 10, "open_timeout": 5, "close_timeout": 1, "max_queue": 1024}
_PACED = {**_LIVELY, "ping_timeout": 180}
_WORDS = {
    "auth failed": "auth failed: check APCA_API_KEY_ID and APCA_API_SECRET_KEY",
    "connection limit exceeded": "connection limit exceeded: another one is open, or broke within the last 90 s",
}
_REFUSED_FOR_GOOD = frozenset({400, 405, 409, 410})


class StreamPlace(NamedTuple):
    """Where the stream is and what opens it; a URL that is None is Alpaca's own.

    A `paced` tape waits for us, so neither silence nor a late ping says that the link is broken. `data_timeout_s` is
    how long silence is borne; None is for ever.
    """

    key_id: str
    secret_key: str
    feed: str
    url: str | None
    paced: bool = False
    data_timeout_s: float | None = None


class _Stream(StockDataStream):
    """alpaca-py's stream, made to tell. Everything here runs in the stream's thread."""

    def __init__(self, place: StreamPlace, metrics: Metrics) -> None:
        super().__init__(
            place.key_id,
            place.secret_key,
            raw_data=True,
            # By URL, because alpaca-py refuses to name the delayed feed, which a free account may hear.
            url_override=place.url or f"{BaseURL.MARKET_DATA_STREAM.value}/v2/{place.feed}",
            websocket_params=_PACED if place.paced else _LIVELY,
            data_timeout=None if place.paced else place.data_timeout_s,
        )
        self.problem = "not started"
        self._passing = False
        self._pulse = None if place.paced else Pulse(self._on_pulse)
        self._metrics = metrics
        self._connected = metrics.counter("stream_connections", stream="market-data")
        self._failed = metrics.counter("stream_failures", stream="market-data")

    def clear(self) -> None:
        """A message came: what was wrong for a moment is over."""
        if self._passing:
            self._note("")

    async def _start_ws(self) -> None:
        self._note("connecting")
        try:
            await asyncio.wait_for(super()._start_ws(), LOGIN_TIMEOUT_S)
        except Exception as error:  # whatever it is, alpaca-py tries again: here it is only told
            said = str(error) or type(error).__name__
            self._note(_WORDS.get(said, f"cannot connect: {said}"))
            raise
        self._connected.inc()
        self._note("")
        if self._pulse is not None:
            self._pulse.start(self._ws)

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        if msg.get("T") == "error":
            self._refused(msg.get("code"), str(msg.get("msg")))
        await super()._dispatch(msg)

    async def close(self) -> None:
        if self._pulse is not None:
            self._pulse.stop()
        self._failed.inc(self._should_run)
        if self.problem in ("", SILENT):
            self._note("connection lost" if self._should_run else "stopped")
        await super().close()

    def _on_pulse(self, answers: bool) -> None:  # noqa: FBT001 - called by position
        if answers:
            self.clear()
        elif not self.problem:
            self._note(SILENT, passing=True)

    def _refused(self, code: object, words: str) -> None:
        self._metrics.counter("stream_errors", code=str(code)).inc()
        for_good = code in _REFUSED_FOR_GOOD
        self._note(f"Alpaca says {code} {words}", passing=not for_good)
        if for_good:
            self._data_timeout = None

    def _note(self, problem: str, *, passing: bool = False) -> None:
        self.problem, self._passing = problem, passing


class AlpacaMarketData:
    """Raw trade, quote and bar messages of some symbols, in the order they came.

    Messages wait in a queue of at most `WAITING_MAX`; when it is full the stream is not read on, so that a fast tape is
    slowed down and a fast market ends in Alpaca's own "slow client" error rather than in our memory.
    `wake` is called from the stream thread when a first message waits for `take`.
    """

    def __init__(self, place: StreamPlace, symbols: Sequence[str], metrics: Metrics, wake: Callable[[], None]) -> None:
        self._stream = _Stream(place, metrics)
        self._waiting: deque[dict[str, Any]] = deque()
        self._wake = wake
        for subscribe in (self._stream.subscribe_quotes, self._stream.subscribe_trades, self._stream.subscribe_bars):
            subscribe(self._hear, *symbols)
        self._thread = threading.Thread(target=self._stream.run, name="alpaca-market-data", daemon=True)

    @property
    def problem(self) -> str:
        """Why there is no stream; empty while it listens."""
        return self._stream.problem

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
        end(self._stream, self._thread)

    async def _hear(self, message: Any) -> None:
        while len(self._waiting) >= WAITING_MAX:  # noqa: ASYNC110 - who empties the queue is another thread
            await asyncio.sleep(_FULL_WAIT_S)
        self._stream.clear()
        self._waiting.append(message)
        if len(self._waiting) == 1:
            self._wake()
