"""Asks every process how it is, by `/readyz` and `/configz`. Bounded in time, and never fatal."""

import http.client
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from tradingmesh.cli.up_plan import Process
from tradingmesh.contract import Component

_TIMEOUT_S = 2.0
_AT_ONCE = 4
_HOST = "127.0.0.1"


class Picture(NamedTuple):
    """What one process told of itself last. Each start of a process has an `epoch` of its own."""

    component: Component
    instance: str
    epoch: int
    status: dict[str, Any]
    counters: dict[str, dict[str, float]]
    gauges: dict[str, dict[str, float]]
    latency_us: dict[str, dict[str, float]]


class Watch:
    """The last picture of every process and start."""

    def __init__(self, planned: Iterable[Process]) -> None:
        self._planned = tuple(planned)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="watch")
        self.pictures: dict[tuple[str, int], Picture] = {}

    def look(self) -> None:
        """Asks all of them; who does not answer keeps its last picture."""
        for process, body in zip(self._planned, self._pool.map(_ask, self._planned), strict=True):
            if body is not None:
                picture = _picture(process, body)
                self.pictures[picture.instance, picture.epoch] = picture

    def close(self) -> None:
        """Ends the asking threads."""
        self._pool.shutdown()


def is_ready(process: Process) -> bool:
    """Whether the process answers that it is ready."""
    return fetch(process.port, "/readyz") is not None


def why_not_ready(process: Process) -> str:
    """What it says it is waiting for."""
    body = fetch(process.port, "/readyz", whatever_status=True)
    return "; ".join(body.get("reasons", ())) if body else "no answer yet"


def fetch(port: int, path: str, *, method: str = "GET", whatever_status: bool = False) -> dict[str, Any] | None:
    """The JSON object there; None where there is no answer, or not a good one.

    A process that is killed while it answers may leave a status and no more, which is no answer.
    """
    connection = http.client.HTTPConnection(_HOST, port, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        return body if isinstance(body, dict) and (whatever_status or answer.status < 300) else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _ask(process: Process) -> dict[str, Any] | None:
    return fetch(process.port, "/configz")


def _picture(process: Process, body: dict[str, Any]) -> Picture:
    metrics = body["metrics"]
    return Picture(
        process.component,
        process.instance,
        body["epoch"],
        body["status"],
        metrics["counters"],
        metrics["gauges"],
        metrics["latency_us"],
    )
