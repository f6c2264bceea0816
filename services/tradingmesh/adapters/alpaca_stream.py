"""Alpaca's `trade_updates` through alpaca-py's `TradingStream`, on a thread of its own: it wants asyncio.

What alpaca-py leaves open is closed here. Its connection state cannot be seen: told from the server's `listening` to
the close. It waits without end for an answer to its login: bounded. It notices a dead link after 190 s: told within
2 s, left after 15 s. It gives up a message when a handler raises, and only logs it: the handler here reads and hands
over; what cannot be read is told, so that it is asked for by REST. The stream never replays.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import tradingmesh.adapters.alpaca_library  # noqa: F401 - must come before alpaca

# isort: split
from alpaca.common.utils import reconnect_delay
from alpaca.trading.stream import TradingStream
from websockets.exceptions import WebSocketException

from tradingmesh.adapters.alpaca_pulse import SILENT, Pulse
from tradingmesh.adapters.alpaca_stop import end
from tradingmesh.adapters.alpaca_trading_json import stream_update
from tradingmesh.core.errors import InputError
from tradingmesh.core.orders.effects import BrokerEvent, StreamState, UpdateUnreadable

LOGIN_TIMEOUT_S = 10.0
RECONNECT_MIN_S = 0.2
RECONNECT_MAX_S = 5.0
REFUSED_WAIT_S = 60.0
_WEBSOCKET = {"ping_interval": 5, "ping_timeout": 10, "open_timeout": 5, "close_timeout": 1, "max_queue": 1024}
Deliver = Callable[[BrokerEvent], None]


class _Stream(TradingStream):
    def __init__(self, key_id: str, secret_key: str, url: str | None, deliver: Deliver, *, paper: bool) -> None:
        super().__init__(key_id, secret_key, paper, raw_data=True, url_override=url or "", websocket_params=_WEBSOCKET)
        self._deliver = deliver
        self._keys_refused = False
        self._reason = "not connected yet"
        self._listens = False
        self._pulse = Pulse(self._on_pulse)

    async def _start_ws(self) -> None:
        try:
            await asyncio.wait_for(super()._start_ws(), LOGIN_TIMEOUT_S)  # type: ignore[no-untyped-call]  # theirs
        except Exception as error:  # whatever it is, alpaca-py tries again: here it is only told
            self._keys_refused = str(error) == "failed to authenticate"
            self._reason = _sentence(error, keys_refused=self._keys_refused)
            raise
        self._keys_refused = False
        self._pulse.start(self._ws)

    async def _consume(self) -> None:
        try:
            await super()._consume()  # type: ignore[no-untyped-call]  # theirs
        except WebSocketException as error:
            self._reason = f"connection lost: {error}"
            raise
        except Exception as error:  # alpaca-py goes on with the next message: what this one told must be asked for
            self._deliver(UpdateUnreadable(repr(error)))
            raise

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        if msg.get("stream") == "listening" and "trade_updates" in msg.get("data", {}).get("streams", ()):
            self._reason = "stopped"
            self._listens = True
            self._deliver(StreamState(""))
        await super()._dispatch(msg)

    async def close(self) -> None:
        self._pulse.stop()
        self._listens = False
        self._deliver(StreamState(self._reason))
        await super().close()

    def _on_pulse(self, answers: bool) -> None:  # noqa: FBT001 - called by position
        if self._listens:
            self._deliver(StreamState("" if answers else SILENT))

    def _reconnect_delay(self, retries: int) -> float:
        return REFUSED_WAIT_S if self._keys_refused else reconnect_delay(retries, RECONNECT_MIN_S, RECONNECT_MAX_S)


class AlpacaStream:
    """Delivers every order update, and whether the stream listens; `deliver` is called in the stream's thread."""

    def __init__(self, key_id: str, secret_key: str, url: str | None, deliver: Deliver, *, paper: bool) -> None:
        """`url` is alpaca-py's `url_override`: paper, live and simulator differ by it alone."""
        # Every failed attempt would be logged with its stack: what matters of it is delivered as a StreamState.
        logging.getLogger("alpaca.trading.stream").setLevel(logging.CRITICAL)
        self._deliver = deliver
        self._stream = _Stream(key_id, secret_key, url, deliver, paper=paper)
        self._stream.subscribe_trade_updates(self._hear)
        self._thread = threading.Thread(target=self._stream.run, name="alpaca-trade-updates", daemon=True)

    def start(self) -> None:
        """Connects, and connects again whenever the connection is lost, until stopped."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the stream, in bounded time."""
        end(self._stream, self._thread)

    async def _hear(self, message: dict[str, Any]) -> None:
        try:
            update = stream_update(message["data"])
        except (InputError, KeyError, TypeError, AttributeError) as error:
            self._deliver(UpdateUnreadable(f"{error!r} in {str(message)[:300]}"))
            return
        self._deliver(update)


def _sentence(error: Exception, *, keys_refused: bool) -> str:
    if keys_refused:
        return "the broker refuses the keys; check APCA_API_KEY_ID and APCA_API_SECRET_KEY"
    return f"cannot connect: {type(error).__name__}: {error}"
