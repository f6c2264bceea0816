"""Alpaca's REST as far as submissions and reconciliations need it, failing on demand: the adapter is tried with it."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

NO_CASH = (403, {"code": 40310000, "message": "insufficient buying power"})
NOT_UNIQUE = (422, {"code": 40010001, "message": "client_order_id must be unique"})


def order_json(client: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    """An order as the endpoint shows it."""
    created = f"2024-01-02T15:00:{number:02}.000001Z"
    return {
        "id": f"00000000-0000-0000-0000-{number:012}",
        "client_order_id": client,
        "created_at": created,
        "submitted_at": created,
        "symbol": "IBM",
        "qty": "100",
        "filled_qty": "0",
        "side": "buy",
        "status": "new",
        **changes,
    }


def activity(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A fill as the account's activities show it."""
    return {
        "id": f"20240102::{number}",
        "order_id": order_json("x", number)["id"],
        "type": "partial_fill",
        "symbol": "IBM",
        "side": "buy",
        "price": "10.5",
        "qty": "1",
        "cum_qty": str(number),
        "transaction_time": "2024-01-02T15:00:00Z",
        **changes,
    }


class AlpacaServer(ThreadingHTTPServer):
    """Takes orders. `faults` says what happens to the next POSTs: a status and a body, `act` before it or not."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.orders: dict[str, dict[str, Any]] = {}
        self.activities: list[dict[str, Any]] = []
        self.positions: list[dict[str, Any]] = []
        self.posts: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.faults: list[tuple[bool, int, Any]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def place(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Takes an order, or does what the next fault says: the status and body of its answer."""
        self.posts.append(body)
        act, status, answer = self.faults.pop(0) if self.faults else (True, 200, None)
        if not act:
            return status, answer
        client = body["client_order_id"]
        if client in self.orders:
            return NOT_UNIQUE
        self.orders[client] = order_json(client, len(self.orders) + 1)
        return status, self.orders[client] if answer is None else answer

    def query(self, path: str, params: dict[str, str]) -> tuple[int, Any]:
        """What it answers to a question."""
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        if path == "/v2/clock":
            return 200, {"timestamp": "2024-01-02T10:30:00.5-05:00", "is_open": True}
        if path == "/v2/orders:by_client_order_id":
            found = self.orders.get(params["client_order_id"])
            return (200, found) if found else (404, {"code": 40410000, "message": "order not found"})
        if path == "/v2/orders":
            known = sorted(self.orders.values(), key=lambda order: order["submitted_at"])
            found_all = [o for o in known if o["submitted_at"] > params.get("after", "")]
            if params["status"] == "open":
                found_all = [o for o in found_all if o["status"] == "new"]
            return 200, found_all[: int(params["limit"])]
        if path == "/v2/positions":
            return 200, self.positions
        if path == "/v2/account":
            return 200, {"cash": "1000.25"}
        if path.startswith("/v2/orders/"):
            by_id = {order["id"]: order for order in self.orders.values()}
            found = by_id.get(path.rpartition("/")[2])
            return (200, found) if found else (404, {"code": 40410000, "message": "order not found"})
        ids = [activity["id"] for activity in self.activities]
        start = ids.index(params["page_token"]) + 1 if "page_token" in params else 0
        return 200, self.activities[start : start + int(params["page_size"])]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AlpacaServer

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(*self.server.place(body))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer(*self.server.query(parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()}))

    def do_DELETE(self) -> None:
        self._answer(*self.server.answers.get(self.path, (204, None)))

    def _answer(self, status: int, body: Any) -> None:
        if status == 0:
            self.close_connection = True
            return
        if status < 0:
            time.sleep(-status)
            return
        raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(raw)
