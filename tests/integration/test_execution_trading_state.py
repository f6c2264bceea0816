"""The execution engine hears the trading state over real sockets: it refuses early, and cancels what is withdrawn."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.adapters.zmq_messages import Sender
from tradingmesh.adapters.zmq_trading_state import TradingStatePublisher
from tradingmesh.contract import Channel, Component, TradingState
from tradingmesh.core.checks import Approved, ApprovedSignal, Check
from tradingmesh.core.fills import OrderClosed
from tradingmesh.core.orders.effects import CancelFailed, SubmitAnswered
from tradingmesh.core.orders.record import OrderUpdate
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.signal import Side, Signal
from tradingmesh.core.standing import OrderWorking
from tradingmesh.core.trading_status import TradingStatus, Withdraw
from tradingmesh.execution_engine.engine import ExecutionEngine
from tradingmesh.runtime.component import Context
from tradingmesh.testing.execution_peers import ExecutionPeers
from tradingmesh.testing.recording_broker import RecordingBroker
from tradingmesh.wire.messages import APPROVED_SIGNAL

SPEC = {"endpoints": {"riskCheck": {"timeout": "10s"}}}
"""The test answers in time even where the machine stands still for a moment."""
OPEN = "circuit-breaker: breaker open: the day's loss is 5001, limit is 5000"
MakeContext = Callable[..., Context]


def _status(**changed: Any) -> TradingStatus:
    active = TradingState.ACTIVE
    said = TradingStatus(
        active, active, active, BreakerState.CLOSED, "", 0, flattening=False, refused="", withdraw=Withdraw.NONE
    )
    return msgspec.structs.replace(said, **changed)


TRIPPED = _status(breaker=BreakerState.OPEN, refused=OPEN, withdraw=Withdraw.ALL_BUT)


class Mesh(ExecutionPeers):
    """One engine, its peers, and whoever tells it the trading state."""

    def __init__(self, make_context: MakeContext, until: Callable[..., None]) -> None:
        self._until = until
        self.broker = RecordingBroker()
        self.context = make_context(Component.EXECUTION_ENGINE, dict(SPEC))
        self.outbox = Outbox(self.context.data_dir / "outbox.db", time.time_ns())
        self.engine = ExecutionEngine(self.context, self.broker, self.outbox)
        peers = (Component.SIGNAL_GENERATOR, Component.RISK_MANAGER, Component.FILL_PROCESSOR)
        generator, risk, processor = (make_context(component, dict(SPEC)) for component in peers)
        super().__init__(generator.sockets, risk.sockets, processor.sockets, self.run_until)
        state = risk.sockets.pub(Channel.TRADING_STATE)
        self.state = TradingStatePublisher(state, "risk", 7, risk.clock.now_ns)
        self.run_until(lambda: not self.engine.ready())

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, self.context.loop)

    def says(self, status: TradingStatus) -> None:
        """Tells the state until the engine has it."""
        self.state.tell(status)
        before = self.engine._trading._state.heard.value

        def heard() -> bool:
            self.state.repeat()
            return self.engine._trading._state.heard.value > before

        self.run_until(heard)
        self.run_until(lambda: self.engine.status()["trading_state"]["refused"] == status.refused)

    def submitted(self, number: int) -> str:
        """One signal all the way to the broker, where it rests; returns its client order id."""
        before = len(self.broker.submitted)
        self.signal(number)
        self.answer(self.request())
        self.run_until(lambda: len(self.broker.submitted) > before)
        client = self.broker.submitted[-1].order.client_order_id
        self.broker.deliver(SubmitAnswered(_said("new", client)))
        self.run_until(lambda: any(order.order_id == f"b-{client}" for order in self.engine._table.open_orders()))
        return client

    def canceled(self) -> list[str]:
        return [order.client_order_id for order in self.broker.canceled]


def _said(event: str, client: str) -> OrderUpdate:
    return OrderUpdate(
        event=event,
        order_id=f"b-{client}",
        client_order_id=client,
        symbol="IBM",
        side=Side.BUY,
        quantity=Decimal(100),
        cumulative_quantity=Decimal(0),
        timestamp_ns=1_000,
        created_ns=1_000_000_000_000,
    )


@pytest.fixture
def mesh(make_context: MakeContext, until: Callable[..., None]) -> Mesh:
    return Mesh(make_context, until)


def test_a_trip_cancels_every_open_order_and_refuses_new_ones(mesh: Mesh) -> None:
    """At once, without a word to the risk manager; the reservation of what was refused is given back."""
    clients = [mesh.submitted(number) for number in (1, 2)]
    mesh.says(TRIPPED)
    assert mesh.broker.withdrawn_by == mesh.engine._trading._state.status
    mesh.context.loop.turn(0)
    assert len(mesh.broker.canceled) == 2
    assert mesh.canceled() == clients
    mesh.signal(3)
    report = mesh.report()
    assert isinstance(report.body, OrderClosed)
    assert (report.body.reason, report.reservation_id) == (OPEN, "r-3")
    assert not mesh.risk.poll(0)


def test_a_cancel_that_does_not_come_about_is_asked_for_again(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the order is gone, also when the risk manager has gone silent since."""
    monkeypatch.setattr("tradingmesh.core.orders.withdrawals.AGAIN_NS", 50_000_000)
    client = mesh.submitted(1)
    mesh.says(TRIPPED)
    mesh.run_until(lambda: len(mesh.broker.canceled) == 1)
    mesh.broker.deliver(CancelFailed(client, "try later"))
    mesh.run_until(lambda: len(mesh.broker.canceled) == 3)
    mesh.broker.deliver(_said("canceled", client))
    mesh.run_until(lambda: not mesh.engine._table.open_orders())
    count = len(mesh.broker.canceled)
    until_s = time.monotonic() + 0.3
    mesh.run_until(lambda: time.monotonic() > until_s)
    assert len(mesh.broker.canceled) == count


def test_an_order_that_was_on_its_way_is_canceled_when_it_arrives(mesh: Mesh) -> None:
    """Posted before the trip, answered after it; one that was only being asked about is not posted at all."""
    mesh.signal(1)
    mesh.answer(mesh.request())
    mesh.run_until(lambda: mesh.broker.submitted)
    mesh.signal(2)
    asked = mesh.request()
    mesh.says(TRIPPED)
    mesh.answer(asked)
    assert mesh.report().reservation_id == "r-2"
    client = mesh.broker.submitted[0].order.client_order_id
    mesh.broker.deliver(SubmitAnswered(_said("new", client)))
    mesh.run_until(lambda: mesh.canceled() == [client])
    assert len(mesh.broker.submitted) == 1


def test_reduce_cancels_the_listed_orders_and_refuses_none_early(mesh: Mesh) -> None:
    """Which order could increase a position the risk manager knows, and says again before each submission."""
    clients = {number: mesh.submitted(number) for number in (1, 2, 3)}
    mesh.says(_status(trading=TradingState.REDUCING, withdraw=Withdraw.LISTED, reservation_ids=("r-2",)))
    mesh.run_until(lambda: mesh.canceled() == [clients[2]])
    mesh.submitted(4)
    assert mesh.canceled() == [clients[2]]


def test_a_closing_order_passes_and_stays_while_the_breaker_is_open(mesh: Mesh) -> None:
    """Its reservation is spared by name; it is asked about like any other."""
    now_ns = time.time_ns()
    closing = Signal(
        "flatten-1-1", "flatten", "IBM", Side.SELL, Decimal(5), Decimal(10), now_ns, now_ns + 5 * 10**9
    )  # fmt: skip
    mesh.says(msgspec.structs.replace(TRIPPED, flattening=True, reservation_ids=("r-flatten-1-1",)))
    sender = Sender(APPROVED_SIGNAL, "risk", 5)
    approved = ApprovedSignal(closing, Approved("r-flatten-1-1", now_ns + 30 * 10**9, ()))
    mesh.orders.send_multipart(sender.frames(approved, now_ns))
    mesh.answer(mesh.request())
    mesh.run_until(lambda: mesh.broker.submitted)
    client = mesh.broker.submitted[0].order.client_order_id
    mesh.broker.deliver(SubmitAnswered(_said("new", client)))
    until_s = time.monotonic() + 0.3
    mesh.run_until(lambda: time.monotonic() > until_s)
    assert mesh.canceled() == []


def test_a_state_that_is_not_repeated_refuses_nothing(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have changed: the risk check alone decides then. So a lost word never stops trading for good."""
    mesh.says(TRIPPED)
    monkeypatch.setattr("tradingmesh.adapters.zmq_trading_state.SILENT_AFTER_NS", 100_000_000)
    mesh.run_until(lambda: not mesh.engine.status()["trading_state"]["refused"])
    mesh.signal(1)
    assert mesh.request().reservation_id == "r-1"


def test_a_new_life_of_the_risk_manager_is_told_what_works(mesh: Mesh) -> None:
    """It may have lost the reservations of what it approved; until it has taken them no approval of it counts."""
    mesh.submitted(1)
    again = TradingStatePublisher(mesh.state._socket, "risk", 8, mesh.context.clock.now_ns)
    again.tell(_status())

    def heard() -> bool:
        again.repeat()
        return mesh.reports_wait

    mesh.run_until(heard)
    told = mesh.report()
    assert isinstance(told.body, OrderWorking)
    assert (told.reservation_id, told.body.open_quantity) == ("r-1", Decimal(100))
    mesh.signal(2)
    request = mesh.request()
    assert (request.symbol_acked, request.acked) == (told.symbol_sequence, told.symbol_sequence)
    mesh.answer(request)  # by the life that was told nothing
    refused = mesh.report()
    while not isinstance(refused.body, OrderClosed):
        refused = mesh.report()
    assert (refused.reservation_id, refused.body.reason.split(":")[0]) == ("r-2", Check.JOURNAL)
    assert len(mesh.broker.submitted) == 1
