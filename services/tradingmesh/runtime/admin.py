"""Admin HTTP of a component: `/metrics`, `/healthz`, `/readyz`, `/configz`, on a thread of its own."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from tradingmesh.adapters.zmq_sockets import holder_of
from tradingmesh.core.errors import ConfigError

HUNG_AFTER_S = 3.0
"""Longer than a handler takes on a busy machine; see docs/decisions/0074-a-dead-link-and-a-hung-loop-are-found.md."""
_STOP_WITHIN_S = 0.1

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10.0
    """Seconds after which a connection that says nothing is let go."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the base class gives it
        """Logs nothing: probes come every second."""


class Admin:
    """Answers four paths. `/healthz` fails when the work loop has not turned for `HUNG_AFTER_S`."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        last_turn_s: Callable[[], float],
        not_ready: Callable[[], list[str]],
        config: Callable[[], dict[str, Any]],
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._last_turn_s = last_turn_s
        self._not_ready = not_ready
        self._config = config
        self._server: _Server | None = None

    def start(self, host: str, port: int) -> int:
        """Listens, and returns the port. Raises `ConfigError` saying who has it where it is taken."""
        try:
            self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Quiet)
        except OSError as error:
            raise ConfigError(
                f"admin port {port} cannot be used: {error.strerror}{holder_of(port)}; set TRADINGMESH_ADMIN_PORT"
            ) from None
        serve = partial(self._server.serve_forever, poll_interval=_STOP_WITHIN_S)
        threading.Thread(target=serve, name="admin", daemon=True).start()
        return int(self._server.server_port)

    def close(self) -> None:
        """Stops listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start_response)
            return answer
        if path == "/healthz":
            age_s = time.monotonic() - self._last_turn_s()
            return _json(start_response, {"last_turn_age_s": round(age_s, 3)}, good=age_s < HUNG_AFTER_S)
        if path == "/readyz":
            reasons = self._not_ready()
            return _json(start_response, {"ready": not reasons, "reasons": reasons}, good=not reasons)
        if path == "/configz":
            return _json(start_response, self._config(), good=True)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"/metrics /healthz /readyz /configz\n"]


def _json(start_response: StartResponse, body: dict[str, Any], *, good: bool) -> list[bytes]:
    status = "200 OK" if good else "503 Service Unavailable"
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(body, default=str).encode() + b"\n"]
