"""The risk manager tells the trading state and hands out closing orders, over real sockets."""

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_trading_state import SILENT_AFTER_NS, TradingStateSubscriber
from tradingmesh.contract import Channel, Component, TradingState
from tradingmesh.core.checks import ApprovedSignal, RiskCheckRequest, RiskCheckResponse, Stage
from tradingmesh.core.market import Quote
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.signal import Side
from tradingmesh.core.trading_status import TradingStatus, Withdraw
from tradingmesh.risk_manager.main import RiskManager, build
from tradingmesh.runtime.component import Context
from tradingmesh.testing.risk_desk import RiskDesk
from tradingmesh.wire.messages import (
    APPROVED_SIGNAL,
    CONTROL_REQUEST,
    CONTROL_RESPONSE,
    RISK_CHECK_REQUEST,
    RISK_CHECK_RESPONSE,
    ControlRequest,
    ControlResponse,
)

TOKEN = "open sesame"
LIMITS = {
    "maxOrderQuantity": 60,
    "maxOrderNotional": 250000,
    "maxPositionQuantity": 2000,
    "maxPositionNotional": 500000,
    "maxGrossNotional": 1000000,
    "maxDailyLoss": 5000,
    "maxOpenOrders": 20,
    "maxOrdersPerMinute": 120,
    "priceCollarPercent": 3,
    "maxQuoteAge": "60s",
    "duplicateWindow": "0s",
}


WAIT_S = 60
"""Of the breaker, each of its two: over when the test says so, and not when the machine stands still."""


class SetClock:
    """A wall clock that is set by hand, beside a monotonic one that goes on; for both a wait may be over at once."""

    def __init__(self) -> None:
        self.ahead_s = self.waited_s = 0

    def now_ns(self) -> int:
        return time.time_ns() + (self.ahead_s + self.waited_s) * 10**9

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() + self.waited_s * 10**9


class Mesh:
    """A risk manager, a subscriber, a person and an execution engine's sockets, all in this thread."""

    def __init__(self, make_context: Callable[..., Context], until: Callable[..., None], folder: Path) -> None:
        self._make_context, self._until = make_context, until
        self.spec = {
            "riskLimits": LIMITS,
            "circuitBreaker": {"recoveryPeriod": f"{WAIT_S}s", "stableFor": f"{WAIT_S}s"},
        }
        self.file = folder / "system.yaml"
        head = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "test"}}
        self.file.write_text(yaml.safe_dump({**head, "spec": {"symbols": ["IBM", "BAC"], **self.spec}}))
        engine = make_context(Component.EXECUTION_ENGINE, {})
        self.orders = engine.sockets.pull(Channel.ORDERS)
        self.control, self.checks = engine.sockets.req(Channel.CONTROL), engine.sockets.req(Channel.RISK_CHECK)
        self.engine = engine
        self.desk = RiskDesk()
        self._commands, self._asks = Sender(CONTROL_REQUEST, "person", 1), Sender(RISK_CHECK_REQUEST, "engine", 1)
        self.heard = self.joins()
        self.clock = SetClock()
        self.start()

    def start(self) -> None:
        self.context = self._make_context(
            Component.RISK_MANAGER, dict(self.spec), epoch=time.time_ns(), system_file=self.file, control_token=TOKEN
        )
        self.context = self.context._replace(clock=self.clock)
        service = build(self.context)
        assert isinstance(service, RiskManager)
        self.service, self.core = service, service._core

    def restart(self) -> None:
        """It ends without a word, and begins again."""
        self.service._recorder._journal.close()
        self.context.sockets.close()
        self.start()

    def joins(self) -> TradingStateSubscriber:
        """One more subscriber."""
        socket = self.engine.sockets.sub(Channel.TRADING_STATE)
        return TradingStateSubscriber(socket, self.engine.clock.monotonic_ns, self.engine.metrics)

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, self.context.loop)

    def hears(self, condition: Callable[[TradingStatus], object], by: TradingStateSubscriber | None = None) -> None:
        """Turns until the subscriber has heard a state for which the condition holds."""
        subscriber = by or self.heard

        def holds() -> bool:
            subscriber.drain()
            return subscriber.status is not None and bool(condition(subscriber.status))

        self.run_until(holds)

    def waits_until(self, state: BreakerState) -> None:
        """Lets the breaker's waits go by, one a word of it, until it is in that state."""
        while self.heard.status is None or self.heard.status.breaker is not state:
            self.clock.waited_s += WAIT_S
            heard = self.heard.heard.value
            self.hears(lambda _, heard=heard: self.heard.heard.value > heard)  # type: ignore[misc]

    def command(self, command: str, symbol: str = "") -> ControlResponse:
        request = ControlRequest(command, TOKEN, symbol=symbol)
        self.control.send_multipart(self._commands.frames(request, 1))
        self.run_until(lambda: self.control.poll(0))
        return read(CONTROL_RESPONSE, self.control.recv_multipart())[1]

    def holds(self, side: Side, quantity: str) -> None:
        """A position in IBM comes about, and its quotes."""
        self.quote("100")
        self.desk.now_ns = time.time_ns()
        name = f"adopted-{side}-{quantity}"
        booked = self.desk.filled(self.desk.signal(name, side, quantity), quantity, "100", ours=False)
        self.core.apply(booked, time.time_ns())

    def quote(self, price: str) -> None:
        price_e4, now_ns = int(Decimal(price) * 10_000), time.time_ns()
        self.core.on_quote(Quote("IBM", price_e4, price_e4, 100, 100, now_ns), now_ns)

    def closing(self) -> ApprovedSignal:
        """The next closing order that comes to the execution engine; it confirms it."""
        self.run_until(lambda: self.orders.poll(0, zmq.POLLIN))
        approved = read(APPROVED_SIGNAL, self.orders.recv_multipart())[1]
        signal, key = approved.signal, approved.approval.reservation_id
        request = RiskCheckRequest(f"tm-{signal.signal_id}", Stage.ORDER, signal, Decimal(100), time.time_ns(), key)
        self.checks.send_multipart(self._asks.frames(request, 1))
        self.run_until(lambda: self.checks.poll(0))
        response: RiskCheckResponse = read(RISK_CHECK_RESPONSE, self.checks.recv_multipart())[1]
        assert "reservation_id" in response.result.__struct_fields__, response
        return approved

    def fills(self, approved: ApprovedSignal) -> None:
        """It is filled."""
        self.desk.now_ns = time.time_ns()
        booked = self.desk.filled(approved.signal, str(approved.signal.quantity), "100")
        self.core.apply(booked, time.time_ns())


@pytest.fixture
def mesh(make_context: Callable[..., Context], until: Callable[..., None], tmp_path: Path) -> Mesh:
    return Mesh(make_context, until, tmp_path)


def test_a_change_is_told_at_once(
    make_context: Callable[..., Context], until: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with the next repetition, which would come in an hour here."""
    monkeypatch.setattr("tradingmesh.risk_manager.trading_desk.BEAT_S", 3_600.0)
    mesh = Mesh(make_context, until, tmp_path)
    mesh.hears(lambda status: status.trading is TradingState.ACTIVE)
    mesh.command("halt")
    mesh.hears(lambda status: status.trading is TradingState.HALTED)


def test_the_state_is_told_on_each_change_and_again_and_again(mesh: Mesh) -> None:
    """A joiner need not wait for the next change; a generation counts the changes, not the repetitions."""
    mesh.hears(lambda status: status.trading is TradingState.ACTIVE)
    first = mesh.heard.status
    assert first is not None
    mesh.command("halt")
    mesh.hears(lambda status: status.trading is TradingState.HALTED)
    heard = mesh.heard.heard.value
    mesh.hears(lambda _: mesh.heard.heard.value >= heard + 3)
    assert mesh.heard.status is not None
    assert mesh.heard.status.generation == first.generation + 1
    assert mesh.heard.status.withdraw is Withdraw.ALL_BUT
    late = mesh.joins()
    mesh.hears(lambda status: status == mesh.heard.status, by=late)


def test_a_subscriber_that_hears_nothing_knows_nothing(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it heard last is kept, and not taken for known; after a restart it hears the state that was."""
    mesh.command("halt")
    mesh.hears(lambda status: status.trading is TradingState.HALTED)
    assert mesh.heard.known is not None
    later_ns = time.monotonic_ns() + SILENT_AFTER_NS
    monkeypatch.setattr(mesh.heard, "_monotonic_ns", lambda: later_ns)
    silent: tuple[object, object] = (mesh.heard.known, mesh.heard.status is not None)
    assert silent == (None, True)
    monkeypatch.undo()
    mesh.restart()
    again = mesh.joins()
    mesh.hears(lambda status: status.trading is TradingState.HALTED, by=again)


def test_a_trip_is_told_with_its_reason_and_the_way_back(mesh: Mesh) -> None:
    """Open, HalfOpen, Closed, by its own times."""
    mesh.holds(Side.BUY, "200")
    mesh.quote("60")
    mesh.hears(lambda status: status.breaker is BreakerState.OPEN)
    assert mesh.heard.status is not None
    assert mesh.heard.status.refused == "circuit-breaker: breaker open: the day's loss is 8000, limit is 5000"
    mesh.waits_until(BreakerState.HALF_OPEN)
    mesh.quote("99")
    mesh.waits_until(BreakerState.CLOSED)
    assert (mesh.heard.status.withdraw, mesh.heard.status.refused) == (Withdraw.NONE, "")


@pytest.mark.parametrize("ahead_s", [300, -300])
def test_a_clock_that_is_set_neither_ends_the_recovery_period_nor_draws_it_out(mesh: Mesh, ahead_s: int) -> None:
    """The service hands the core a monotonic time as well; that the clock was set is counted."""
    mesh.holds(Side.BUY, "200")
    mesh.quote("60")
    mesh.hears(lambda status: status.breaker is BreakerState.OPEN)
    mesh.clock.ahead_s = ahead_s
    heard = mesh.heard.heard.value
    mesh.hears(lambda _: mesh.heard.heard.value >= heard + 3)
    assert mesh.heard.status is not None
    assert mesh.heard.status.breaker is BreakerState.OPEN
    mesh.clock.waited_s += WAIT_S
    mesh.hears(lambda status: status.breaker is BreakerState.HALF_OPEN)
    mesh.run_until(lambda: mesh.context.metrics.snapshot()["counters"]["clock_steps"][""] == 1)


def test_flatten_closes_over_the_wire_and_across_a_restart(mesh: Mesh) -> None:
    """In parts; what works is not closed twice; the answer and the status say how far it is."""
    mesh.holds(Side.BUY, "100.25")
    answer = mesh.command("flatten")
    assert (answer.ok, answer.message.endswith("; flatten 1 closes every position")) == (True, True)
    first = mesh.closing()
    assert (first.signal.side, first.signal.quantity) == (Side.SELL, Decimal(60))
    mesh.restart()
    mesh.quote("100")
    assert mesh.service.status()["flatten"]["active"]
    mesh.fills(first)
    last = mesh.closing()
    assert (last.signal.signal_id, last.signal.quantity) == ("flatten-1-2", Decimal("40.25"))
    mesh.fills(last)
    mesh.run_until(lambda: mesh.command("status").state["flatten"]["outcome"] == "all is flat")
    state = mesh.command("status").state
    assert (state["trading"], state["positions"][0]["quantity"]) == ("Reducing", "0")
    assert not mesh.orders.poll(300)


def test_flatten_of_a_symbol_nobody_holds_is_refused(mesh: Mesh) -> None:
    """And changes nothing."""
    answer = mesh.command("flatten", "IMB")
    assert (answer.ok, answer.state["trading"]) == (False, "Active")
    assert "neither a position in 'IMB'" in answer.message
