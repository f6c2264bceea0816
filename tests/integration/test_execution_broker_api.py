"""The breaker and the retries round the broker's API, against a server that counts what reaches it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from tradingmesh.adapters import alpaca_trading
from tradingmesh.adapters.alpaca_answers import AnswerLostError, CallRefusedError
from tradingmesh.adapters.alpaca_trading import AlpacaTrading
from tradingmesh.adapters.alpaca_trading_json import order_request
from tradingmesh.core.orders.api_breaker import ApiState
from tradingmesh.core.orders.effects import SubmitAnswered, SubmitRefused, SubmitUnanswered
from tradingmesh.core.orders.record import Order
from tradingmesh.core.signal import Side
from tradingmesh.ports import ReadyOrder
from tradingmesh.runtime.component import WallClock
from tradingmesh.testing.alpaca_server import order_json
from tradingmesh.testing.told_server import Answer, ApiDesk, ToldServer

RECOVERY_S = 0.3


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiDesk]:
    monkeypatch.setattr(alpaca_trading, "READ_TIMEOUT_S", 2.0)
    server = ToldServer()
    yield ApiDesk(server, WallClock(), RECOVERY_S)
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


def open_breaker(desk: ApiDesk) -> AlpacaTrading:
    """A connection behind a breaker that has just opened; the server is well again."""
    trading = desk.trading()
    desk.server.fail(503)
    with pytest.raises(CallRefusedError):
        trading.snapshot(0, 0, [])
    desk.server.answer = desk.server.good
    desk.server.seen.clear()
    return trading


# The breaker


def test_open_breaker_refuses_orders_and_questions_at_once(desk: ApiDesk) -> None:
    """Nothing reaches the broker: the order is refused with the reason, for it was never sent."""
    trading = open_breaker(desk)
    answer = trading.submit(ready())
    assert isinstance(answer, SubmitRefused)
    assert "breaker is open" in answer.reason
    assert "503" in answer.reason
    with pytest.raises(CallRefusedError, match="breaker is open"):
        trading.snapshot(0, 0, [])
    assert desk.server.seen == []
    assert desk.counted("broker_calls_refused") == 3


def test_cancels_are_tried_while_it_is_open(desk: ApiDesk) -> None:
    """Also one that has to be tried twice."""
    trading = open_breaker(desk)
    desk.server.fail(504, "DELETE")
    with pytest.raises(AnswerLostError):
        trading.cancel("b-1")
    assert desk.server.seen == ["DELETE /v2/orders/b-1"] * 5
    desk.server.answer = desk.server.good
    trading.cancel("b-2")


def test_probe_closes_it(desk: ApiDesk) -> None:
    """After the recovery timeout a reconciliation goes through, its first question as the probe; then orders do."""
    trading = open_breaker(desk)
    wait_for(lambda: time.monotonic_ns() >= desk.told[0].retry_ns)
    assert isinstance(trading.submit(ready()), SubmitRefused)
    trading.snapshot(0, 0, [])
    assert isinstance(trading.submit(ready()), SubmitAnswered)
    assert [moved.state for moved in desk.told] == [ApiState.OPEN, ApiState.HALF_OPEN, ApiState.CLOSED]
    assert desk.metrics.snapshot()["gauges"]["broker_api_breaker"] == {"": 0}
    assert desk.counted("broker_api_breaker_trips") == 1


def test_one_probe_at_a_time(desk: ApiDesk) -> None:
    """Eight threads ask at the moment that one may: one of them reaches the broker, and all may once it answered."""
    open_breaker(desk)
    wait_for(lambda: time.monotonic_ns() >= desk.told[0].retry_ns)
    desk.server.at_once_max = 0
    answered = threading.Event()

    def slow(*asked: Any) -> Answer:
        answered.wait(10)
        return desk.server.good(*asked)

    desk.server.answer = slow
    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(desk.trading().snapshot, 0, 0, []) for _ in range(8)]
        wait_for(lambda: sum(one.done() for one in asking) == 7)
        assert desk.server.seen == ["GET /v2/clock"]
        answered.set()
        assert sum(one.exception() is None for one in asking) == 1
    assert desk.told[-1].state is ApiState.CLOSED


def test_order_whose_answer_was_lost_is_unanswered(desk: ApiDesk) -> None:
    """The breaker opens in the middle of finding out: the broker may have the order, so it is not refused."""
    desk.server.fail(500)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: desk.trading().submit(ready(f"c-{n}")), range(4)))
    sent = desk.server.seen.count("POST /v2/orders")
    assert {type(answer) for answer in answers} <= {SubmitUnanswered, SubmitRefused}
    assert sum(isinstance(answer, SubmitUnanswered) for answer in answers) == sent > 0


@pytest.mark.parametrize("status", [400, 403, 404, 422, 429])
def test_refusals_do_not_open_it(desk: ApiDesk, status: int) -> None:
    """The broker that refuses is there; the one that limits the rate is obeyed, and not counted either."""
    trading = desk.trading(attempts=1)
    desk.server.fail(status, "POST", **{"Retry-After": "0"})
    for number in range(6):
        assert isinstance(trading.submit(ready(f"c-{number}")), SubmitRefused)
    assert desk.told == []
    assert len(desk.server.seen) == 6


def test_counts_are_exact_whatever_the_threads(desk: ApiDesk) -> None:
    """Every call is counted once: the counters are shared by all threads."""
    with ThreadPoolExecutor(8) as pool:
        placed = list(pool.map(lambda n: desk.trading().submit(ready(f"c-{n}")), range(80)))
    assert all(isinstance(answer, SubmitAnswered) for answer in placed)
    calls = desk.metrics.snapshot()["counters"]["broker_calls"]
    assert {labels: count for labels, count in calls.items() if count} == {"call=place,outcome=answered": 80}


# Answers that are late


class Slow:
    """A broker that takes a client order id once, and whose first POST is on its way until `arrive` is set."""

    def __init__(self, server: ToldServer, *, overtaken: bool) -> None:
        self._server = server
        self._overtaken = overtaken
        self.arrive = threading.Event()
        self.taken: list[str] = []

    def __call__(self, method: str, path: str, parameters: dict[str, str]) -> Answer:
        first = self._server.seen.count(f"{method} {path}") == 1
        if method == "POST" and first:
            self.arrive.wait(10)
            return self._take(parameters["client_order_id"])
        if method == "POST":
            return self._overtake(parameters["client_order_id"])
        if path.endswith("by_client_order_id") and self.taken:
            return 200, order_json(self.taken[0]), {}
        return 404, {"message": "order not found"}, {}

    def _overtake(self, client: str) -> Answer:
        """The second POST: before the first one, or after it."""
        answer = self._take(client) if self._overtaken else None
        self.arrive.set()
        if answer is None:
            wait_for(lambda: self.taken)
        return answer or self._take(client)

    def _take(self, client: str) -> Answer:
        if client in self.taken:
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}, {}
        self.taken.append(client)
        return 200, order_json(client), {}


@pytest.mark.parametrize("first", ["arrives first", "is overtaken"])
def test_order_on_its_way_while_it_is_looked_up(desk: ApiDesk, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """It is not there yet, and sent again: whichever arrives first is the order, the other is refused as a double."""
    monkeypatch.setattr(alpaca_trading, "READ_TIMEOUT_S", 0.3)
    broker = desk.server.answer = Slow(desk.server, overtaken=first == "is overtaken")
    assert isinstance(desk.trading().submit(ready()), SubmitAnswered)
    assert desk.server.seen.count("POST /v2/orders") == 2
    assert desk.server.seen[1] == "GET /v2/orders:by_client_order_id"
    assert broker.taken == ["c-1"]


# Retries


def test_question_is_asked_again_page_by_page(desk: ApiDesk) -> None:
    """One lost answer costs one question more, not the whole reconciliation again."""
    losses = {"GET /v2/clock": 1, "GET /v2/orders": 2}

    def sometimes(method: str, path: str, parameters: dict[str, str]) -> Answer:
        name = f"{method} {path}"
        losses[name] = losses.get(name, 0) - 1
        return (0, None, {}) if losses[name] >= 0 else desk.server.good(method, path, parameters)

    desk.server.answer = sometimes
    desk.trading().snapshot(0, 0, [])
    assert desk.server.seen[:5] == ["GET /v2/clock"] * 2 + ["GET /v2/orders"] * 3
    assert len(desk.server.seen) == len(set(desk.server.seen)) + 3
    assert desk.counted("broker_calls_retried") == 3


@pytest.mark.parametrize("attempts", [1, 3])
def test_no_more_attempts_than_the_manifest_allows(desk: ApiDesk, attempts: int) -> None:
    """The first included."""
    desk.server.fail(504, "DELETE")
    with pytest.raises(AnswerLostError):
        desk.trading(attempts).cancel("b-1")
    assert len(desk.server.seen) == attempts
