"""The risk manager's desk for reports over a real socket: what none can read, what stays missing, who is answered."""

from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace

import pytest
import zmq
from msgspec.structs import replace

from tradingmesh.adapters.zmq_messages import read
from tradingmesh.adapters.zmq_reports import BatchSender
from tradingmesh.contract import Channel, Component
from tradingmesh.core.events import ComponentError
from tradingmesh.core.fills import BookedReport, ReportAnswer, ReportApplied, ReportSetAside
from tradingmesh.core.place import Place, PoisonReport, ReportsWanted
from tradingmesh.core.risk.gaps import ALARM_AFTER_NS, ASK_AFTER_NS
from tradingmesh.core.risk.reports import place_of
from tradingmesh.core.signal import Side
from tradingmesh.risk_manager import report_desk
from tradingmesh.risk_manager.report_desk import ASKERS_MAX, ReportDesk
from tradingmesh.runtime.component import Context
from tradingmesh.testing.risk_desk import OUTBOX, RiskDesk
from tradingmesh.wire.header import decode_header
from tradingmesh.wire.messages import BOOKED_REPORT, POISON_REPORT, REPORT_ANSWERS, REPORTS_WANTED

MakeContext = Callable[..., Context]


class Mesh:
    """The desk, and processors that hand in; monotonic time is the test's."""

    def __init__(self, make_context: MakeContext, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(report_desk, "LOOK_EVERY_S", 0.01)
        context = make_context(Component.RISK_MANAGER, {})
        self.monotonic_ns = 0
        clock = SimpleNamespace(now_ns=context.clock.now_ns, monotonic_ns=lambda: self.monotonic_ns)
        self.context = context._replace(clock=clock)
        self.events = context.events.bus.subscribe(ComponentError)
        self.books = RiskDesk()
        self.desk = ReportDesk(self.context, self.books.core, SimpleNamespace(problem=""))  # type: ignore[arg-type] # all that is used
        context.loop.after_turn(self.desk.answer)
        self._make_context = make_context
        self._until = until
        self._sender = BatchSender("processor", "positions", 1)
        self.processors = [self.processor(), self.processor()]

    def processor(self) -> zmq.Socket[bytes]:
        """One more."""
        dealer = self._make_context(Component.FILL_PROCESSOR, {}).sockets.dealer(Channel.POSITIONS)
        self.run_until(lambda: dealer.poll(0, zmq.POLLOUT))
        return dealer

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, self.context.loop)

    def hand_in(self, by: zmq.Socket[bytes], *reports: BookedReport) -> None:
        """Reports that follow each other."""
        self.hand_in_raw(by, place_of(reports[0]), [BOOKED_REPORT.encode(report) for report in reports])

    def hand_in_raw(
        self, by: zmq.Socket[bytes], first: Place, payloads: list[bytes], kind: int = BOOKED_REPORT.kind
    ) -> None:
        by.send_multipart(self._sender.frames(kind, first, payloads, 1))

    def heard(self, by: zmq.Socket[bytes]) -> list[bytes]:
        """The next message to a processor."""
        self.run_until(lambda: by.poll(0))
        return by.recv_multipart()

    def answers(self, by: zmq.Socket[bytes]) -> list[ReportAnswer]:
        return read(REPORT_ANSWERS, self.heard(by))[1]

    def filled(self, count: int) -> list[BookedReport]:
        """That many fills of IBM, next in their line."""
        return [self.books.filled(self.books.signal("s", Side.BUY, "1"), "1", "10", ours=False) for _ in range(count)]

    def held(self, number: int) -> None:
        """Waits until so many reports wait for others."""
        self.run_until(lambda: self.books.core.state.reports.waiting_count == number)

    def figure(self, name: str) -> int:
        return sum(self.context.metrics.snapshot()["counters"][name].values())


@pytest.fixture
def mesh(make_context: MakeContext, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Mesh:
    return Mesh(make_context, until, monkeypatch)


def test_what_came_together_is_answered_together(mesh: Mesh) -> None:
    """In order, each with the position after it."""
    mesh.hand_in(mesh.processors[0], *mesh.filled(3))
    answers = mesh.answers(mesh.processors[0])
    assert [answer.symbol_sequence for answer in answers] == [1, 2, 3]
    assert [answer.after.quantity for answer in answers if isinstance(answer, ReportApplied)] == [1, 2, 3]


def test_an_unreadable_one_does_not_hold_up_the_others(mesh: Mesh) -> None:
    """It takes its place with its bytes and its reason; those before and after it are booked."""
    first, second, third = mesh.filled(3)
    payloads = [BOOKED_REPORT.encode(first), b"\xc1rubbish", BOOKED_REPORT.encode(third)]
    mesh.hand_in_raw(mesh.processors[0], place_of(first), payloads)
    answers = mesh.answers(mesh.processors[0])
    assert [type(answer) for answer in answers] == [ReportApplied, ReportSetAside, ReportApplied]
    assert isinstance(answers[1], ReportSetAside)
    assert answers[1].reason.startswith("unreadable: BOOKED_REPORT: ")
    assert mesh.books.core.state.ledger.position("IBM").quantity == 2
    assert place_of(second).symbol_sequence == 2


def test_one_that_says_it_stands_elsewhere_is_not_believed(mesh: Mesh) -> None:
    """Neither word can be trusted then: nothing is booked from it."""
    first, second = mesh.filled(2)
    mesh.hand_in_raw(mesh.processors[0], place_of(first), [BOOKED_REPORT.encode(second)])
    (answer,) = mesh.answers(mesh.processors[0])
    assert isinstance(answer, ReportSetAside)
    assert answer.reason == f"unreadable: it says that it is report 2 of IBM, outbox {OUTBOX}"


def test_poison_is_kept_as_it_is(mesh: Mesh) -> None:
    """What the outbox or a processor set aside, with their reason."""
    place = Place(OUTBOX, "IBM", 1)
    raw = POISON_REPORT.encode(PoisonReport(place, b"bytes", "had it already"))
    mesh.hand_in_raw(mesh.processors[0], place, [raw], POISON_REPORT.kind)
    assert mesh.answers(mesh.processors[0]) == [ReportSetAside(*place, "had it already")]


@pytest.mark.parametrize("kind", [13, 99])
def test_another_kind_is_dropped_and_counted(mesh: Mesh, kind: int) -> None:
    """And so is what is no message at all."""
    mesh.hand_in_raw(mesh.processors[0], Place(OUTBOX, "IBM", 1), [b""], kind)
    mesh.processors[0].send_multipart([b"x"])
    mesh.run_until(lambda: mesh.figure("messages_malformed") == 2)


def test_what_is_new_is_told_to_one(mesh: Mesh) -> None:
    """Two handed it in before its turn: one hears that it is new, the other that it is known. So it is told once."""
    first, second = mesh.filled(2)
    mesh.hand_in(mesh.processors[0], second)
    mesh.held(1)
    mesh.hand_in(mesh.processors[1], second)
    mesh.hand_in(mesh.processors[1], second)
    mesh.run_until(lambda: len(next(iter(mesh.desk._waiting.values()))) == 2)
    mesh.hand_in(mesh.processors[0], first)
    early = [answer for answer in mesh.answers(mesh.processors[0]) if answer.symbol_sequence == 2]
    late = mesh.answers(mesh.processors[1])
    assert [answer.duplicate for answer in early if isinstance(answer, ReportApplied)] == [True]
    (told,) = (answer for answer in late if isinstance(answer, ReportApplied) and not answer.duplicate)
    assert (told.before.quantity, told.after.quantity) == (Decimal(1), Decimal(2))
    assert [answer.before for answer in early if isinstance(answer, ReportApplied)] == [told.after]


def test_who_is_answered_is_bounded(mesh: Mesh) -> None:
    """However many starts of processors handed in a report that waits."""
    _, second = mesh.filled(2)
    for _ in range(ASKERS_MAX + 1):
        mesh.hand_in(mesh.processor(), second)
    mesh.run_until(lambda: mesh.figure("reports_wanted") == 0 and mesh.desk._waiting)
    mesh.run_until(lambda: len(mesh.desk._waiting[place_of(second)]) == ASKERS_MAX)


def test_a_report_that_stays_missing_is_asked_for(mesh: Mesh) -> None:
    """From who handed in what waits; when it comes, all goes on."""
    reports = mesh.filled(5)
    mesh.hand_in(mesh.processors[0], reports[3])
    mesh.hand_in(mesh.processors[0], reports[4])
    mesh.held(2)
    mesh.context.loop.turn(20)
    assert not mesh.processors[0].poll(20)
    mesh.monotonic_ns += ASK_AFTER_NS
    frames = mesh.heard(mesh.processors[0])
    assert decode_header(frames[0]).kind == REPORTS_WANTED.kind
    assert read(REPORTS_WANTED, frames)[1] == ReportsWanted(Place(OUTBOX, "IBM", 1), 3)
    assert mesh.desk.problems == []
    mesh.hand_in(mesh.processors[1], *reports[:3])
    assert len(mesh.answers(mesh.processors[1])) == 3


def test_a_report_that_never_comes_is_named(mesh: Mesh) -> None:
    """In the reasons for not being ready, with one event and one gauge; until it comes."""
    reports = mesh.filled(2)
    mesh.hand_in(mesh.processors[0], reports[1])
    mesh.held(1)
    mesh.context.loop.turn(20)
    mesh.monotonic_ns += ALARM_AFTER_NS
    mesh.run_until(lambda: mesh.desk.problems)
    assert mesh.desk.problems == [f"report 1 of IBM, outbox {OUTBOX} is missing, those after it wait"]
    assert mesh.context.metrics.snapshot()["gauges"]["report_gaps"][""] == 1
    mesh.context.loop.turn(20)
    (event,) = mesh.events.drain()
    assert isinstance(event, ComponentError)
    assert event.error == mesh.desk.problems[0]
    mesh.hand_in(mesh.processors[0], reports[0])
    mesh.run_until(lambda: not mesh.desk.problems)


def test_another_report_in_a_taken_place_is_not_acknowledged_as_done(mesh: Mesh) -> None:
    """It is set aside: what it says is in no ledger."""
    (first,) = mesh.filled(1)
    mesh.hand_in(mesh.processors[0], first)
    mesh.answers(mesh.processors[0])
    body = replace(first.report.body, fill_id="another", price=Decimal(11))
    mesh.hand_in(mesh.processors[0], replace(first, report=replace(first.report, body=body), cash_impact=Decimal(-11)))
    (answer,) = mesh.answers(mesh.processors[0])
    assert isinstance(answer, ReportSetAside)
    assert mesh.books.core.state.ledger.position("IBM").quantity == 1
