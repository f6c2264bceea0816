"""HTTP of the live page, on threads of its own: three files, and their news as server-sent events. It takes no orders.

See docs/decisions/0093-the-live-page-is-told-whole-sections.md. The stream's format is that of the HTML standard,
section 9.2: `event:` is the section's name, `data:` its JSON.
"""

import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import urlsplit

from tradingmesh.adapters.zmq_sockets import holder_of
from tradingmesh.core.errors import ConfigError
from tradingmesh.metrics_collector.page_board import Board

EVENTS_PATH = "/events"
CONNECTIONS_MAX = 64
SLOW_AFTER_S = 5.0
"""A browser that takes nothing for so long is let go; it comes back by itself."""
SEND_BUFFER_BYTES = 1 << 18
NEWS_WITHIN_S = 1.0
RETRY_MS = 1_000
_STOP_WITHIN_S = 0.1
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class File(NamedTuple):
    """One file of the page."""

    type: str
    body: bytes


def page_files() -> dict[str, File]:
    """Every file of the page by the path it is asked for under. There is no other: nothing is looked up on the disk."""
    folder = files("tradingmesh.metrics_collector") / "page"
    found = {}
    for entry in folder.iterdir():
        kind = _TYPES.get(f".{entry.name.rpartition('.')[2]}")
        if kind is not None:
            path = "/" if entry.name == "index.html" else f"/{entry.name}"
            found[path] = File(f"{kind}; charset=utf-8", entry.read_bytes())
    return found


class PageServer:
    """Serves the page. `on_slow` and `on_refused` are called, on any thread, for each watcher let go or sent away."""

    def __init__(self, board: Board, on_slow: Callable[[], None], on_refused: Callable[[], None]) -> None:
        self.board = board
        self.on_slow = on_slow
        self.on_refused = on_refused
        self.files: Mapping[str, File] = page_files()
        self.loopback_only = False
        self._server: _Server | None = None

    def start(self, host: str, port: int) -> int:
        """Listens, and returns the port. Raises `ConfigError` saying who has it where it is taken."""
        self.loopback_only = host in _LOOPBACK
        try:
            self._server = _Server((host, port), partial(_Handler, self))
        except OSError as error:
            raise ConfigError(
                f"the live page's port {port} cannot be used: {error.strerror}{holder_of(port)}; "
                "set TRADINGMESH_PAGE_PORT"
            ) from None
        serve = partial(self._server.serve_forever, poll_interval=_STOP_WITHIN_S)
        threading.Thread(target=serve, name="page", daemon=True).start()
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Lets the watchers go and stops listening."""
        self.board.close()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A thread a connection, and not more than `CONNECTIONS_MAX` of them: one too many is closed unanswered."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self._room = threading.Semaphore(CONNECTIONS_MAX)
        super().__init__(address, handler)

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of a connection that broke: browsers come and go."""


class _Handler(BaseHTTPRequestHandler):
    timeout = SLOW_AFTER_S
    server_version = "tradingmesh"
    sys_version = ""

    def __init__(self, page: PageServer, *args: object) -> None:
        self._page = page
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name the base class gives it
        """Logs nothing: metrics count what matters."""

    def do_GET(self) -> None:
        """A file of the page, its news, or neither."""
        path = urlsplit(self.path).path
        found = self._page.files.get(path)
        if not self._is_meant():
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, File("text/plain", b"ask for 127.0.0.1 or localhost\n"))
        elif path == EVENTS_PATH:
            self._tell_news()
        elif found is not None:
            self._answer(HTTPStatus.OK, found)
        else:
            self._answer(HTTPStatus.NOT_FOUND, File("text/plain", b"the live page is at /\n"))

    def _is_meant(self) -> bool:
        """On loopback only loopback's names are good: a stranger's name that leads here is his origin, not ours."""
        name = (urlsplit(f"//{self.headers.get('Host', '')}").hostname or "").lower()
        return name in _LOOPBACK or not self._page.loopback_only

    def _answer(self, status: HTTPStatus, file: File) -> None:
        self._head(status, file.type, {"Content-Length": str(len(file.body))})
        self.wfile.write(file.body)

    def _head(self, status: HTTPStatus, kind: str, more: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **_HEADERS, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def _tell_news(self) -> None:
        board = self._page.board
        if not board.join():
            self._page.on_refused()
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, File("text/plain", b"too many watch already\n"))
            return
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            self._head(HTTPStatus.OK, "text/event-stream", {})
            self.wfile.write(b"retry: %d\n\n" % RETRY_MS)
            version = 0
            while True:
                version, news = board.newer(version, NEWS_WITHIN_S)
                if board.closed:
                    break
                self.wfile.write(b"".join(map(_event, news, news.values())) or b": nothing new\n\n")
        except TimeoutError:
            self._page.on_slow()
        finally:
            board.leave()


def _event(name: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)
