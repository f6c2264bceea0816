"""Ends one of alpaca-py's streams, which runs an event loop on a thread of its own."""

import asyncio
import threading
import time
from typing import Any

STOP_WAIT_S = 5.0
_LOOK_EVERY_S = 0.005


def end(stream: Any, thread: threading.Thread) -> None:
    """Returns when the thread has ended, after `STOP_WAIT_S` at the latest.

    alpaca-py's own stop() waits up to 5 s for the next message. And what tells a stream to end before its loop is set
    up is forgotten there: the thread would connect again for ever. So one that has just begun is waited for.
    """
    give_up_s = time.monotonic() + STOP_WAIT_S
    while thread.is_alive() and stream._stop_stream_event is None:  # noqa: SLF001 - set when it can be told
        if time.monotonic() > give_up_s:
            return
        time.sleep(_LOOK_EVERY_S)
    if thread.is_alive():
        asyncio.run_coroutine_threadsafe(_end(stream), stream._loop)  # noqa: SLF001 - it has no name for it
        thread.join(STOP_WAIT_S)


async def _end(stream: Any) -> None:
    await stream.stop_ws()
    await stream.close()
