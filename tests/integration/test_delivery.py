"""Delivery over real sockets: what is pushed again reaches every processor; what none acknowledges is alarmed."""

import time
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.adapters.zmq_messages import Sender
from tradingmesh.adapters.zmq_reports import BATCH_MAX, Batch, read_batch
from tradingmesh.contract import Channel, Component
from tradingmesh.core.events import ComponentError
from tradingmesh.core.fills import Fill, Report
from tradingmesh.core.place import Place, ReportsWanted
from tradingmesh.core.signal import Side
from tradingmesh.execution_engine import delivery
from tradingmesh.execution_engine.delivery import COPIES_MAX, STUCK_AFTER, Delivery
from tradingmesh.execution_engine.lane import WINDOW
from tradingmesh.runtime.component import Context
from tradingmesh.wire.messages import POISON_REPORT, REPORT, REPORT_ACKS, REPORTS_WANTED

MakeContext = Callable[..., Context]
SPEC: dict[str, Any] = {"endpoints": {"fills": {"redeliverAfter": "100ms"}}}
MS = 1_000_000


class Processor:
    """A fill processor's two sockets. One that hangs simply takes nothing."""

    def __init__(self, make_context: MakeContext) -> None:
        self.sockets = make_context(Component.FILL_PROCESSOR, dict(SPEC)).sockets
        self.fills = self.sockets.pull(Channel.FILLS)
        self.acks = self.sockets.push(Channel.FILL_ACKS)

    def taken(self, wait_ms: int = 0) -> list[Batch]:
        """The messages that wait."""
        batches: list[Batch] = []
        while self.fills.poll(0 if batches else wait_ms):
            batches.append(read_batch(self.fills.recv_multipart()))
        return batches


class Engine:
    """An outbox and its delivery; time is the test's."""

    def __init__(self, make_context: MakeContext, until: Callable[..., None]) -> None:
        self.now_ns = 0
        context = make_context(Component.EXECUTION_ENGINE, dict(SPEC))
        clock = SimpleNamespace(now_ns=context.clock.now_ns, monotonic_ns=lambda: self.now_ns)
        self.context = context._replace(clock=clock)
        self.outbox = Outbox(self.context.data_dir / "outbox.db", time.time_ns())
        self.delivery = Delivery(self.context, self.outbox)
        self.events = self.context.events.bus.subscribe(ComponentError)
        self.until = until
        self._make_context = make_context
        self._acks = Sender(REPORT_ACKS, "processor", 1)
        self._wants = Sender(REPORTS_WANTED, "risk", 1)

    def processors(self, count: int) -> list[Processor]:
        """That many, all connected."""
        made = [Processor(self._make_context) for _ in range(count)]
        self.until(lambda: self.context.sockets.peer_count(Channel.FILLS) == count, self.context.loop)
        self.until(lambda: all(one.acks.poll(0, zmq.POLLOUT) for one in made), self.context.loop)
        return made

    def put(self, *reports: Report) -> None:
        """Reports that are on disk from now on."""
        for report in reports:
            self.outbox.put(report, 1)
        for parcel in self.outbox.commit():
            self.delivery.add(parcel)

    def push(self, after_ms: int = 0) -> None:
        """A turn, so much later."""
        self.now_ns += after_ms * MS
        self.delivery.push(self.now_ns)

    def place(self, number: int, symbol: str = "IBM") -> Place:
        return Place(self.outbox.epoch, symbol, number)

    def ack(self, by: Processor, *places: Place) -> None:
        """The processor acknowledges; returns once that has arrived."""
        before = self.figure("reports_acked") + self.figure("acks_foreign")
        by.acks.send_multipart(self._acks.frames(list(places), 1))
        self.until(
            lambda: self.figure("reports_acked") + self.figure("acks_foreign") == before + len(places),
            self.context.loop,
        )

    def want(self, by: Processor, first: Place, count: int) -> None:
        by.acks.send_multipart(self._wants.frames(ReportsWanted(first, count), 1))

    def figure(self, name: str) -> int:
        return sum(self.context.metrics.snapshot()["counters"].get(name, {}).values())


def fill(number: int, symbol: str = "IBM") -> Report:
    quantity = Decimal(10 * number)
    body = Fill(f"x{symbol}{number}", "b-1", f"c-{symbol}", symbol, Side.BUY, Decimal(10), Decimal("9.5"), quantity, 5)
    return Report(7, number, "r-1", body)


def numbers(batches: list[Batch]) -> list[tuple[str, list[int]]]:
    return [(b.symbol, [b.place(index).symbol_sequence for index in range(len(b.payloads))]) for b in batches]


@pytest.fixture
def engine(make_context: MakeContext, until: Callable[..., None]) -> Engine:
    return Engine(make_context, until)


def test_reports_that_follow_each_other_travel_together(engine: Engine) -> None:
    """One message a symbol, as many as fit, each with its bytes as they are on disk."""
    (processor,) = engine.processors(1)
    engine.put(*(fill(number, symbol) for number in range(1, 4) for symbol in ("IBM", "BAC")))
    engine.put(*(fill(number) for number in range(4, BATCH_MAX + 3)))
    engine.push()
    batches = processor.taken(10_000)
    engine.until(lambda: batches.extend(processor.taken()) or len(batches) == 3, engine.context.loop)  # type: ignore[func-returns-value]
    assert numbers(batches) == [
        ("IBM", list(range(1, BATCH_MAX + 1))),
        ("BAC", [1, 2, 3]),
        ("IBM", [BATCH_MAX + 1, BATCH_MAX + 2]),
    ]
    assert [REPORT.decode(payload) for payload in batches[1].payloads] == [fill(n, "BAC") for n in range(1, 4)]


def test_what_is_pushed_again_reaches_every_processor(engine: Engine) -> None:
    """Whichever of them hangs: one more push is enough, from wherever the turn begins."""
    processors = engine.processors(3)
    for round_ in range(4):
        engine.put(fill(round_ + 1))
        engine.push()
        engine.push(after_ms=99)
        assert engine.figure("reports_redelivered") == round_
        engine.push(after_ms=1)
        taken: list[list[Batch]] = [[] for _ in processors]

        def all_taken(taken: list[list[Batch]] = taken) -> bool:
            for batches, processor in zip(taken, processors, strict=True):
                batches.extend(processor.taken())
            return sum(map(len, taken)) == 1 + len(processors)

        engine.until(all_taken, engine.context.loop)
        for batches in taken:
            assert {tuple(found) for _, found in numbers(batches)} == {(round_ + 1,)}
        engine.ack(processors[0], engine.place(round_ + 1))
    assert engine.delivery.backlog == 0
    late = engine.context.metrics.latency("redelivery")
    assert late.count == 4


def test_copies_are_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report does not go to all of a hundred processors."""
    (processor,) = engine.processors(1)
    monkeypatch.setattr(engine.context.sockets, "peer_count", lambda _: 100)
    engine.put(fill(1))
    engine.push()
    engine.push(after_ms=100)
    found: list[Batch] = []
    engine.until(lambda: found.extend(processor.taken()) or len(found) == 1 + COPIES_MAX, engine.context.loop)  # type: ignore[func-returns-value]
    assert not processor.taken(50)


def test_nothing_is_made_ready_for_nobody(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """While no processor is there a turn costs nothing, and counts as no delivery."""
    made: list[object] = []
    frames = engine.delivery._frames
    monkeypatch.setattr(engine.delivery, "_frames", lambda batch: made.append(batch) or frames(batch))  # type: ignore[func-returns-value]
    engine.put(fill(1))
    for _ in range(100):
        engine.push(after_ms=50)
    assert (len(made), engine.figure("reports_pushed"), engine.delivery.backlog) == (0, 0, 1)
    (processor,) = engine.processors(1)
    engine.push()
    assert numbers(processor.taken(10_000)) == [("IBM", [1])]


def test_the_window_bounds_what_is_outstanding(engine: Engine) -> None:
    """The others wait for acks."""
    (processor,) = engine.processors(1)
    engine.put(*(fill(number) for number in range(1, WINDOW + 21)))
    engine.push()
    found: list[Batch] = []
    engine.until(lambda: found.extend(processor.taken()) or sum(len(b.payloads) for b in found) >= WINDOW)  # type: ignore[func-returns-value]
    assert not processor.taken(20)
    engine.ack(processor, engine.place(2), engine.place(1))
    engine.push()
    assert numbers(processor.taken(10_000)) == [("IBM", [WINDOW + 1, WINDOW + 2])]


def test_a_processor_that_goes_is_not_counted(engine: Engine) -> None:
    """As soon as its connection is known to have ended."""
    first, _ = engine.processors(2)
    first.sockets.close()
    engine.until(lambda: engine.context.sockets.peer_count(Channel.FILLS) == 1, engine.context.loop)


def test_a_report_that_none_acknowledges_is_alarmed_once(engine: Engine) -> None:
    """The first one is told, the others are counted; the next time begins when none is left."""
    (processor,) = engine.processors(1)
    engine.put(fill(1), fill(2, "BAC"))
    engine.push()
    for _ in range(STUCK_AFTER + 2):
        engine.push(after_ms=100)
    (event,) = engine.events.drain()
    assert isinstance(event, ComponentError)
    assert event.error.startswith(f"report 1 of IBM, outbox {engine.outbox.epoch} was pushed {STUCK_AFTER} times")
    assert engine.delivery.stuck == 2
    engine.ack(processor, engine.place(1), engine.place(2, "BAC"), engine.place(1))
    engine.ack(processor, engine.place(1, "BAC"))
    assert (engine.figure("acks_foreign"), engine.delivery.stuck) == (2, 0)
    engine.put(fill(3))
    engine.push()
    for _ in range(STUCK_AFTER + 1):
        engine.push(after_ms=100)
    assert engine.delivery.stuck == 1
    assert len(list(engine.events.drain())) == 1


def test_what_the_outbox_set_aside_goes_as_poison(engine: Engine) -> None:
    """Alone, with its bytes and its reason, in its place."""
    (processor,) = engine.processors(1)
    repeated = fill(2)
    engine.put(fill(1), Report(7, 2, "r-1", fill(1).body), fill(3))
    engine.push()
    found: list[Batch] = []
    engine.until(lambda: found.extend(processor.taken()) or len(found) == 3, engine.context.loop)  # type: ignore[func-returns-value]
    assert [batch.header.kind for batch in found] == [REPORT.kind, POISON_REPORT.kind, REPORT.kind]
    poison = POISON_REPORT.decode(found[1].payloads[0])
    assert poison.place == engine.place(2)
    assert "order c-IBM had it already" in poison.reason
    assert REPORT.decode(poison.raw).body == fill(1).body != repeated.body


def test_acknowledged_reports_are_sent_again_when_they_are_wanted(engine: Engine) -> None:
    """The risk manager lost its journal: nothing was deleted here. Nothing is sent of another outbox or symbol."""
    (processor,) = engine.processors(1)
    engine.put(*(fill(number) for number in range(1, 6)))
    engine.push()
    processor.taken(10_000)
    engine.ack(processor, *(engine.place(number) for number in range(1, 5)))
    engine.want(processor, Place(1, "IBM", 1), 4)
    engine.want(processor, engine.place(1, "KO"), 4)
    engine.want(processor, engine.place(2), 9)
    engine.until(lambda: engine.figure("reports_wanted") == 3, engine.context.loop)
    engine.push()
    assert numbers(processor.taken(10_000)) == [("IBM", [2, 3, 4])]
    engine.ack(processor, *(engine.place(number) for number in (2, 3, 4, 5)))
    assert engine.delivery.backlog == 0


def numbers_taken(engine: Engine, processor: Processor, count: int) -> list[int]:
    """The numbers of so many reports, as they come."""
    taken: list[int] = []
    engine.until(
        lambda: taken.extend(n for _, some in numbers(processor.taken()) for n in some) or len(taken) >= count,  # type: ignore[func-returns-value]
        engine.context.loop,
    )
    return taken


def test_what_was_lost_passes_those_that_wait_for_it(engine: Engine) -> None:
    """A window full of reports that nobody can take before them keeps none of them back, of whatever symbol."""
    (processor,) = engine.processors(1)
    engine.put(fill(1), fill(2), fill(1, "BAC"))
    engine.push()
    numbers_taken(engine, processor, 3)
    engine.ack(processor, engine.place(1), engine.place(2), engine.place(1, "BAC"))
    engine.put(*(fill(number) for number in range(3, WINDOW + 43)))
    engine.push()
    numbers_taken(engine, processor, WINDOW)
    for _ in range(2):  # asked for again while it is on its way, it is not sent twice
        engine.want(processor, engine.place(1), 2)
        engine.want(processor, engine.place(1, "BAC"), 1)
        engine.until(lambda: engine.figure("reports_wanted") == 3, engine.context.loop)
        engine.push()
    assert sorted(numbers_taken(engine, processor, 3)) == [1, 1, 2]
    assert engine.delivery.backlog == WINDOW + 40, "what was acknowledged once is no backlog"
    engine.ack(processor, engine.place(1), engine.place(2))
    engine.ack(processor, *(engine.place(number) for number in range(3, WINDOW + 3)))
    engine.push()
    assert len(numbers_taken(engine, processor, 40)) == 40


def test_what_is_lost_twice_is_sent_from_its_beginning(engine: Engine) -> None:
    """A ledger put back to before what had come again: those on their way are let go for those it asks for now."""
    (processor,) = engine.processors(1)
    engine.put(*(fill(number) for number in range(1, 6)))
    engine.push()
    numbers_taken(engine, processor, 5)
    engine.ack(processor, *(engine.place(number) for number in range(1, 6)))
    engine.want(processor, engine.place(1), 5)
    engine.until(lambda: engine.figure("reports_wanted") == 5, engine.context.loop)
    engine.push()
    engine.ack(processor, engine.place(1), engine.place(2))
    engine.want(processor, engine.place(1), 4)
    engine.until(lambda: engine.figure("reports_wanted") == 9, engine.context.loop)
    engine.push()
    assert numbers_taken(engine, processor, 9) == [1, 2, 3, 4, 5, 1, 2, 3, 4]


def test_a_damaged_report_is_not_sent_again(engine: Engine) -> None:
    """It is told; the engine goes on."""
    (processor,) = engine.processors(1)
    engine.put(fill(1), fill(2))
    engine.push()
    engine.ack(processor, engine.place(1), engine.place(2))
    engine.outbox._db.execute("UPDATE reports SET body = x'00' WHERE sequence = 1")
    engine.want(processor, engine.place(1), 2)
    engine.until(lambda: len(engine.events), engine.context.loop)
    (event,) = engine.events.drain()
    assert isinstance(event, ComponentError)
    assert "its checksum does not fit" in event.error
    assert engine.delivery.backlog == 0


def test_the_last_report_of_a_quiet_symbol_is_shown_again(
    make_context: MakeContext, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a risk manager that lost all before it notices, also where nothing new happens."""
    monkeypatch.setattr(delivery, "LAST_AGAIN_S", 0.05)
    engine = Engine(make_context, until)
    (processor,) = engine.processors(1)
    engine.put(fill(1), fill(2), fill(1, "BAC"))
    engine.push()
    processor.taken(10_000)
    engine.ack(processor, engine.place(1), engine.place(2))
    engine.until(lambda: engine.delivery.backlog == 2, engine.context.loop)
    engine.push()
    assert ("IBM", [2]) in numbers(processor.taken(10_000))


def test_malformed_acks_are_dropped_and_counted(engine: Engine) -> None:
    """The engine lives."""
    (processor,) = engine.processors(1)
    for frames in ([b"x"], [b"x", b"y"], [], [bytes(72), b""]):
        processor.acks.send_multipart(frames or [b""])
    engine.until(lambda: engine.figure("messages_malformed") == 4, engine.context.loop)
