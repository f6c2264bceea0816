"""Breaker, rate and retries round the broker's API, against a server that counts what reaches it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tradingmesh.adapters import alpaca_trading
from tradingmesh.adapters.alpaca_answers import AnswerLostError, CallRefusedError
from tradingmesh.adapters.alpaca_gate import ApiGate
from tradingmesh.adapters.alpaca_trading import AlpacaTrading
from tradingmesh.adapters.alpaca_trading_json import order_request
from tradingmesh.contract import ApiCircuitBreakerSpec, RetrySpec
from tradingmesh.core.orders.api_breaker import ApiState
from tradingmesh.core.orders.effects import ApiMoved, SubmitAnswered, SubmitRefused, SubmitUnanswered
from tradingmesh.core.orders.record import Order
from tradingmesh.core.signal import Side
from tradingmesh.ports import ReadyOrder
from tradingmesh.runtime.component import WallClock
from tradingmesh.telemetry.metrics import Metrics

CLOCK = {"timestamp": "2024-01-02T10:30:00.5-05:00", "is_open": True}
RECOVERY_S = 0.3
Answer = tuple[int, Any, dict[str, str]]


class Server(ThreadingHTTPServer):
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
    server: Server

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        self._answer("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_GET(self) -> None:
        self._answer("GET", {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()})

    def do_DELETE(self) -> None:
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


def order_json(client: str) -> dict[str, Any]:
    made = "2024-01-02T15:00:01Z"
    names = {"id": f"b-{client}", "client_order_id": client, "symbol": "IBM", "side": "buy", "status": "new"}
    return {**names, "created_at": made, "submitted_at": made, "qty": "100", "filled_qty": "0"}


class Desk:
    """One account's gate, what it told, and as many connections behind it as a test wants."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.told: list[ApiMoved] = []
        self.metrics = Metrics()
        spec = ApiCircuitBreakerSpec(failure_threshold=3, recoveryTimeout=int(RECOVERY_S * 1_000))
        self.gate = ApiGate(spec, WallClock(), self.metrics, self.told.append)

    def trading(self, attempts: int = 5) -> AlpacaTrading:
        url, retry = f"http://127.0.0.1:{self.server.server_port}", RetrySpec(max_attempts=attempts, initial=1, max=5)
        return AlpacaTrading("key", "secret", url, self.gate, retry, paper=True, clock=WallClock())

    def counted(self, name: str) -> int:
        return sum(self.metrics.snapshot()["counters"][name].values())

    def open(self) -> AlpacaTrading:
        """A connection behind a breaker that has just opened; the server is well again."""
        trading = self.trading()
        self.server.fail(503)
        with pytest.raises(CallRefusedError):
            trading.snapshot(0, [])
        self.server.answer = self.server.good
        self.server.seen.clear()
        return trading


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(alpaca_trading, "READ_TIMEOUT_S", 2.0)
    server = Server()
    yield Desk(server)
    server.shutdown()
    server.server_close()


def ready(client: str = "c-1", *, valid_s: float = 20.0) -> ReadyOrder:
    until_ns = time.time_ns() + int(valid_s * 1e9)
    order = Order(client, "IBM", Side.BUY, Decimal(100), 1, valid_until_ns=until_ns)
    return ReadyOrder(order, order_request(order))


def wait_for(condition: Callable[[], object]) -> None:
    give_up_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.005)


# The breaker


def test_open_breaker_refuses_orders_and_questions_at_once(desk: Desk) -> None:
    """Nothing reaches the broker: the order is refused with the reason, for it was never sent."""
    trading = desk.open()
    answer = trading.submit(ready())
    assert isinstance(answer, SubmitRefused)
    assert "breaker is open" in answer.reason
    assert "503" in answer.reason
    with pytest.raises(CallRefusedError, match="breaker is open"):
        trading.snapshot(0, [])
    assert desk.server.seen == []
    assert desk.counted("broker_calls_refused") == 3


def test_cancels_are_tried_while_it_is_open(desk: Desk) -> None:
    """Also one that has to be tried twice."""
    trading = desk.open()
    desk.server.fail(504, "DELETE")
    with pytest.raises(AnswerLostError):
        trading.cancel("b-1")
    assert desk.server.seen == ["DELETE /v2/orders/b-1"] * 5
    desk.server.answer = desk.server.good
    trading.cancel("b-2")


def test_probe_closes_it(desk: Desk) -> None:
    """After the recovery timeout a reconciliation goes through, its first question as the probe; then orders do."""
    trading = desk.open()
    wait_for(lambda: time.monotonic_ns() >= desk.told[0].retry_ns)
    assert isinstance(trading.submit(ready()), SubmitRefused)
    trading.snapshot(0, [])
    assert isinstance(trading.submit(ready()), SubmitAnswered)
    assert [moved.state for moved in desk.told] == [ApiState.OPEN, ApiState.HALF_OPEN, ApiState.CLOSED]
    assert desk.metrics.snapshot()["gauges"]["broker_api_breaker"] == {"": 0}
    assert desk.counted("broker_api_breaker_trips") == 1


def test_one_probe_at_a_time(desk: Desk) -> None:
    """Eight threads ask at the moment that one may: one of them reaches the broker, and all may once it answered."""
    desk.open()
    wait_for(lambda: time.monotonic_ns() >= desk.told[0].retry_ns)
    desk.server.at_once_max = 0
    answered = threading.Event()

    def slow(*asked: Any) -> Answer:
        answered.wait(10)
        return desk.server.good(*asked)

    desk.server.answer = slow
    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(desk.trading().snapshot, 0, []) for _ in range(8)]
        wait_for(lambda: sum(one.done() for one in asking) == 7)
        assert desk.server.seen == ["GET /v2/clock"]
        answered.set()
        assert sum(one.exception() is None for one in asking) == 1
    assert desk.told[-1].state is ApiState.CLOSED


def test_order_whose_answer_was_lost_is_unanswered(desk: Desk) -> None:
    """The breaker opens in the middle of finding out: the broker may have the order, so it is not refused."""
    desk.server.fail(500)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: desk.trading().submit(ready(f"c-{n}")), range(4)))
    sent = desk.server.seen.count("POST /v2/orders")
    assert {type(answer) for answer in answers} <= {SubmitUnanswered, SubmitRefused}
    assert sum(isinstance(answer, SubmitUnanswered) for answer in answers) == sent > 0


@pytest.mark.parametrize("status", [400, 403, 404, 422, 429])
def test_refusals_do_not_open_it(desk: Desk, status: int) -> None:
    """The broker that refuses is there; the one that limits the rate is obeyed, and not counted either."""
    trading = desk.trading(attempts=1)
    desk.server.fail(status, "POST", **{"Retry-After": "0"})
    for number in range(6):
        assert isinstance(trading.submit(ready(f"c-{number}")), SubmitRefused)
    assert desk.told == []
    assert len(desk.server.seen) == 6


def test_counts_are_exact_whatever_the_threads(desk: Desk) -> None:
    """Every call is counted once: the counters are shared by all threads."""
    with ThreadPoolExecutor(8) as pool:
        placed = list(pool.map(lambda n: desk.trading().submit(ready(f"c-{n}")), range(80)))
    assert all(isinstance(answer, SubmitAnswered) for answer in placed)
    calls = desk.metrics.snapshot()["counters"]["broker_calls"]
    assert {labels: count for labels, count in calls.items() if count} == {"call=place,outcome=answered": 80}


# The rate


class Limited:
    """A broker that answers so many requests in a window, with Alpaca's headers, and 429 to the rest of it."""

    def __init__(self, server: Server, limit: int) -> None:
        self._server = server
        self._limit = limit
        self._used = 0
        self._ends_s = int(time.time()) + 60
        self._lock = threading.Lock()

    def next_window(self) -> None:
        """The quota is whole again; who waits hears of it with the next answer."""
        with self._lock:
            self._used, self._ends_s = 0, self._ends_s + 60

    def __call__(self, method: str, path: str, parameters: dict[str, str]) -> Answer:
        with self._lock:
            self._used += 1
            left, ends_s = self._limit - self._used, self._ends_s
        figures = {"Limit": self._limit, "Remaining": max(left, 0), "Reset": ends_s}
        headers = {f"X-RateLimit-{name}": str(figure) for name, figure in figures.items()}
        if left < 0:
            return 429, {"code": 42910000, "message": "too many requests."}, headers
        return (*self._server.good(method, path, parameters)[:2], headers)


def test_one_429_holds_all_calls_back(desk: Desk) -> None:
    """The first order is refused for its rate; nothing more reaches the broker until the wait is over, then all do."""
    desk.server.fail(429, **{"Retry-After": "1"})
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(desk.trading().submit, ready("c-0"))
        wait_for(lambda: desk.counted("broker_rate_limited"))
        desk.server.answer = desk.server.good
        others = [pool.submit(desk.trading().submit, ready(f"c-{n}")) for n in (1, 2)]
        canceled = pool.submit(desk.trading().cancel, "b-1")
        assert all(isinstance(one.result(), SubmitAnswered) for one in (first, *others))
        canceled.result()
    refused_s, again_s, *_ = desk.server.seen_s
    assert again_s - refused_s > 0.95
    assert desk.counted("broker_rate_limited") == 1
    assert not any("by_client_order_id" in seen for seen in desk.server.seen), "a refused order needs no look-up"


def test_order_whose_time_ends_before_the_wait_is_refused_at_once(desk: Desk) -> None:
    """It would be past its valid-until: nothing is waited for, and nothing more is sent."""
    desk.server.fail(429, **{"Retry-After": "30"})
    began_s = time.monotonic()
    answer = desk.trading().submit(ready(valid_s=10))
    assert isinstance(answer, SubmitRefused)
    assert "rate limit" in answer.reason
    assert time.monotonic() - began_s < 5
    assert desk.server.seen == ["POST /v2/orders"]


def test_reconciliation_keeps_to_the_rate_and_leaves_room_for_orders(desk: Desk) -> None:
    """Sixty look-ups where a window has sixty requests: no 429, and orders and cancels do not wait for the next one."""
    broker = desk.server.answer = Limited(desk.server, 60)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(desk.trading().snapshot, 0, [f"c-{n}" for n in range(60)])
        wait_for(lambda: desk.counted("broker_rate_waits"))
        assert len(desk.server.seen) == 45, "a quarter is kept"
        assert isinstance(desk.trading().submit(ready("order")), SubmitAnswered)
        desk.trading().cancel("b-1")
        assert len(desk.server.seen) == 47
        broker.next_window()
        desk.trading().cancel("b-2")
        assert len(asking.result(timeout=20).missing) == 60
    assert desk.counted("broker_rate_limited") == 0
    assert desk.counted("broker_rate_waits") == 1


# Retries


def test_question_is_asked_again_page_by_page(desk: Desk) -> None:
    """One lost answer costs one question more, not the whole reconciliation again."""
    losses = {"GET /v2/clock": 1, "GET /v2/orders": 2}

    def sometimes(method: str, path: str, parameters: dict[str, str]) -> Answer:
        name = f"{method} {path}"
        losses[name] = losses.get(name, 0) - 1
        return (0, None, {}) if losses[name] >= 0 else desk.server.good(method, path, parameters)

    desk.server.answer = sometimes
    desk.trading().snapshot(0, [])
    assert desk.server.seen[:5] == ["GET /v2/clock"] * 2 + ["GET /v2/orders"] * 3
    assert len(desk.server.seen) == len(set(desk.server.seen)) + 3
    assert desk.counted("broker_calls_retried") == 3


@pytest.mark.parametrize("attempts", [1, 3])
def test_no_more_attempts_than_the_manifest_allows(desk: Desk, attempts: int) -> None:
    """The first included."""
    desk.server.fail(504, "DELETE")
    with pytest.raises(AnswerLostError):
        desk.trading(attempts).cancel("b-1")
    assert len(desk.server.seen) == attempts
