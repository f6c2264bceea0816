"""A broker's REST API that does as it is told, and one account's calls to it: what reaches it is counted there."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tradingmesh.adapters.alpaca_gate import ApiGate
from tradingmesh.adapters.alpaca_trading import AlpacaTrading
from tradingmesh.contract import ApiCircuitBreakerSpec, RetrySpec
from tradingmesh.core.orders.effects import ApiMoved
from tradingmesh.ports import Clock
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.testing.alpaca_server import order_json

CLOCK = {"timestamp": "2024-01-02T10:30:00.5-05:00", "is_open": True}
Answer = tuple[int, Any, dict[str, str]]


class ToldServer(ThreadingHTTPServer):
    """Answers with whatever `answer(method, path, parameters)` returns; 0 hangs up. `seen` is all that reached it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []
        self.seen_s: list[float] = []
        self.answer: Callable[[str, str, dict[str, str]], Answer] = self.good
        self.at_once_max = 0
        self._at_once = 0
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def good(self, method: str, path: str, parameters: dict[str, str]) -> Answer:
        """A broker that is well: takes every order, has none of those asked for."""
        if method == "POST":
            return 200, order_json(parameters["client_order_id"]), {}
        if path == "/v2/clock":
            return 200, CLOCK, {}
        if path == "/v2/account":
            return 200, {"cash": "1000000"}, {}
        return (404, {"message": "order not found"}, {}) if "client_order_id" in path else (200, [], {})

    def serve(self, method: str, path: str, parameters: dict[str, str]) -> Answer:
        """Counts the request, and answers it."""
        with self._lock:
            self.seen.append(f"{method} {path}")
            self.seen_s.append(time.monotonic())
            self._at_once += 1
            self.at_once_max = max(self.at_once_max, self._at_once)
        try:
            return self.answer(method, path, parameters)
        finally:
            with self._lock:
                self._at_once -= 1

    def fail(self, status: int, *methods: str, **headers: str) -> None:
        """These methods end with that status from now on; all of them where none is named."""

        def answer(method: str, path: str, parameters: dict[str, str]) -> Answer:
            failing = not methods or method in methods
            return (status, {"message": "x"}, headers) if failing else self.good(method, path, parameters)

        self.answer = answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: ToldServer

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        """Answers it."""
        self._answer("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_GET(self) -> None:
        """Answers it."""
        self._answer("GET", {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()})

    def do_DELETE(self) -> None:
        """Answers it."""
        self._answer("DELETE", {})

    def _answer(self, method: str, parameters: dict[str, str]) -> None:
        status, body, headers = self.server.serve(method, urlsplit(self.path).path, parameters)
        if status == 0:
            self.close_connection = True
            return
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)


class ApiDesk:
    """One account's gate, what it told, and as many connections behind it as a test wants."""

    def __init__(self, server: ToldServer, clock: Clock, recovery_s: float) -> None:
        self.server = server
        self._clock = clock
        self.told: list[ApiMoved] = []
        self.metrics = Metrics()
        spec = ApiCircuitBreakerSpec(failure_threshold=3, recoveryTimeout=int(recovery_s * 1_000))
        self.gate = ApiGate(spec, self._clock, self.metrics, self.told.append)

    def trading(self, attempts: int = 5) -> AlpacaTrading:
        """A connection, to be used by one thread."""
        url, retry = f"http://127.0.0.1:{self.server.server_port}", RetrySpec(max_attempts=attempts, initial=1, max=5)
        return AlpacaTrading("key", "secret", url, self.gate, retry, paper=True, clock=self._clock)

    def counted(self, name: str) -> int:
        """A counter, all its labels together."""
        return sum(self.metrics.snapshot()["counters"][name].values())
