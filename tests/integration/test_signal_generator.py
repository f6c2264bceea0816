"""The signal generator over real sockets: a feed, a risk manager and an execution engine are played by the test."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import zmq

from tradingmesh.adapters.zmq_market_data import MarketDataPublisher
from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.contract import Channel, Component
from tradingmesh.core.bus import Subscription
from tradingmesh.core.checks import (
    Approved,
    ApprovedSignal,
    Check,
    Decision,
    Refused,
    RiskCheckRequest,
    RiskCheckResponse,
    Stage,
)
from tradingmesh.core.errors import ConfigError
from tradingmesh.core.events import ComponentError, SignalApproved, SignalRejected
from tradingmesh.core.market import Trade
from tradingmesh.runtime.component import Context
from tradingmesh.signal_generator.main import SignalGenerator, build
from tradingmesh.wire.header import Header
from tradingmesh.wire.messages import APPROVED_SIGNAL, RISK_CHECK_REQUEST, RISK_CHECK_RESPONSE

UP = [1000] * 10 + [1010, 1020, 1030]
APPROVED = Approved("r-1", 10**19, (Check.REQUEST, Check.ORDER_QUANTITY))
TIMEOUT_NS = 10 * 10**9
"""Longer than any machine stands still; it ends when the test says so."""


class SetClock:
    """A clock that is as much ahead as the test wants."""

    ahead_ns = 0

    def now_ns(self) -> int:
        return time.time_ns() + self.ahead_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() + self.ahead_ns


class Mesh:
    """The generator and the three it talks to, all in this thread: nothing happens but in `run_until`."""

    def __init__(self, make_context: Callable[..., Context], until: Callable[..., None], spec: dict[str, Any]) -> None:
        self._until = until
        feed = make_context(Component.MARKET_DATA_FEED, {"endpoints": spec.get("endpoints", {})})
        self.feed = MarketDataPublisher(feed.sockets.pub(Channel.MARKET_DATA), "feed", 5, feed.metrics, 0)
        feed.loop.on_readable(self.feed._socket, self.feed.answer_subscriptions)
        self.risk = make_context(Component.RISK_MANAGER, {}).sockets.rep(Channel.RISK_CHECK)
        self._engine = make_context(Component.EXECUTION_ENGINE, {}).sockets
        self.orders: zmq.Socket[bytes] | None = None
        self.clock = SetClock()
        self.context = make_context(Component.SIGNAL_GENERATOR, spec)._replace(clock=self.clock)
        self.events: Subscription = self.context.events.bus.subscribe(SignalApproved, SignalRejected, ComponentError)
        service = build(self.context)
        assert isinstance(service, SignalGenerator)
        self.generator = service
        self._loops = (feed.loop, self.context.loop)
        self.traces: list[bytes] = []
        self._await_subscription()

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, *self._loops)

    def _await_subscription(self) -> None:
        """A tick of a price that moves nothing, until the generator hears one."""

        def heard() -> bool:
            self.tick(1000)
            return bool(self.generator.status()["received"])

        self.run_until(heard)

    def start_engine(self) -> None:
        self.orders = self._engine.pull(Channel.ORDERS)
        self.run_until(lambda: self.generator._orders.poll(0, zmq.POLLOUT))

    def tick(self, *prices: int, symbol: str = "IBM") -> None:
        for price in prices:
            self.traces.append(self.feed.publish_event(Trade(symbol, price, 100, len(self.traces)), 1_000))

    def request(self) -> tuple[Header, RiskCheckRequest]:
        self.run_until(lambda: self.risk.poll(0))
        return read(RISK_CHECK_REQUEST, self.risk.recv_multipart())

    def answer(self, request: RiskCheckRequest, result: Decision, request_id: str | None = None) -> None:
        if isinstance(result, Approved):
            result = msgspec.structs.replace(result, reservation_id=f"r-{request.signal.signal_id}")
        response = RiskCheckResponse(request_id or request.request_id, result, 3, 1)
        self.risk.send_multipart(Sender(RISK_CHECK_RESPONSE, "risk", 1).frames(response, 1))

    def order(self) -> tuple[Header, ApprovedSignal]:
        orders = self.orders
        assert orders is not None
        self.run_until(lambda: orders.poll(0))
        return read(APPROVED_SIGNAL, orders.recv_multipart())

    def event(self) -> Any:
        self.run_until(lambda: len(self.events))
        return next(iter(self.events.drain()))

    def times_out(self) -> Any:
        """The time for an answer is over; the event that says so."""
        self.clock.ahead_ns += TIMEOUT_NS
        return self.event()

    def refused(self, check: Check) -> int:
        return self.context.metrics.counter("signals_refused", check=check).value


def strategies(**params: Any) -> dict[str, Any]:
    defaults = {"fast": 2, "slow": 5, "quantity": 7}
    return {"strategies": [{"name": "cross", "uses": "ema-crossover", "symbols": ["IBM"], "params": defaults | params}]}


@pytest.fixture
def mesh(make_context: Callable[..., Context], until: Callable[..., None]) -> Mesh:
    """A mesh with one ema-crossover on IBM."""
    spec = strategies() | {"endpoints": {"riskCheck": {"timeout": f"{TIMEOUT_NS // 10**9}s"}}}
    return Mesh(make_context, until, spec)


def test_a_tick_becomes_an_approved_signal(mesh: Mesh) -> None:
    """Tick, request, approval, order: the figures and the trace of the tick go all the way."""
    mesh.start_engine()
    mesh.tick(*UP)
    header, request = mesh.request()
    trace = mesh.traces[-3]
    assert (request.stage, request.signal.strategy, str(request.signal.quantity)) == (Stage.SIGNAL, "cross", "7")
    assert (request.signal.signal_id, str(request.current_price)) == ("cross-7-1", "0.1010")
    assert header.trace_id == trace
    mesh.answer(request, APPROVED)
    header, order = mesh.order()
    assert order == ApprovedSignal(request.signal, msgspec.structs.replace(APPROVED, reservation_id="r-cross-7-1"))
    assert header.trace_id == trace
    event = mesh.event()
    assert isinstance(event, SignalApproved)
    assert (event.reservation_id, event.metadata.trace_id) == ("r-cross-7-1", trace.hex())
    status = mesh.generator.status()
    assert (status["signals"], status["approved"], status["waiting"]) == (1, 1, 0)
    assert mesh.context.metrics.latency("risk_check_round_trip").count == 1


def test_nothing_is_sent_without_approval(mesh: Mesh) -> None:
    """A refusal reaches the events and the metrics with its check, and no order leaves."""
    mesh.start_engine()
    mesh.tick(*UP)
    _, request = mesh.request()
    mesh.answer(request, Refused(Check.ORDER_QUANTITY, "7 is above 5"))
    event = mesh.event()
    assert isinstance(event, SignalRejected)
    assert (event.check, event.reason, event.signal) == (Check.ORDER_QUANTITY, "7 is above 5", request.signal)
    assert mesh.refused(Check.ORDER_QUANTITY) == 1
    assert mesh.orders is not None
    assert not mesh.orders.poll(50)


def test_ticks_go_on_while_the_answer_is_awaited_and_silence_refuses(mesh: Mesh) -> None:
    """A mute risk manager delays no tick; after the timeout the signal is refused, and the late answer is not used."""
    mesh.start_engine()
    before = mesh.generator.status()["received"]
    mesh.tick(*UP)
    _, first = mesh.request()
    mesh.tick(*[1030] * 20)
    mesh.run_until(lambda: mesh.generator.status()["received"] == before + len(UP) + 20)
    assert mesh.generator.status()["waiting"] == 1
    event = mesh.times_out()
    assert isinstance(event, SignalRejected)
    assert (event.check, event.reason) == (Check.RISK_CHECK_TIMEOUT, "no answer within 10000 ms")
    mesh.tick(*range(1040, 1140, 10))
    mesh.run_until(lambda: mesh.generator.status()["waiting"] == 1)
    mesh.answer(first, APPROVED)  # the late answer: REQ_CORRELATE lets it fall
    _, second = mesh.request()
    assert second.request_id != first.request_id
    mesh.answer(second, APPROVED)
    _, order = mesh.order()
    assert order.signal == second.signal
    assert mesh.orders is not None
    assert not mesh.orders.poll(50)


def test_an_approval_of_another_request_approves_nothing(mesh: Mesh) -> None:
    """The request id is compared as well: an answer with another one is counted, and the signal times out."""
    mesh.start_engine()
    mesh.tick(*UP)
    _, request = mesh.request()
    mesh.answer(request, APPROVED, request_id="cross-7-9/signal")
    mesh.run_until(lambda: mesh.context.metrics.counter("risk_answers_late").value == 1)
    event = mesh.times_out()
    assert isinstance(event, SignalRejected)
    assert event.check is Check.RISK_CHECK_TIMEOUT
    assert mesh.orders is not None
    assert not mesh.orders.poll(50)


def test_an_unreadable_answer_is_dropped(mesh: Mesh) -> None:
    """Random bytes where an answer belongs are counted; the service lives on and the next request is answered."""
    mesh.start_engine()
    mesh.tick(*UP)
    _, request = mesh.request()
    mesh.risk.send_multipart([b"not a header", b"nor a payload"])
    mesh.run_until(lambda: mesh.context.metrics.counter("messages_malformed", channel="risk-check").value == 1)
    assert isinstance(mesh.times_out(), SignalRejected)
    mesh.tick(*range(1040, 1140, 10))
    _, request = mesh.request()
    mesh.answer(request, APPROVED)
    assert mesh.order()[1].signal == request.signal


def test_an_approved_signal_that_nobody_takes_is_refused(mesh: Mesh) -> None:
    """Without an execution engine the approval ends as a refusal, and the strategy tries again later."""
    mesh.tick(*UP)
    _, request = mesh.request()
    mesh.answer(request, APPROVED)
    event = mesh.event()
    assert isinstance(event, SignalRejected)
    assert event.check is Check.DELIVERY
    assert mesh.generator.status()["approved"] == 0
    mesh.start_engine()
    mesh.tick(*range(1040, 1140, 10))
    _, again = mesh.request()
    mesh.answer(again, APPROVED)
    assert mesh.order()[1].signal == again.signal


def test_stopping_refuses_what_is_in_flight(mesh: Mesh) -> None:
    """At SIGTERM the signal without an answer is refused, so that its end is known."""
    mesh.tick(*UP)
    mesh.request()
    mesh.generator.drain()
    event = mesh.event()
    assert isinstance(event, SignalRejected)
    assert event.reason == "the signal generator stops"


def test_a_strategy_that_raises_shows(make_context: Any, until: Any, tmp_path: Any) -> None:
    """Its error is an event, and the reason why the service is not ready; ticks go on."""
    (tmp_path / "my_faulty_strategy.py").write_text(
        "from tradingmesh.core.strategy import Strategy\n"
        "class Faulty(Strategy):\n"
        "    def on_trade(self, trade):\n"
        "        if trade.price_e4 > 1000:\n"
        "            raise ValueError('too high')\n"
    )
    spec = {"strategies": [{"name": "mine", "uses": "my_faulty_strategy:Faulty", "symbols": ["IBM"]}]}
    mesh = Mesh(lambda *a, **k: make_context(*a, strategy_path=tmp_path, **k), until, spec)
    assert mesh.generator.ready() == []
    mesh.tick(1001, 1002)
    event = mesh.event()
    assert isinstance(event, ComponentError)
    assert event.error == "strategy mine stopped: ValueError: too high"
    assert mesh.generator.ready() == ["strategy mine stopped: ValueError: too high"]


def test_a_wrong_strategy_stops_the_start(make_context: Callable[..., Context]) -> None:
    """A parameter that does not fit is one line, before any socket is open."""
    context = make_context(Component.SIGNAL_GENERATOR, strategies(fast=50))
    with pytest.raises(ConfigError, match=r"^strategy cross: params\.fast: 50 is not below slow 5$"):
        build(context)
