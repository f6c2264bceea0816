"""Fill processors over real sockets: the execution engine and the risk manager are played by the test."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_reports import Batch, BatchSender, read_batch
from tradingmesh.contract import Channel, Component
from tradingmesh.core.bus import Subscription
from tradingmesh.core.events import ComponentError, OrderFilled, PositionOpened
from tradingmesh.core.fills import (
    BookedReport,
    Fill,
    OrderClosed,
    Position,
    Report,
    ReportAnswer,
    ReportApplied,
    ReportSetAside,
)
from tradingmesh.core.money import ZERO
from tradingmesh.core.place import Place, PoisonReport, ReportsWanted
from tradingmesh.core.signal import Side
from tradingmesh.fill_processor.main import FillProcessor, build
from tradingmesh.runtime.component import Context
from tradingmesh.telemetry.tracing import NoTracer, Tracer
from tradingmesh.wire.messages import (
    BOOKED_REPORT,
    POISON_REPORT,
    REPORT,
    REPORT_ACKS,
    REPORT_ANSWERS,
    REPORTS_WANTED,
)

SPEC: dict[str, Any] = {"broker": {"commissionPerShare": "0.005"}}
TRACE = bytes(range(16))
MakeContext = Callable[..., Context]


def fill(sequence: int = 1, **changes: Any) -> Report:
    body = Fill(
        f"x{sequence}", "b-1", "c-1", "IBM", Side.BUY, Decimal(10), Decimal("9.5"), Decimal(10), 5, Decimal("9.4")
    )
    return Report(7, sequence, "r-1", msgspec.structs.replace(body, **changes), TRACE.hex())


class Mesh:
    """Some processors and their two neighbours, all in this thread."""

    def __init__(
        self, make_context: MakeContext, until: Callable[..., None], count: int = 1, tracer: Tracer | None = None
    ) -> None:
        self._until = until
        engine = make_context(Component.EXECUTION_ENGINE, {})
        self.fills = engine.sockets.push(Channel.FILLS)
        self.acks = engine.sockets.pull(Channel.FILL_ACKS)
        self._risk_context = make_context(Component.RISK_MANAGER, {})
        self.contexts = [
            make_context(Component.FILL_PROCESSOR, dict(SPEC))._replace(tracer=tracer or NoTracer())
            for _ in range(count)
        ]
        self.processors: list[FillProcessor] = []
        for context in self.contexts:
            processor = build(context)
            assert isinstance(processor, FillProcessor)
            self.processors.append(processor)
        self.events: Subscription = self.contexts[0].events.bus.subscribe(OrderFilled, PositionOpened, ComponentError)
        self._sender = BatchSender("engine", "fills", 7)
        self._answers = Sender(REPORT_ANSWERS, "risk", 7)

    def start_risk(self) -> None:
        self.risk = self._risk_context.sockets.router(Channel.POSITIONS)
        self.run_until(lambda: all(one._positions.poll(0, zmq.POLLOUT) for one in self.processors))

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, *(context.loop for context in self.contexts))

    def push(self, *reports: Report) -> None:
        for report in reports:
            self.push_together([report])

    def push_together(self, reports: list[Report], kind: int = REPORT.kind) -> None:
        place = Place(7, "IBM", reports[0].symbol_sequence)
        self.push_raw(place, [REPORT.encode(report) for report in reports], kind)

    def push_raw(self, first: Place, payloads: list[bytes], kind: int = REPORT.kind) -> None:
        self.fills.send_multipart(self._sender.frames(kind, first, payloads, 1, TRACE))

    def handed(self) -> tuple[bytes, Batch]:
        self.run_until(lambda: self.risk.poll(0))
        identity, *frames = self.risk.recv_multipart()
        batch = read_batch(frames)
        assert batch.header.trace_id == TRACE
        return identity, batch

    def booked(self) -> tuple[bytes, BookedReport]:
        identity, batch = self.handed()
        assert batch.header.kind == BOOKED_REPORT.kind
        (payload,) = batch.payloads
        return identity, BOOKED_REPORT.decode(payload)

    def answer(self, identity: bytes, *answers: ReportAnswer) -> None:
        self.risk.send_multipart([identity, *self._answers.frames(list(answers), 1)])

    def acks_of_one_message(self) -> list[Place]:
        self.run_until(lambda: self.acks.poll(0))
        return read(REPORT_ACKS, self.acks.recv_multipart())[1]

    def ack(self) -> int:
        (place,) = self.acks_of_one_message()
        assert place[:2] == (7, "IBM")
        return place.symbol_sequence


def applied(sequence: int = 1, *, duplicate: bool = False) -> ReportApplied:
    before = Position("IBM", ZERO, ZERO, ZERO)
    after = Position("IBM", Decimal(10), Decimal(95), ZERO)
    return ReportApplied(7, "IBM", sequence, duplicate, before, after, Decimal(1000))


@pytest.fixture
def mesh(make_context: MakeContext, until: Callable[..., None]) -> Mesh:
    made = Mesh(make_context, until)
    made.start_risk()
    made.run_until(lambda: made.fills.poll(0, zmq.POLLOUT))
    return made


def test_fill_is_valued_applied_told_and_acknowledged(mesh: Mesh) -> None:
    """Nothing is told or acknowledged before the risk manager has answered."""
    mesh.push(fill())
    identity, booked = mesh.booked()
    assert (booked.commission, booked.cash_impact, booked.slippage) == (
        Decimal("0.05"),
        Decimal("-95.05"),
        Decimal("1.0"),
    )
    assert not mesh.acks.poll(20)
    mesh.answer(identity, applied())
    assert mesh.ack() == 1
    assert [type(event) for event in mesh.events.drain()] == [OrderFilled, PositionOpened]


def test_end_of_an_order_goes_through(mesh: Mesh) -> None:
    """It moves no cash, and is acknowledged like a fill; nothing is told of it here."""
    mesh.push(Report(7, 2, "r-1", OrderClosed("b-1", "c-1", "IBM", "filled", Decimal(10), 6), TRACE.hex()))
    identity, booked = mesh.booked()
    assert booked.cash_impact == 0
    mesh.answer(identity, applied(2))
    assert mesh.ack() == 2
    assert list(mesh.events.drain()) == []


def test_repetition_is_acknowledged_and_not_told_again(mesh: Mesh) -> None:
    """What was applied before gets its ack, so that it is not sent for ever."""
    mesh.push(fill())
    identity, _ = mesh.booked()
    mesh.answer(identity, applied(duplicate=True))
    assert mesh.ack() == 1
    assert list(mesh.events.drain()) == []


def test_poison_goes_on_to_be_set_aside(mesh: Mesh) -> None:
    """A report that cannot be valued is not dropped here: the risk manager keeps it, and tells of it."""
    mesh.push(fill(price=Decimal(-1)))
    identity, booked = mesh.booked()
    assert (booked.cash_impact, booked.report.body) == (ZERO, fill(price=Decimal(-1)).body)
    aside = ReportSetAside(7, "IBM", 1, "price -1 is not above 0")
    mesh.answer(identity, aside)
    assert mesh.ack() == 1
    assert mesh.processors[0].status()["set_aside"] == 1
    assert list(mesh.events.drain()) == []


def test_what_came_together_goes_on_together(mesh: Mesh) -> None:
    """Valued one by one; the answers come together, and so do the acks."""
    mesh.push_together([fill(1), fill(2), fill(3)])
    identity, batch = mesh.handed()
    assert [BOOKED_REPORT.decode(payload).report for payload in batch.payloads] == [fill(1), fill(2), fill(3)]
    mesh.answer(identity, applied(1), applied(2), applied(3))
    assert [place.symbol_sequence for place in mesh.acks_of_one_message()] == [1, 2, 3]


def test_an_unreadable_report_is_handed_on_as_its_bytes(mesh: Mesh) -> None:
    """Those before and after it go on as they are; its place is known by the message, not by itself."""
    payloads = [REPORT.encode(fill(1)), b"\xc1rubbish", REPORT.encode(fill(3)), REPORT.encode(fill(9))]
    mesh.push_raw(Place(7, "IBM", 1), payloads)
    handed = [mesh.handed()[1] for _ in range(4)]
    kinds = [BOOKED_REPORT.kind, POISON_REPORT.kind, BOOKED_REPORT.kind, POISON_REPORT.kind]
    assert [batch.header.kind for batch in handed] == kinds
    assert [batch.place(0) for batch in handed] == [Place(7, "IBM", number) for number in (1, 2, 3, 4)]
    unreadable, elsewhere = (POISON_REPORT.decode(handed[index].payloads[0]) for index in (1, 3))
    assert (unreadable.place, unreadable.raw) == (Place(7, "IBM", 2), b"\xc1rubbish")
    assert unreadable.reason.startswith("unreadable: REPORT: ")
    assert elsewhere.reason == "unreadable: it says that it is report 9 of IBM, outbox 7"
    assert mesh.processors[0].status()["outstanding"] == 4


def test_what_was_set_aside_before_is_passed_on(mesh: Mesh) -> None:
    """To be kept by the risk manager; its answer is acknowledged as any other."""
    poison = PoisonReport(Place(7, "IBM", 1), b"bytes", "had it already")
    mesh.push_raw(poison.place, [POISON_REPORT.encode(poison)], POISON_REPORT.kind)
    identity, batch = mesh.handed()
    assert POISON_REPORT.decode(batch.payloads[0]) == poison
    mesh.answer(identity, ReportSetAside(*poison.place, "had it already"))
    assert mesh.ack() == 1


def test_what_the_risk_manager_wants_is_told_to_the_engine(mesh: Mesh) -> None:
    """As it is: only the engine can tell what it has."""
    mesh.push(fill())
    identity, _ = mesh.booked()
    wanted = ReportsWanted(Place(7, "IBM", 1), 3)
    mesh.risk.send_multipart([identity, *Sender(REPORTS_WANTED, "risk", 7).frames(wanted, 1)])
    mesh.run_until(lambda: mesh.acks.poll(0))
    assert read(REPORTS_WANTED, mesh.acks.recv_multipart())[1] == wanted


def test_without_a_risk_manager_reports_are_left_to_come_again(
    make_context: MakeContext, until: Callable[..., None]
) -> None:
    """Nothing is held and nothing is acknowledged; when it is there, the next sending goes through."""
    mesh = Mesh(make_context, until)
    mesh.run_until(lambda: mesh.fills.poll(0, zmq.POLLOUT))
    mesh.push(fill())
    mesh.run_until(lambda: mesh.processors[0].status()["pulled"] == 1)
    assert mesh.processors[0].status()["outstanding"] == 0
    mesh.start_risk()
    mesh.push(fill())
    identity, _ = mesh.booked()
    mesh.answer(identity, applied())
    assert mesh.ack() == 1


def test_the_span_of_a_report_begins_before_it_is_handed_on(
    make_context: MakeContext, until: Callable[..., None]
) -> None:
    """The risk manager's span lies under this one, and it can begin the moment the report is there.

    That is so of one that came again before the first answer was read, too.
    """
    tracer = Mock(spec=Tracer)
    made = Mesh(make_context, until, tracer=tracer)
    made.start_risk()
    made.push(fill())
    identity, batch = made.handed()
    made.push(fill())
    made.handed()
    made.answer(identity, applied())
    made.ack()
    (_, _, start_ns, _) = tracer.record.call_args.args
    assert start_ns == batch.header.timestamp_ns


def test_outstanding_is_bounded(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a report is left to come again; one that is out already may be repeated."""
    monkeypatch.setattr("tradingmesh.fill_processor.main.OUTSTANDING_MAX", 2)
    mesh.push(fill(1), fill(2), fill(3), fill(2))
    mesh.run_until(lambda: mesh.processors[0].status()["pulled"] == 4)
    assert [mesh.booked()[1].report.symbol_sequence for _ in range(3)] == [1, 2, 2]
    assert mesh.processors[0].status()["outstanding"] == 2


def test_lost_answer_is_forgotten(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the risk manager took to its grave does not fill the processor."""
    mesh.push(fill())
    mesh.booked()
    monkeypatch.setattr("tradingmesh.fill_processor.main.FORGET_AFTER_S", 0.0)
    mesh.processors[0]._forget_old()
    assert mesh.processors[0].status()["outstanding"] == 0


def test_several_share_the_work(make_context: MakeContext, until: Callable[..., None]) -> None:
    """Each report goes to one of them, and its answer comes back through the same."""
    mesh = Mesh(make_context, until, count=3)
    mesh.start_risk()
    for context in mesh.contexts:
        context.loop.turn(0)
    mesh.run_until(lambda: mesh.fills.poll(0, zmq.POLLOUT))
    sent = 0
    while len([one for one in mesh.processors if one.status()["pulled"]]) < 3:
        sent += 1
        mesh.push(fill(sent))
        mesh.run_until(lambda: mesh.risk.poll(0))
        identity, booked = mesh.booked()
        mesh.answer(identity, applied(booked.report.symbol_sequence))
        assert mesh.ack() == booked.report.symbol_sequence
        assert sent < 1_000
    assert sum(one.status()["applied"] for one in mesh.processors) == sent


def test_garbage_is_dropped_and_counted(mesh: Mesh) -> None:
    """The processor lives."""
    mesh.fills.send_multipart([b"x", b"y"])
    counters = mesh.contexts[0].metrics.snapshot
    mesh.run_until(lambda: counters()["counters"]["messages_malformed"]["channel=fills"] == 1)
    mesh.push(fill())
    assert mesh.booked()[1].report == fill()


def test_drain_waits_for_the_answers_that_are_out(mesh: Mesh) -> None:
    """A clean stop finishes what was pulled."""
    mesh.push(fill())
    identity, _ = mesh.booked()
    mesh.contexts[0].loop.after(0.05, lambda: mesh.answer(identity, applied()))
    mesh.processors[0].drain()
    assert mesh.acks.poll(10_000)
    assert mesh.ack() == 1
