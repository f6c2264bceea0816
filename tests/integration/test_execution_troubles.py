"""The execution engine when something fails: stream, broker, messages, disk, the engine itself."""

import time
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.adapters.zmq_reports import Batch, read_batch
from tradingmesh.contract import Component
from tradingmesh.core.errors import JournalError
from tradingmesh.core.events import ComponentError, OrderCanceled, OrderPlaced, OrderRejected
from tradingmesh.core.fills import Fill, OrderClosed
from tradingmesh.core.orders.effects import (
    BrokerEvent,
    Snapshot,
    SnapshotFailed,
    StreamState,
    SubmitAnswered,
    UpdateUnreadable,
)
from tradingmesh.core.orders.heard import MARGIN_NS
from tradingmesh.core.orders.record import Execution, OrderUpdate
from tradingmesh.core.signal import Side
from tradingmesh.execution_engine.engine import ExecutionEngine
from tradingmesh.runtime.component import Context
from tradingmesh.testing.execution_peers import ExecutionPeers
from tradingmesh.testing.recording_broker import RecordingBroker
from tradingmesh.wire.messages import POISON_REPORT, REPORT

FAST = {"endpoints": {"riskCheck": {"timeout": "5s"}, "fills": {"redeliverAfter": "80ms"}}}
MakeContext = Callable[..., Context]


class Mesh(ExecutionPeers):
    """One engine and everybody it talks to, all in this thread: nothing happens but in `run_until`."""

    def __init__(self, make_context: MakeContext, until: Callable[..., None], broker: RecordingBroker) -> None:
        self._until = until
        self.broker = broker
        self.context = make_context(Component.EXECUTION_ENGINE, dict(FAST))
        self.outbox = Outbox(self.context.data_dir / "outbox.db", time.time_ns())
        self.events = self.context.events.bus.subscribe(OrderPlaced, OrderCanceled, OrderRejected, ComponentError)
        self.engine = ExecutionEngine(self.context, broker, self.outbox)
        peers = (Component.SIGNAL_GENERATOR, Component.RISK_MANAGER, Component.FILL_PROCESSOR)
        generator, risk, processor = (make_context(component, dict(FAST)).sockets for component in peers)
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
    made = Mesh(make_context, until, RecordingBroker())
    made.in_sync()
    return made


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
    """Since a minute before the last agreement or the oldest order in doubt; never since before it was first asked."""

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
    client = mesh.submitted()  # created at 1,000 s of the broker's clock
    assert reconnect() == 4_940, "an order that rests, however old, is no reason to read all of its time again"
    mesh.say(said("partial_fill", client, 80, 40))
    mesh.run_until(lambda: mesh.broker.asked[-1][0] // 10**9 == 940)


def test_broken_message_makes_the_engine_ask(mesh: Mesh) -> None:
    """What a stream message told and could not be read is asked for within a second or so."""
    asked = len(mesh.broker.asked)
    mesh.say(UpdateUnreadable("price: 'x' is not a number"))
    mesh.run_until(lambda: len(mesh.broker.asked) > asked)
    assert mesh.told() == [ComponentError]


def test_contradiction_makes_the_engine_ask(mesh: Mesh) -> None:
    """An event that does not fit the order changes nothing, is told, and is asked about."""
    client = mesh.submitted()
    mesh.say(said("partial_fill", client, 40, 40))
    mesh.ack(mesh.report())
    asked = len(mesh.broker.asked)
    mesh.say(said("rejected", client, 40))
    mesh.run_until(lambda: len(mesh.broker.asked) > asked)
    assert ComponentError in mesh.told()
    mesh.run_until(lambda: mesh.engine.status()["backlog"] == 0)


def test_more_filled_than_ordered_is_booked_with_an_alarm(mesh: Mesh) -> None:
    """The broker's account is the truth, and somebody must look at it."""
    client = mesh.submitted()
    mesh.say(said("fill", client, 130, 130))
    fill, closed = mesh.report().body, mesh.report().body
    assert isinstance(fill, Fill)
    assert isinstance(closed, OrderClosed)
    assert (fill.quantity, closed.filled_quantity) == (Decimal(130), Decimal(130))
    assert ComponentError in mesh.told()


def test_broker_that_cannot_be_asked(make_context: MakeContext, until: Callable[..., None]) -> None:
    """No crash, not ready with the reason, and asked again, less and less often."""
    broker = RecordingBroker()
    broker.snapshot = None
    mesh = Mesh(make_context, until, broker)
    mesh.run_until(lambda: broker.asked)
    mesh.say(SnapshotFailed("the broker answers 401: unauthorized", keys_refused=True))
    mesh.run_until(lambda: mesh.engine.ready() == ["the broker answers 401: unauthorized"])
    assert len(broker.asked) == 1


def test_a_fill_that_its_order_had_already_is_set_aside(make_context: MakeContext, until: Callable[..., None]) -> None:
    """It holds up no commit: told as trouble, counted, and pushed as what must not take effect."""
    mesh = Mesh(make_context, until, RecordingBroker())
    mesh.in_sync()
    client = mesh.submitted()
    mesh.say(said("partial_fill", client, 40, 40))
    first = mesh.report()
    mesh.ack(first)
    mesh.outbox.put(msgspec.structs.replace(first, symbol_sequence=2), 1)
    mesh.engine._table.restore_sequence("IBM", 2)
    mesh.run_until(lambda: mesh.figure("order_notices", "kind=report-set-aside"))
    mesh.run_until(lambda: ComponentError in mesh.told())
    batches: list[Batch] = []
    while not batches or batches[-1].header.kind == REPORT.kind:  # the first may come again before its ack is there
        mesh.run_until(lambda: mesh.fills.poll(0))
        batches.append(read_batch(mesh.fills.recv_multipart()))
    poison = POISON_REPORT.decode(batches[-1].payloads[0])
    assert (poison.place.symbol_sequence, REPORT.decode(poison.raw).body) == (2, first.body)
    mesh.say(said("fill", client, 100, 60))
    mesh.run_until(lambda: len(mesh.outbox.open_orders()) == 0)


def test_restart_brings_everything_back(make_context: MakeContext, until: Callable[..., None]) -> None:
    """Same epoch, open order, unacknowledged report, next sequence number; a fill heard again is not booked again."""
    first = Mesh(make_context, until, RecordingBroker())
    first.in_sync()
    client = first.submitted()
    first.say(said("partial_fill", client, 40, 40))
    before = first.report()
    ended = first.submitted(2)
    first.say(said("canceled", ended))
    closing = first.report()
    while closing == before:
        closing = first.report()
    first.ack(before)
    first.run_until(lambda: first.engine.status()["backlog"] == 1)
    first.run_until(lambda: [REPORT.decode(parcel.payload) for parcel in first.outbox.unacked()] == [closing])
    epoch = first.outbox.epoch
    first.context.sockets.close()
    first.close()
    first.outbox.close()

    broker = RecordingBroker()
    broker.snapshot = None
    again = Mesh(make_context, until, broker)
    assert again.outbox.epoch == epoch
    assert again.report() == closing
    again.run_until(lambda: broker.asked)
    assert broker.asked[0][1] == [client]
    activities = (said("partial_fill", client, 40, 40, "of another name"), said("fill", client, 100, 60))
    again.say(Snapshot(9, (said("fill", client, 100),), activities))
    fresh = [again.report() for _ in range(2)]
    while closing in fresh:
        fresh = [report for report in fresh if report != closing] + [again.report()]
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


def test_garbage_is_dropped_and_counted(mesh: Mesh) -> None:
    """On every socket that takes messages; the engine lives."""
    mesh.orders.send_multipart([b"x", b"y", b"z"])
    mesh.acks.send_multipart([b"\x01" * 72, b"junk"])
    mesh.run_until(lambda: mesh.figure("messages_malformed", "channel=orders"))
    mesh.run_until(lambda: mesh.figure("messages_malformed", "channel=fill-acks"))
    mesh.submitted()


def test_drain_waits_for_the_answer_of_a_post(mesh: Mesh) -> None:
    """Stopping: new signals are refused, the answer under way is taken in, and all of it is on disk."""
    mesh.signal(1)
    client = mesh.client(1)
    mesh.answer(mesh.request())
    mesh.run_until(lambda: mesh.broker.submitted)
    mesh.context.loop.after(0.05, lambda: mesh.say(SubmitAnswered(said("new", client))))
    mesh.signal(2)
    late = mesh.client(2)
    mesh.engine.drain()
    states = {order.client_order_id: order.status for order, _ in mesh.outbox.open_orders()}
    assert states == {client: "new"}
    refused = mesh.outbox.find("", late)
    assert refused is not None
    assert refused[0].status == "rejected"


def test_fills_that_the_stream_told_are_not_asked_for_again(mesh: Mesh) -> None:
    """Ten thousand of them are a hundred pages: only the newest seconds are read again. It is kept for a next life."""
    first_s = 2_000
    mesh.broker.snapshot = Snapshot(first_s * 10**9, (), ())
    asked = len(mesh.broker.asked)
    mesh.say(StreamState("lost"), StreamState(""))
    mesh.run_until(lambda: len(mesh.broker.asked) > asked)
    mesh.in_sync()
    client = mesh.submitted()
    told_ns = (first_s + 50) * 10**9
    mesh.say(msgspec.structs.replace(said("partial_fill", client, 40, 40), timestamp_ns=told_ns))
    mesh.report()
    mesh.run_until(lambda: mesh.outbox.number("heard_ns") == told_ns)
    mesh.say(StreamState("lost"), StreamState(""))
    mesh.run_until(lambda: mesh.broker.asked_fills[-1] == told_ns - MARGIN_NS)
    assert mesh.broker.asked[-1][0] == (first_s - 60) * 10**9
