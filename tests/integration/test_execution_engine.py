"""The execution engine over real sockets and a real outbox: its peers and the broker are played by the test."""

import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.contract import Component
from tradingmesh.core.checks import (
    Check,
    Refused,
)
from tradingmesh.core.events import ComponentError, OrderCanceled, OrderPlaced, OrderRejected
from tradingmesh.core.fills import Fill, OrderClosed
from tradingmesh.core.orders.effects import (
    BrokerEvent,
    SubmitAnswered,
    SubmitRefused,
)
from tradingmesh.core.orders.record import Execution, OrderUpdate
from tradingmesh.core.signal import Side
from tradingmesh.execution_engine.engine import ExecutionEngine
from tradingmesh.runtime.component import Context
from tradingmesh.testing.execution_peers import TRACE, ExecutionPeers
from tradingmesh.testing.recording_broker import RecordingBroker

TIMEOUT_S, PROMISED_S = 0.4, 0.05
"""Where no answer is the point. Elsewhere it may take ten seconds: a machine may stand still for a moment."""
MakeContext = Callable[..., Context]


class Mesh(ExecutionPeers):
    """One engine and everybody it talks to, all in this thread: nothing happens but in `run_until`."""

    def __init__(self, make_context: MakeContext, until: Callable[..., None], timeout: str = "10s") -> None:
        spec = {"endpoints": {"riskCheck": {"timeout": timeout}, "fills": {"redeliverAfter": "80ms"}}}
        self._until = until
        self.broker = RecordingBroker()
        self.context = make_context(Component.EXECUTION_ENGINE, dict(spec))
        self.outbox = Outbox(self.context.data_dir / "outbox.db", time.time_ns())
        self.events = self.context.events.bus.subscribe(OrderPlaced, OrderCanceled, OrderRejected, ComponentError)
        self.engine = ExecutionEngine(self.context, self.broker, self.outbox)
        peers = (Component.SIGNAL_GENERATOR, Component.RISK_MANAGER, Component.FILL_PROCESSOR)
        generator, risk, processor = (make_context(component, dict(spec)).sockets for component in peers)
        super().__init__(generator, risk, processor, self.run_until)

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, self.context.loop)

    def in_sync(self) -> None:
        self.run_until(lambda: not self.engine.ready())

    def client(self, number: int = 1) -> str:
        return f"tm-s-{number}-e{self.outbox.epoch}"

    def submitted(self, number: int = 1) -> str:
        """One signal all the way to the broker; returns the client order id."""
        before = len(self.broker.submitted)
        self.signal(number)
        self.answer(self.request())
        self.run_until(lambda: len(self.broker.submitted) > before)
        self.say(SubmitAnswered(said("new", self.client(number))))
        return self.client(number)

    def say(self, *events: BrokerEvent) -> None:
        for event in events:
            self.broker.deliver(event)

    def told(self) -> list[type]:
        return [type(event) for event in self.events.drain()]

    def figure(self, name: str, label: str = "") -> int:
        value: int = self.context.metrics.snapshot()["counters"].get(name, {}).get(label, 0)
        return value


def said(event: str, client: str, cumulative: int = 0, fill: int = 0, fill_id: str = "") -> OrderUpdate:
    return OrderUpdate(
        event=event,
        order_id=f"b-{client}",
        client_order_id=client,
        symbol="IBM",
        side=Side.BUY,
        quantity=Decimal(100),
        cumulative_quantity=Decimal(cumulative),
        timestamp_ns=1_000 + cumulative,
        created_ns=1_000_000_000_000,
        execution=Execution(fill_id or f"x{cumulative}", Decimal(fill), Decimal("10.25")) if fill else None,
    )


@pytest.fixture
def mesh(make_context: MakeContext, until: Callable[..., None]) -> Mesh:
    made = Mesh(make_context, until)
    made.in_sync()
    return made


def test_signal_becomes_an_order_and_its_fills_reports(mesh: Mesh) -> None:
    """Checked once more, posted once, filled, closed: each report is pushed, and let go when it is acknowledged."""
    mesh.signal()
    client = mesh.client()
    request = mesh.request()
    assert (request.request_id, request.reservation_id) == (client, "r-1")
    assert mesh.broker.submitted == []
    mesh.answer(request)
    mesh.run_until(lambda: mesh.broker.submitted)
    assert [order.client_order_id for order in mesh.broker.prepared] == [client]
    mesh.say(SubmitAnswered(said("new", client)), said("fill", client, 100, 100))
    fill, closed = mesh.report(), mesh.report()
    assert isinstance(fill.body, Fill)
    assert isinstance(closed.body, OrderClosed)
    assert (fill.symbol_sequence, closed.symbol_sequence) == (1, 2)
    assert (fill.trace_id, fill.reservation_id, fill.outbox_epoch) == (TRACE.hex(), "r-1", mesh.outbox.epoch)
    assert mesh.told() == [OrderPlaced]
    mesh.ack(fill)
    mesh.ack(closed)
    mesh.run_until(lambda: not mesh.engine.status()["backlog"])
    mesh.run_until(lambda: not list(mesh.outbox.unacked()))


def test_intent_is_on_disk_before_the_post(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the broker is given an order, the disk has it: a crash right then can be mended."""
    seen: list[int] = []
    monkeypatch.setattr(mesh.broker, "submit", lambda _: seen.append(len(mesh.outbox.open_orders())))
    mesh.signal()
    mesh.answer(mesh.request())
    mesh.run_until(lambda: seen)
    assert seen == [1]


def test_report_without_ack_comes_again(mesh: Mesh) -> None:
    """After `redeliverAfter`, as it was, until it is acknowledged."""
    client = mesh.submitted()
    mesh.say(said("partial_fill", client, 40, 40))
    first = mesh.report()
    assert mesh.report() == mesh.report() == first
    assert mesh.figure("reports_redelivered") >= 2
    mesh.ack(first, epoch=12)
    mesh.run_until(lambda: mesh.figure("acks_foreign"))
    mesh.ack(first)
    mesh.run_until(lambda: not mesh.engine.status()["backlog"])


def test_refusal_frees_the_reservation(mesh: Mesh) -> None:
    """A refused order is never posted; its end is reported and told."""
    mesh.signal()
    mesh.answer(mesh.request(), Refused(Check.CIRCUIT_BREAKER, "breaker open"))
    report = mesh.report()
    assert isinstance(report.body, OrderClosed)
    assert (report.body.status, report.reservation_id) == ("rejected", "r-1")
    assert "breaker open" in report.body.reason
    assert mesh.broker.prepared == []
    assert mesh.told() == [OrderRejected]


def test_broker_refusal_is_reported(mesh: Mesh) -> None:
    """What the broker will not have ends the same way."""
    mesh.signal()
    client = mesh.client()
    mesh.answer(mesh.request())
    mesh.run_until(lambda: mesh.broker.submitted)
    mesh.say(SubmitRefused(client, "insufficient buying power"))
    body = mesh.report().body
    assert isinstance(body, OrderClosed)
    assert body.reason == "insufficient buying power"


def refused_after_s(mesh: Mesh, number: int) -> float:
    """How long after it was asked the engine gave up; the answer comes then."""
    mesh.signal(number)
    request = mesh.request()
    began_s = time.monotonic()
    mesh.run_until(lambda: mesh.figure("risk_timeouts") == number)
    took_s = time.monotonic() - began_s
    mesh.answer(request)
    mesh.run_until(lambda: mesh.figure("risk_answers_late") == number)
    return took_s


def test_no_answer_is_a_refusal_and_a_late_one_is_none(make_context: MakeContext, until: Callable[..., None]) -> None:
    """Within the timeout and 50 ms; the answer that comes after it approves neither this order nor the next.

    The best of three times counts: a machine that stands still for a moment makes one late, not all.
    """
    mesh = Mesh(make_context, until, timeout=f"{TIMEOUT_S * 1_000:g}ms")
    mesh.in_sync()
    assert min(refused_after_s(mesh, number) for number in (1, 2, 3)) < TIMEOUT_S + PROMISED_S
    mesh.signal(4)
    asked = mesh.request()
    assert asked.request_id == mesh.client(4)
    mesh.answer(asked, request_id=mesh.client(3))  # the wrong one's id, in the right envelope
    mesh.run_until(lambda: mesh.figure("risk_timeouts") == mesh.figure("risk_answers_late") == 4)
    assert mesh.broker.prepared == []


def test_orders_wait_in_line_for_their_check(mesh: Mesh) -> None:
    """Several signals at once are asked about one after the other, and each gets its own answer."""
    clients = [mesh.client(number) for number in (1, 2, 3)]
    for number in (1, 2, 3):
        mesh.signal(number)
    asked = []
    for _ in clients:
        request = mesh.request()
        asked.append(request.request_id)
        mesh.answer(request, Refused(Check.DUPLICATE, "no") if request.request_id == clients[1] else None)
    mesh.run_until(lambda: len(mesh.broker.submitted) == 2)
    assert asked == clients
    assert [ready.order.client_order_id for ready in mesh.broker.submitted] == [clients[0], clients[2]]


def test_same_signal_twice_is_one_order(mesh: Mesh) -> None:
    """The second is noted, and leaves the first its reservation."""
    mesh.submitted()
    mesh.signal(1)
    mesh.run_until(lambda: mesh.figure("order_notices", "kind=duplicate-signal"))
    assert len(mesh.broker.submitted) == 1
    assert mesh.engine.status()["backlog"] == 0


def test_perished_signal_is_refused(mesh: Mesh) -> None:
    """Past its valid-until it is refused rather than traded late."""
    mesh.signal(valid_s=-1)
    body = mesh.report().body
    assert isinstance(body, OrderClosed)
    assert "past its valid-until" in body.reason
