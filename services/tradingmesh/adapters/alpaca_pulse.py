"""Whether the other end of one of Alpaca's streams answers: silence is found in two seconds and told, and its end too.

The websocket library closes a connection that answers no ping, after 15 s: a short hitch must not cost a new login. But
who trades meanwhile is blind, so that nothing answers is told much sooner.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from websockets.exceptions import WebSocketException

PULSE_EVERY_S = 0.75
ANSWER_WITHIN_S = 1.0
SILENT = f"no answer to a ping within {ANSWER_WITHIN_S:g} s"


class Pulse:
    """Pings one connection after the other; `tell` hears, in the stream's loop, that it is silent, or answers again."""

    def __init__(self, tell: Callable[[bool], None]) -> None:
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    def start(self, socket: Any) -> None:
        """Watches a connection that is open, until it ends or `stop` is called."""
        self.stop()
        self._task = asyncio.get_running_loop().create_task(self._watch(socket))

    def stop(self) -> None:
        """Watches no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self, socket: Any) -> None:
        answers = True
        try:
            while True:
                pong = await socket.ping()
                await asyncio.wait([pong], timeout=ANSWER_WITHIN_S)
                if pong.done() is not answers:
                    answers = not answers
                    self._tell(answers)
                if answers:
                    await pong
                    await asyncio.sleep(PULSE_EVERY_S)
        except WebSocketException:
            return  # the connection has ended: who reads from it tells
