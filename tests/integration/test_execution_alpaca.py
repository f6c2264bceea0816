"""Alpaca through alpaca-py, against a server that fails on demand: no answer may cost an order or make two of one."""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from queue import SimpleQueue
from typing import Any

import pytest

from tradingmesh.adapters import alpaca_trading, alpaca_trading_broker
from tradingmesh.adapters.alpaca_answers import RequestRefusedError
from tradingmesh.adapters.alpaca_gate import ApiGate
from tradingmesh.adapters.alpaca_trading import AlpacaTrading
from tradingmesh.adapters.alpaca_trading_broker import PLACING_THREADS, AlpacaAccount, AlpacaBroker
from tradingmesh.adapters.alpaca_trading_json import order_request
from tradingmesh.contract import BrokerSpec, RetrySpec, TradingState
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
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.signal import Side
from tradingmesh.core.trading_status import TradingStatus, Withdraw
from tradingmesh.ports import ReadyOrder
from tradingmesh.runtime.component import WallClock
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.testing.alpaca_server import NO_CASH, NOT_UNIQUE, AlpacaServer, order_json

BROKER = BrokerSpec(retry=RetrySpec(initial=10, max=20))


@pytest.fixture
def alpaca() -> Iterator[AlpacaServer]:
    server = AlpacaServer()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_trading, "READ_TIMEOUT_S", 1.0)


def ready(client: str = "c-1", *, valid_s: float = 10.0) -> ReadyOrder:
    until_ns = time.time_ns() + int(valid_s * 1e9)
    order = Order(client, "IBM", Side.BUY, Decimal(100), 1, f"r-{client}", valid_until_ns=until_ns)
    return ReadyOrder(order, order_request(order))


def trading(alpaca: AlpacaServer, url: str = "") -> AlpacaTrading:
    gate = ApiGate(BROKER.api_circuit_breaker, WallClock(), Metrics(), lambda _: None)
    return AlpacaTrading("key", "secret", url or alpaca.url, gate, BROKER.retry, paper=True, clock=WallClock())


def test_order_is_placed(alpaca: AlpacaServer) -> None:
    """One POST, text only, and the broker's own words back."""
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitAnswered)
    assert (answer.update.event, answer.update.client_order_id) == ("new", "c-1")
    assert alpaca.posts == [ready().body]


@pytest.mark.parametrize("status", [500, 502, 504, 0, -1])
def test_answer_lost_after_acting_makes_no_second_order(alpaca: AlpacaServer, status: int) -> None:
    """An error, an HTML page, a closed connection, silence: the order is looked up, and is there."""
    alpaca.faults = [(True, status, "<html>Bad Gateway</html>")]
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitAnswered)
    assert (len(alpaca.posts), len(alpaca.orders)) == (1, 1)


@pytest.mark.parametrize("status", [500, 504, 0])
def test_order_that_did_not_arrive_is_sent_again(alpaca: AlpacaServer, status: int) -> None:
    """Looked up, not there, and still valid: once more, under the same client order id."""
    alpaca.faults = [(False, status, {"message": "x"}), (False, status, {"message": "x"})]
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitAnswered)
    assert (len(alpaca.posts), len(alpaca.orders)) == (3, 1)
    assert alpaca.asked == ["/v2/orders:by_client_order_id"] * 2


def test_order_past_its_time_is_not_sent_again(alpaca: AlpacaServer) -> None:
    """What became of it is left to a reconciliation."""
    alpaca.faults = [(False, -1, {})]
    answer = trading(alpaca).submit(ready(valid_s=0.2))
    assert isinstance(answer, SubmitUnanswered)
    assert len(alpaca.posts) == 1


def test_order_past_its_time_is_never_sent(alpaca: AlpacaServer) -> None:
    """It waited too long for a thread to send it: the broker never hears of it, and that is certain."""
    answer = trading(alpaca).submit(ready(valid_s=-1))
    assert isinstance(answer, SubmitRefused)
    assert "valid-until" in answer.reason
    assert not alpaca.posts


@pytest.mark.parametrize("refusal", [(429, {"message": "too many requests"}), (401, {}), (400, {}), (403, {})])
@pytest.mark.parametrize("fault", [(True, 504, {}), (False, 504, {})])
def test_refused_question_does_not_say_that_there_is_no_order(
    alpaca: AlpacaServer, refusal: tuple[int, Any], fault: tuple[bool, int, Any]
) -> None:
    """The answer to the POST was lost and the order cannot be looked up: nobody knows, and it says so."""
    alpaca.faults = [fault]
    alpaca.answers["/v2/orders:by_client_order_id"] = refusal
    assert isinstance(trading(alpaca).submit(ready()), SubmitUnanswered)
    assert len(alpaca.posts) == 1


def test_refusal_after_a_lost_answer_is_no_certainty(alpaca: AlpacaServer) -> None:
    """The first POST may be on its way still, and be why the second is refused."""
    alpaca.faults = [(False, 504, {}), (False, *NO_CASH)]
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitUnanswered)
    assert "insufficient buying power" in answer.reason


def test_not_unique_but_not_to_be_found(alpaca: AlpacaServer) -> None:
    """The broker has it, and does not show it yet: that is no refusal."""
    alpaca.faults = [(False, *NOT_UNIQUE)] * 20
    assert isinstance(trading(alpaca).submit(ready()), SubmitUnanswered)


def test_broker_that_never_answers(alpaca: AlpacaServer) -> None:
    """Given up after a few attempts: nobody knows, and it says so."""
    alpaca.faults = [(False, 500, {})] * 20
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitUnanswered)
    assert "500" in answer.reason
    assert 1 < len(alpaca.posts) <= 5


def test_not_unique_means_it_is_there(alpaca: AlpacaServer) -> None:
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
def test_refusal_is_final(alpaca: AlpacaServer, fault: tuple[int, Any], reason: str) -> None:
    """The broker said no, and did nothing: one POST."""
    alpaca.faults = [(False, *fault)]
    answer = trading(alpaca).submit(ready())
    assert isinstance(answer, SubmitRefused)
    assert reason in answer.reason
    assert len(alpaca.posts) == 1


def test_nobody_there(alpaca: AlpacaServer) -> None:
    """Without a connection nothing was sent: the order is refused, in bounded time, and what it reserved is free."""
    gone = trading(alpaca, "http://127.0.0.1:9")
    answer = gone.submit(ready())
    assert isinstance(answer, SubmitRefused)
    assert "no connection to the broker" in answer.reason
    with pytest.raises(BrokerError, match="no connection to the broker"):
        gone.snapshot(1, 1, [])


def test_cancel(alpaca: AlpacaServer) -> None:
    """Taken, or refused with the broker's reason."""
    trading(alpaca).cancel("b-1")
    alpaca.answers["/v2/orders/b-2"] = (422, {"code": 42210000, "message": "order is already filled"})
    with pytest.raises(RequestRefusedError, match="already filled"):
        trading(alpaca).cancel("b-2")


class Stream:
    """In the place of Alpaca's: `deliver` is what the broker hears it by."""

    def __init__(self, _key: str, _secret: str, _url: str, deliver: Callable[[BrokerEvent], None], **_: bool) -> None:
        self.deliver = deliver

    def start(self) -> None:
        self.deliver(StreamState(""))

    def stop(self) -> None:
        """There is nothing to let go of."""


def connected(
    alpaca: AlpacaServer, monkeypatch: pytest.MonkeyPatch
) -> tuple[AlpacaBroker, Stream, "SimpleQueue[BrokerEvent]"]:
    streams: list[Stream] = []

    def make(*arguments: Any, **more: Any) -> Stream:
        streams.append(Stream(*arguments, **more))
        return streams[0]

    monkeypatch.setattr(alpaca_trading_broker, "AlpacaStream", make)
    account = AlpacaAccount("key", "secret", alpaca.url, "ws://127.0.0.1:9/stream", paper=True)
    broker = AlpacaBroker(account, BROKER, WallClock(), Metrics())
    heard: SimpleQueue[BrokerEvent] = SimpleQueue()
    broker.start(lambda event: None if isinstance(event, StreamState) else heard.put(event))
    broker.reconcile(0, 0, [])
    assert isinstance(heard.get(timeout=5), Snapshot)
    return broker, streams[0], heard


def waiting(alpaca: AlpacaServer, broker: AlpacaBroker, count: int) -> list[ReadyOrder]:
    """Orders c-0 to c-n of which the last `count` wait: each thread is busy with one that is not answered."""
    alpaca.faults = [(True, -1, {})] * PLACING_THREADS
    orders = [ready(f"c-{number}") for number in range(PLACING_THREADS + count)]
    for one in orders:
        broker.submit(one)
    while len(alpaca.posts) < PLACING_THREADS:
        time.sleep(0.001)
    return orders


@pytest.mark.parametrize("by", ["stream", "engine"])
def test_order_that_waits_for_a_thread_is_held_back(
    alpaca: AlpacaServer, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """The stream goes down (or the engine must stop) with orders queued: none of them leaves, and it says why."""
    broker, stream, heard = connected(alpaca, monkeypatch)
    orders = waiting(alpaca, broker, 6)
    if by == "stream":
        stream.deliver(StreamState("connection lost"))
    else:
        broker.hold("fenced off")
    answers = [heard.get(timeout=10) for _ in orders]
    refused = [answer for answer in answers if isinstance(answer, SubmitRefused)]
    assert {answer.client_order_id for answer in refused} == {f"c-{n}" for n in range(PLACING_THREADS, len(orders))}
    assert all("not sent" in answer.reason for answer in refused)
    assert len(alpaca.posts) == PLACING_THREADS
    stream.deliver(StreamState(""))
    broker.hold("")
    broker.submit(ready("c-98"))
    refusal = heard.get(timeout=5)
    assert isinstance(refusal, SubmitRefused)
    assert "not sent: not reconciled" in refusal.reason
    broker.reconcile(0, 0, [])
    assert isinstance(heard.get(timeout=5), Snapshot)
    broker.submit(ready("c-99"))
    assert isinstance(heard.get(timeout=5), SubmitAnswered)


@pytest.mark.parametrize("withdraw", [Withdraw.ALL_BUT, Withdraw.LISTED])
def test_order_that_waits_is_not_sent_once_it_is_withdrawn(
    alpaca: AlpacaServer, monkeypatch: pytest.MonkeyPatch, withdraw: Withdraw
) -> None:
    """Trading is halted, or reduced, with orders queued: those that would be canceled next do not leave first."""
    broker, _, heard = connected(alpaca, monkeypatch)
    orders = waiting(alpaca, broker, 4)
    named = ("r-c-5",)
    broker.withdraw(stopped(withdraw, named))
    answers = [heard.get(timeout=10) for _ in orders]
    refused = {answer.client_order_id: answer.reason for answer in answers if isinstance(answer, SubmitRefused)}
    assert set(refused) == ({"c-4", "c-6", "c-7"} if withdraw is Withdraw.ALL_BUT else {"c-5"})
    assert set(refused.values()) == {"not sent: withdrawn, trading is Halted and the breaker Closed"}
    broker.withdraw(stopped(Withdraw.NONE, ()))
    broker.submit(ready("c-98"))
    assert isinstance(heard.get(timeout=5), SubmitAnswered)


def stopped(withdraw: Withdraw, named: tuple[str, ...]) -> TradingStatus:
    halted, closed = TradingState.HALTED, BreakerState.CLOSED
    return TradingStatus(halted, halted, halted, closed, "", 0, False, "", withdraw, named)  # noqa: FBT003 - by position


def test_broker_delivers_from_its_threads(alpaca: AlpacaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders, cancels and snapshots are asked for without waiting, and each is answered once."""
    broker, _, heard = connected(alpaca, monkeypatch)
    order = ready().order
    broker.submit(broker.prepare(order))
    placed = heard.get(timeout=5)
    assert isinstance(placed, SubmitAnswered)
    alpaca.answers["/v2/orders/"] = (422, {"message": "no such thing"})
    broker.cancel(order)
    assert isinstance(heard.get(timeout=5), CancelFailed)
    broker.reconcile(0, 0, [])
    assert isinstance(heard.get(timeout=5), Snapshot)
    broker.submit(ReadyOrder(order, {"client_order_id": "c-1", "qty": {1, 2}}))  # type: ignore[dict-item]
    crashed = heard.get(timeout=5)
    assert isinstance(crashed, SubmitUnanswered)
    broker.stop()


def test_connections_of_the_order_stream_are_counted(alpaca: AlpacaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that listened, and those that failed or were lost."""
    broker, stream, _ = connected(alpaca, monkeypatch)
    for problem in ("connection lost", "cannot connect", ""):
        stream.deliver(StreamState(problem))
    counters = broker._metrics.snapshot()["counters"]
    assert counters["stream_connections"] == {"stream=trade-updates": 2}
    assert counters["stream_failures"] == {"stream=trade-updates": 2}
    broker.stop()
