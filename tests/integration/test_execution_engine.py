"""The execution engine over real sockets and a real outbox: its peers and the broker are played by the test."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import zmq

from tradingmesh.adapters.outbox_sqlite import Outbox
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
)
from tradingmesh.core.errors import JournalError
from tradingmesh.core.events import ComponentError, OrderCanceled, OrderPlaced, OrderRejected
from tradingmesh.core.fills import Fill, OrderClosed, Position, Report, ReportAnswer, ReportApplied, ReportSetAside
from tradingmesh.core.money import ZERO
from tradingmesh.core.order_effects import (
    CancelFailed,
    Snapshot,
    SnapshotFailed,
    StreamState,
    SubmitAnswered,
    SubmitRefused,
    UpdateUnreadable,
)
from tradingmesh.core.order_record import Execution, OrderUpdate
from tradingmesh.core.signal import Side, Signal
from tradingmesh.execution_engine.engine import ExecutionEngine
from tradingmesh.runtime.component import Context
from tradingmesh.testing.recording_broker import RecordingBroker
from tradingmesh.wire.messages import APPROVED_SIGNAL, REPORT, REPORT_ANSWER, RISK_CHECK_REQUEST, RISK_CHECK_RESPONSE

FAST = {"endpoints": {"riskCheck": {"timeout": "150ms"}, "fills": {"redeliverAfter": "80ms"}}}
TRACE = bytes(range(16))
FLAT = Position("IBM", ZERO, ZERO, ZERO)
MakeContext = Callable[..., Context]


class Mesh:
    """One engine and everybody it talks to, all in this thread: nothing happens but in `run_until`."""

    def __init__(self, make_context: MakeContext, until: Callable[..., None], broker: RecordingBroker) -> None:
        self._until = until
        self.broker = broker
        self.context = make_context(Component.EXECUTION_ENGINE, dict(FAST))
        self.outbox = Outbox(self.context.data_dir / "outbox.db", time.time_ns())
        self.events: Subscription = self.context.events.bus.subscribe(
            OrderPlaced, OrderCanceled, OrderRejected, ComponentError
        )
        self.engine = ExecutionEngine(self.context, broker, self.outbox)
        generator = make_context(Component.SIGNAL_GENERATOR, dict(FAST))
        self.orders = generator.sockets.push(Channel.ORDERS)
        processor = make_context(Component.FILL_PROCESSOR, dict(FAST))
        self.fills = processor.sockets.pull(Channel.FILLS)
        self.acks = processor.sockets.push(Channel.FILL_ACKS)
        self._sender = Sender(APPROVED_SIGNAL, "generator", 5)
        self._risk_sender = Sender(RISK_CHECK_RESPONSE, "risk", 5)
        self._ack_sender = Sender(REPORT_ANSWER, "processor", 5)
        self._make_context = make_context
        self.risk: zmq.Socket[bytes] | None = None

    def start_risk(self) -> None:
        self.risk = self._make_context(Component.RISK_MANAGER, dict(FAST)).sockets.rep(Channel.RISK_CHECK)

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, self.context.loop)

    def in_sync(self) -> None:
        self.run_until(lambda: not self.engine.ready())

    def signal(self, number: int = 1, *, valid_s: float = 5.0, signal_id: str = "") -> str:
        """Hands over an approved signal; returns the client order id it must get."""
        name = signal_id or f"s-{number}"
        now_ns = time.time_ns()
        wish = Signal(name, "s", "IBM", Side.BUY, Decimal(100), Decimal("10.5"), 1, now_ns + int(valid_s * 1e9))
        approved = ApprovedSignal(wish, Approved(f"r-{number}", now_ns + 30 * 10**9, (Check.DUPLICATE,)))
        self.run_until(lambda: self.orders.poll(0, zmq.POLLOUT))
        self.orders.send_multipart(self._sender.frames(approved, now_ns, trace_id=TRACE))
        return f"tm-{name}-e{self.outbox.epoch}"

    def request(self) -> RiskCheckRequest:
        risk = self.risk
        assert risk is not None
        self.run_until(lambda: risk.poll(0))
        return read(RISK_CHECK_REQUEST, risk.recv_multipart())[1]

    def answer(self, request_id: str, result: Decision | None = None) -> None:
        assert self.risk is not None
        decision = result or Approved("r-1", 10**19, ())
        response = RiskCheckResponse(request_id, decision, 3, 1)
        self.risk.send_multipart(self._risk_sender.frames(response, 1))

    def submitted(self, number: int = 1) -> str:
        """One signal all the way to the broker."""
        before = len(self.broker.submitted)
        client = self.signal(number)
        self.answer(self.request().request_id)
        self.run_until(lambda: len(self.broker.submitted) > before)
        self.say(SubmitAnswered(said("new", client)))
        return client

    def say(self, *events: Any) -> None:
        for event in events:
            self.broker.deliver(event)

    def report(self) -> Report:
        self.run_until(lambda: self.fills.poll(0))
        return read(REPORT, self.fills.recv_multipart())[1]

    def ack(self, report: Report, *, aside: bool = False, epoch: int = 0) -> None:
        place = (epoch or report.outbox_epoch, report.body.symbol, report.symbol_sequence)
        answer: ReportAnswer = ReportApplied(*place, duplicate=False, before=FLAT, after=FLAT, cash=ZERO)
        if aside:
            answer = ReportSetAside(*place, reason="poison")
        self.acks.send_multipart(self._ack_sender.frames(answer, 1))

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
    made = Mesh(make_context, until, RecordingBroker())
    made.in_sync()
    made.start_risk()
    return made


def test_signal_becomes_an_order_and_its_fills_reports(mesh: Mesh) -> None:
    """Checked once more, posted once, filled, closed: each report is pushed, and let go when it is acknowledged."""
    client = mesh.signal()
    request = mesh.request()
    assert (request.request_id, request.reservation_id) == (client, "r-1")
    assert mesh.broker.submitted == []
    mesh.answer(request.request_id)
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
    mesh.ack(closed, aside=True)
    mesh.run_until(lambda: not mesh.engine.status()["backlog"])
    mesh.run_until(lambda: not list(mesh.outbox.unacked()))


def test_intent_is_on_disk_before_the_post(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the broker is given an order, the disk has it: a crash right then can be mended."""
    seen: list[int] = []
    monkeypatch.setattr(mesh.broker, "submit", lambda _: seen.append(len(mesh.outbox.open_orders())))
    mesh.signal()
    mesh.answer(mesh.request().request_id)
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
    mesh.answer(mesh.request().request_id, Refused(Check.CIRCUIT_BREAKER, "breaker open"))
    report = mesh.report()
    assert isinstance(report.body, OrderClosed)
    assert (report.body.status, report.reservation_id) == ("rejected", "r-1")
    assert "breaker open" in report.body.reason
    assert mesh.broker.prepared == []
    assert mesh.told() == [OrderRejected]


def test_broker_refusal_is_reported(mesh: Mesh) -> None:
    """What the broker will not have ends the same way."""
    client = mesh.signal()
    mesh.answer(mesh.request().request_id)
    mesh.run_until(lambda: mesh.broker.submitted)
    mesh.say(SubmitRefused(client, "insufficient buying power"))
    body = mesh.report().body
    assert isinstance(body, OrderClosed)
    assert body.reason == "insufficient buying power"


def test_no_answer_is_a_refusal_and_a_late_one_is_none(mesh: Mesh) -> None:
    """Within the timeout and a little; the answer that comes after it approves neither this order nor the next."""
    first = mesh.signal(1)
    request = mesh.request()
    began_s = time.monotonic()
    mesh.run_until(lambda: mesh.figure("risk_timeouts"))
    assert time.monotonic() - began_s < 0.15 + 0.05 + 0.1  # the wait, its slack, and a slow machine's
    mesh.answer(request.request_id)
    mesh.run_until(lambda: mesh.figure("risk_answers_late"))
    second = mesh.signal(2)
    asked = mesh.request()
    assert asked.request_id == second
    mesh.answer(first)  # the wrong one's id, in the right envelope
    mesh.run_until(lambda: mesh.figure("risk_timeouts") == 2)
    assert mesh.figure("risk_answers_late") == 2
    assert mesh.broker.prepared == []


def test_orders_wait_in_line_for_their_check(mesh: Mesh) -> None:
    """Several signals at once are asked about one after the other, and each gets its own answer."""
    clients = [mesh.signal(number) for number in (1, 2, 3)]
    asked = []
    for _ in clients:
        request = mesh.request()
        asked.append(request.request_id)
        mesh.answer(request.request_id, Refused(Check.DUPLICATE, "no") if request.request_id == clients[1] else None)
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


def test_no_order_while_the_stream_is_down(mesh: Mesh) -> None:
    """Fills would not be heard: not ready and refusing, until the stream listens and the broker was asked again."""
    mesh.broker.snapshot = None
    mesh.say(StreamState("connection lost"))
    mesh.run_until(mesh.engine.ready)
    assert mesh.engine.ready() == ["the broker's order stream: connection lost"]
    mesh.signal()
    body = mesh.report().body
    assert isinstance(body, OrderClosed)
    assert "connection lost" in body.reason
    asked = len(mesh.broker.asked)
    mesh.say(StreamState(""))
    mesh.run_until(lambda: len(mesh.broker.asked) > asked)
    assert mesh.engine.ready() == ["not reconciled with the broker since the stream was lost"]
    mesh.say(Snapshot(1, (), ()))
    mesh.in_sync()


def test_fill_missed_by_the_stream_is_booked_by_asking(mesh: Mesh) -> None:
    """After a reconnect: what happened meanwhile is found, booked and closed."""
    client = mesh.submitted()
    activity = said("fill", client, 100, 100)
    mesh.broker.snapshot = Snapshot(2, (said("fill", client, 100),), (activity,))
    mesh.say(StreamState("connection lost"), StreamState(""))
    fill, closed = mesh.report(), mesh.report()
    assert isinstance(fill.body, Fill)
    assert isinstance(closed.body, OrderClosed)
    mesh.in_sync()
    assert mesh.broker.asked[-1][1] == [client]


def test_broker_is_asked_since_its_own_time(mesh: Mesh) -> None:
    """Since a minute before the last agreement or the oldest open order, and never since before it was first asked."""

    def reconnect() -> int:
        asked = len(mesh.broker.asked)
        mesh.say(StreamState("lost"), StreamState(""))
        mesh.run_until(lambda: len(mesh.broker.asked) > asked)
        mesh.in_sync()
        return mesh.broker.asked[-1][0] // 10**9

    assert mesh.broker.asked[0][0] == 0
    mesh.broker.snapshot = Snapshot(5_000 * 10**9, (), ())
    assert reconnect() == 0  # it was first asked at 1 ns of its clock
    assert reconnect() == 4_940
    mesh.submitted()  # created at 1,000 s of the broker's clock
    assert reconnect() == 940


def test_broken_message_makes_the_engine_ask(mesh: Mesh) -> None:
    """What a stream message told and could not be read is asked for within a second or so."""
    asked = len(mesh.broker.asked)
    mesh.say(UpdateUnreadable("price: 'x' is not a number"))
    mesh.run_until(lambda: len(mesh.broker.asked) > asked)
    assert mesh.told() == [ComponentError]


def test_broker_that_cannot_be_asked(make_context: MakeContext, until: Callable[..., None]) -> None:
    """No crash, not ready with the reason, and asked again, less and less often."""
    broker = RecordingBroker()
    broker.snapshot = None
    mesh = Mesh(make_context, until, broker)
    mesh.run_until(lambda: broker.asked)
    mesh.say(SnapshotFailed("the broker answers 401: unauthorized", keys_refused=True))
    mesh.run_until(lambda: mesh.engine.ready() == ["the broker answers 401: unauthorized"])
    assert len(broker.asked) == 1


def test_restart_brings_everything_back(make_context: MakeContext, until: Callable[..., None]) -> None:
    """Same epoch, open order, unacknowledged report, next sequence number; a fill heard again is not booked again."""
    first = Mesh(make_context, until, RecordingBroker())
    first.in_sync()
    first.start_risk()
    client = first.submitted()
    first.say(said("partial_fill", client, 40, 40))
    before = first.report()
    ended = first.submitted(2)
    first.say(said("canceled", ended))
    closing = first.report()
    while closing == before:
        closing = first.report()
    first.ack(closing)
    first.run_until(lambda: first.engine.status()["backlog"] == 1)
    first.run_until(lambda: list(first.outbox.unacked()) == [before])
    epoch = first.outbox.epoch
    first.context.sockets.close()
    assert first.risk is not None
    first.risk.close()
    first.outbox.close()

    broker = RecordingBroker()
    broker.snapshot = None
    again = Mesh(make_context, until, broker)
    assert again.outbox.epoch == epoch
    assert again.report() == before
    again.run_until(lambda: broker.asked)
    assert broker.asked[0][1] == [client]
    activities = (said("partial_fill", client, 40, 40, "of another name"), said("fill", client, 100, 60))
    again.say(Snapshot(9, (said("fill", client, 100),), activities))
    fresh = [again.report() for _ in range(2)]
    while any(report.symbol_sequence == 1 for report in fresh):
        fresh = [report for report in fresh if report.symbol_sequence != 1] + [again.report()]
    assert [report.symbol_sequence for report in fresh] == [3, 4]
    assert isinstance(fresh[0].body, Fill)
    assert fresh[0].body.quantity == 60
    again.signal(2)
    again.run_until(lambda: again.figure("order_notices", "kind=duplicate-signal"))


def test_full_disk_stops_orders_and_loses_nothing(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not ready with the reason; nothing is posted or pushed that is not on disk; when there is room it all goes on."""
    client = mesh.submitted()
    real = mesh.outbox.commit

    def fail() -> None:
        raise JournalError("disk full")

    monkeypatch.setattr(mesh.outbox, "commit", fail)
    mesh.say(said("fill", client, 100, 100))
    mesh.run_until(mesh.engine.ready)
    assert mesh.engine.ready() == ["disk full"]
    assert not mesh.fills.poll(100)
    monkeypatch.setattr(mesh.outbox, "commit", real)
    assert isinstance(mesh.report().body, Fill)
    mesh.in_sync()


def test_full_outbox_stops_orders(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound no new order goes out; what the broker does with the others is still taken in."""
    monkeypatch.setattr("tradingmesh.execution_engine.engine.BACKLOG_MAX", 1)
    client = mesh.submitted()
    mesh.say(said("partial_fill", client, 40, 40))
    mesh.run_until(mesh.engine.ready)
    assert mesh.engine.ready() == ["the outbox is full: 1 reports are not acknowledged"]
    mesh.say(said("fill", client, 100, 60))
    mesh.run_until(lambda: mesh.engine.status()["backlog"] == 3)


def test_open_orders_can_be_canceled(mesh: Mesh) -> None:
    """What may still fill is canceled at the broker; a cancel that came too late is only noted."""
    client = mesh.submitted()
    mesh.run_until(lambda: mesh.told() == [OrderPlaced])
    mesh.engine.cancel_open_orders()
    mesh.run_until(lambda: mesh.broker.canceled)
    mesh.say(CancelFailed(client, "order is already filled"), said("canceled", client))
    mesh.run_until(lambda: mesh.told() == [OrderCanceled])


def test_garbage_is_dropped_and_counted(mesh: Mesh) -> None:
    """On every socket that takes messages; the engine lives."""
    mesh.orders.send_multipart([b"x", b"y", b"z"])
    mesh.acks.send_multipart([b"\x01" * 72, b"junk"])
    mesh.run_until(lambda: mesh.figure("malformed_dropped", "channel=orders"))
    mesh.run_until(lambda: mesh.figure("malformed_dropped", "channel=fill-acks"))
    mesh.submitted()


def test_drain_waits_for_the_answer_of_a_post(mesh: Mesh) -> None:
    """Stopping: new signals are refused, the answer under way is taken in, and all of it is on disk."""
    client = mesh.signal(1)
    mesh.answer(mesh.request().request_id)
    mesh.run_until(lambda: mesh.broker.submitted)
    mesh.context.loop.after(0.05, lambda: mesh.say(SubmitAnswered(said("new", client))))
    late = mesh.signal(2)
    mesh.engine.drain()
    states = {order.client_order_id: order.status for order, _ in mesh.outbox.open_orders()}
    assert states == {client: "new"}
    refused = mesh.outbox.find("", late)
    assert refused is not None
    assert refused[0].status == "rejected"
