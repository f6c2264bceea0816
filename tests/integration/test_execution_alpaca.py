"""Alpaca through alpaca-py, against a server that fails on demand: no answer may cost an order or make two of one."""

import json
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tradingmesh.adapters import alpaca_trading
from tradingmesh.adapters.alpaca_answers import KeysRefusedError, RequestRefusedError
from tradingmesh.adapters.alpaca_gate import ApiGate
from tradingmesh.adapters.alpaca_trading import AlpacaTrading
from tradingmesh.adapters.alpaca_trading_broker import AlpacaAccount, AlpacaBroker
from tradingmesh.adapters.alpaca_trading_json import order_request
from tradingmesh.contract import BrokerSpec, RetrySpec
from tradingmesh.core.errors import BrokerError
from tradingmesh.core.orders.effects import (
    BrokerEvent,
    CancelFailed,
    Snapshot,
    StreamState,
    SubmitAnswered,
    SubmitRefused,
    SubmitUnanswered,
)
from tradingmesh.core.orders.record import Order
from tradingmesh.core.signal import Side
from tradingmesh.ports import ReadyOrder
from tradingmesh.runtime.component import WallClock
from tradingmesh.telemetry.metrics import Metrics

BROKER = BrokerSpec(retry=RetrySpec(initial=10, max=20))
NO_CASH = (403, {"code": 40310000, "message": "insufficient buying power"})
NOT_UNIQUE = (422, {"code": 40010001, "message": "client_order_id must be unique"})


def order_json(client: str, number: int = 1, **changes: Any) -> dict[str, Any]:
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


class Alpaca(ThreadingHTTPServer):
    """Takes orders. `faults` says what happens to the next POSTs: a status and a body, `act` before it or not."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.orders: dict[str, dict[str, Any]] = {}
        self.activities: list[dict[str, Any]] = []
        self.posts: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.faults: list[tuple[bool, int, Any]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def place(self, body: dict[str, Any]) -> tuple[int, Any]:
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
        ids = [activity["id"] for activity in self.activities]
        start = ids.index(params["page_token"]) + 1 if "page_token" in params else 0
        return 200, self.activities[start : start + int(params["page_size"])]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Alpaca

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


@pytest.fixture
def alpaca() -> Iterator[Alpaca]:
    server = Alpaca()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_trading, "READ_TIMEOUT_S", 0.3)


def ready(client: str = "c-1", *, valid_s: float = 10.0) -> ReadyOrder:
    until_ns = time.time_ns() + int(valid_s * 1e9)
    order = Order(client, "IBM", Side.BUY, Decimal(100), 1, valid_until_ns=until_ns)
    return ReadyOrder(order, order_request(order))


def trading(alpaca: Alpaca, url: str = "") -> AlpacaTrading:
    gate = ApiGate(BROKER.api_circuit_breaker, WallClock(), Metrics(), lambda _: None)
    return AlpacaTrading("key", "secret", url or alpaca.url, gate, BROKER.retry, paper=True, clock=WallClock())


def test_order_is_placed(alpaca: Alpaca) -> None:
    """One POST, text only, and the broker's own words back."""
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitAnswered)
    assert (answer.update.event, answer.update.client_order_id) == ("new", "c-1")
    assert alpaca.posts == [ready().body]


@pytest.mark.parametrize("status", [500, 502, 504, 0, -1])
def test_answer_lost_after_acting_makes_no_second_order(alpaca: Alpaca, status: int) -> None:
    """An error, an HTML page, a closed connection, silence: the order is looked up, and is there."""
    alpaca.faults = [(True, status, "<html>Bad Gateway</html>")]
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitAnswered)
    assert (len(alpaca.posts), len(alpaca.orders)) == (1, 1)


@pytest.mark.parametrize("status", [500, 504, 0])
def test_order_that_did_not_arrive_is_sent_again(alpaca: Alpaca, status: int) -> None:
    """Looked up, not there, and still valid: once more, under the same client order id."""
    alpaca.faults = [(False, status, {"message": "x"}), (False, status, {"message": "x"})]
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitAnswered)
    assert (len(alpaca.posts), len(alpaca.orders)) == (3, 1)
    assert alpaca.asked == ["/v2/orders:by_client_order_id"] * 2


def test_order_past_its_time_is_not_sent_again(alpaca: Alpaca) -> None:
    """What became of it is left to a reconciliation."""
    alpaca.faults = [(False, -1, {})]
    answer = trading(alpaca).submit(ready(valid_s=0.2))
    assert isinstance(answer, SubmitUnanswered)
    assert len(alpaca.posts) == 1


def test_order_past_its_time_is_never_sent(alpaca: Alpaca) -> None:
    """It waited too long for a thread to send it: the broker never hears of it, and that is certain."""
    answer = trading(alpaca).submit(ready(valid_s=-1))
    assert isinstance(answer, SubmitRefused)
    assert "valid-until" in answer.reason
    assert not alpaca.posts


@pytest.mark.parametrize("refusal", [(429, {"message": "too many requests"}), (401, {}), (400, {}), (403, {})])
@pytest.mark.parametrize("fault", [(True, 504, {}), (False, 504, {})])
def test_refused_question_does_not_say_that_there_is_no_order(
    alpaca: Alpaca, refusal: tuple[int, Any], fault: tuple[bool, int, Any]
) -> None:
    """The answer to the POST was lost and the order cannot be looked up: nobody knows, and it says so."""
    alpaca.faults = [fault]
    alpaca.answers["/v2/orders:by_client_order_id"] = refusal
    assert isinstance(trading(alpaca).submit(ready()), SubmitUnanswered)
    assert len(alpaca.posts) == 1


def test_refusal_after_a_lost_answer_is_no_certainty(alpaca: Alpaca) -> None:
    """The first POST may be on its way still, and be why the second is refused."""
    alpaca.faults = [(False, 504, {}), (False, *NO_CASH)]
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitUnanswered)
    assert "insufficient buying power" in answer.reason


def test_not_unique_but_not_to_be_found(alpaca: Alpaca) -> None:
    """The broker has it, and does not show it yet: that is no refusal."""
    alpaca.faults = [(False, *NOT_UNIQUE)] * 20
    assert isinstance(trading(alpaca).submit(ready()), SubmitUnanswered)


def test_broker_that_never_answers(alpaca: Alpaca) -> None:
    """Given up after a few attempts: nobody knows, and it says so."""
    alpaca.faults = [(False, 500, {})] * 20
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitUnanswered)
    assert "500" in answer.reason
    assert 1 < len(alpaca.posts) <= 5


def test_not_unique_means_it_is_there(alpaca: Alpaca) -> None:
    """The broker knows the client order id already: that order is the answer."""
    alpaca.orders["c-1"] = order_json("c-1", status="filled", filled_qty="100")
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitAnswered)
    assert (answer.update.event, answer.update.cumulative_quantity) == ("fill", Decimal(100))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (NO_CASH, "insufficient buying power"),
        ((401, {"code": 40110000, "message": "request is not authorized"}), "check APCA_API_KEY_ID"),
        ((403, "forbidden."), "check APCA_API_KEY_ID"),
        ((422, {"code": 42210000, "message": "qty must be > 0"}), "qty must be > 0"),
    ],
)
def test_refusal_is_final(alpaca: Alpaca, fault: tuple[int, Any], reason: str) -> None:
    """The broker said no, and did nothing: one POST."""
    alpaca.faults = [(False, *fault)]
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitRefused)
    assert reason in answer.reason
    assert len(alpaca.posts) == 1


def test_nobody_there(alpaca: Alpaca) -> None:
    """Without a connection nothing was sent: the order is refused, in bounded time, and what it reserved is free."""
    gone = trading(alpaca, "http://127.0.0.1:9")
    answer = gone.submit(ready())
    assert isinstance(answer, SubmitRefused)
    assert "no connection to the broker" in answer.reason
    with pytest.raises(BrokerError, match="no connection to the broker"):
        gone.snapshot(1, [])


def test_snapshot_has_every_page(alpaca: Alpaca, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders and fills over several pages, each once, and what was to be looked up."""
    monkeypatch.setattr(alpaca_trading, "ORDERS_PAGE", 3)
    monkeypatch.setattr(alpaca_trading, "FILLS_PAGE", 2)
    for number in range(1, 8):
        status = "new" if number % 2 else "filled"
        alpaca.orders[f"c-{number}"] = order_json(f"c-{number}", number, status=status)
    alpaca.orders["old"] = order_json("old", 9, submitted_at="2020-01-02T15:00:00Z", status="canceled")
    for number in range(1, 6):
        alpaca.activities.append(
            {
                "id": f"20240102::{number}",
                "order_id": order_json("x", number)["id"],
                "type": "partial_fill",
                "symbol": "IBM",
                "side": "buy",
                "price": "10.5",
                "qty": "1",
                "cum_qty": str(number),
                "transaction_time": "2024-01-02T15:00:00Z",
            }
        )
    snapshot = trading(alpaca).snapshot(1_700_000_000_000_000_000, ["c-1", "old", "never"])
    assert sorted(update.client_order_id for update in snapshot.orders) == [*(f"c-{n}" for n in range(1, 8)), "old"]
    assert [update.cumulative_quantity for update in snapshot.fills] == [Decimal(n) for n in range(1, 6)]
    assert snapshot.missing == ("never",)
    assert snapshot.broker_ns == 1_704_209_400_500_000_000
    assert alpaca.asked[-1] == "/v2/account/activities/FILL"  # fills after orders: never behind them


def test_first_snapshot_asks_for_open_orders_only(alpaca: Alpaca) -> None:
    """What happened before our time is not ours."""
    alpaca.orders = {"a": order_json("a", 1), "b": order_json("b", 2, status="filled")}
    snapshot = trading(alpaca).snapshot(0, [])
    assert [update.client_order_id for update in snapshot.orders] == ["a"]
    assert "/v2/account/activities/FILL" not in alpaca.asked


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {"message": "unauthorized"}), KeysRefusedError),
        ((200, {"timestamp": "soon"}), BrokerError),
        ((200, ["odd"]), BrokerError),
        ((200, "<html>maintenance</html>"), BrokerError),
    ],
)
def test_snapshot_that_cannot_be_had(alpaca: Alpaca, answer: tuple[int, Any], error: type[Exception]) -> None:
    """Whatever comes instead of an answer is one clear error."""
    alpaca.answers["/v2/clock"] = answer
    with pytest.raises(error):
        trading(alpaca).snapshot(1, [])


def test_cancel(alpaca: Alpaca) -> None:
    """Taken, or refused with the broker's reason."""
    trading(alpaca).cancel("b-1")
    alpaca.answers["/v2/orders/b-2"] = (422, {"code": 42210000, "message": "order is already filled"})
    with pytest.raises(RequestRefusedError, match="already filled"):
        trading(alpaca).cancel("b-2")


def test_broker_delivers_from_its_threads(alpaca: Alpaca) -> None:
    """Orders, cancels and snapshots are asked for without waiting, and each is answered once."""
    broker = AlpacaBroker(
        AlpacaAccount("key", "secret", alpaca.url, "ws://127.0.0.1:9/stream", paper=True),
        BROKER,
        WallClock(),
        Metrics(),
    )
    heard: SimpleQueue[BrokerEvent] = SimpleQueue()
    broker.start(lambda event: None if isinstance(event, StreamState) else heard.put(event))
    order = ready().order
    broker.submit(broker.prepare(order))
    placed = heard.get(timeout=5)
    assert isinstance(placed, SubmitAnswered)
    alpaca.answers["/v2/orders/"] = (422, {"message": "no such thing"})
    broker.cancel(order)
    assert isinstance(heard.get(timeout=5), CancelFailed)
    broker.reconcile(0, [])
    assert isinstance(heard.get(timeout=5), Snapshot)
    broker.submit(ReadyOrder(order, {"client_order_id": "c-1", "qty": {1, 2}}))  # type: ignore[dict-item]
    crashed = heard.get(timeout=5)
    assert isinstance(crashed, SubmitUnanswered)
    broker.stop()
