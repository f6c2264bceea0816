"""Takes booked reports (ROUTER) and answers each once it is on disk."""

import msgspec
import zmq

from tradingmesh.adapters.zmq_messages import Sender
from tradingmesh.adapters.zmq_reports import Batch, read_batch
from tradingmesh.contract import Channel
from tradingmesh.core.errors import WireError
from tradingmesh.core.events import ComponentError
from tradingmesh.core.fills import BookedReport, Fill, Report, ReportAnswer, ReportApplied
from tradingmesh.core.place import Place, PoisonReport, ReportsWanted
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.gaps import ALARM_AFTER_NS, Gap, GapWatch
from tradingmesh.core.risk.reports import HELD_MAX, Handed, place_of
from tradingmesh.core.spans import apply_span
from tradingmesh.risk_manager.recorder import Recorder
from tradingmesh.runtime.component import Context
from tradingmesh.wire.messages import BOOKED_REPORT, POISON_REPORT, REPORT_ANSWERS, REPORTS_WANTED, TOGETHER_MAX

TURN_MAX = 200
ASKERS_MAX = 8
"""So many are answered of those who handed in one report; each start of a fill processor is another one."""
LOOK_EVERY_S = 0.5
WANTED_MAX = 5_000


class ReportDesk:
    """Applies what waits in one turn; `answer` sends the answers, to be called when the turn's records are on disk.

    A report that came before its turn is answered when the gap closes, to whoever asked. An answer to a processor that
    is gone is dropped and counted: its report comes again and is answered as a duplicate. Where a gap stays, the
    execution engine is asked for what is missing, through whoever handed in what waits for it.
    """

    def __init__(self, context: Context, core: RiskCore, recorder: Recorder) -> None:
        self._context = context
        self._core = core
        self._recorder = recorder
        self._now_ns = context.clock.now_ns
        self._monotonic_ns = context.clock.monotonic_ns
        self._socket = context.sockets.router(Channel.POSITIONS)
        self._sender = Sender(REPORT_ANSWERS, context.settings.instance, context.epoch)
        self._wants = Sender(REPORTS_WANTED, context.settings.instance, context.epoch)
        self._waiting: dict[Place, list[bytes]] = {}
        self._answers: dict[bytes, list[ReportAnswer]] = {}
        self._gaps = GapWatch()
        self.problems: list[str] = []
        self._meter(context)
        context.loop.on_readable(self._socket, self.drain)
        context.loop.every(LOOK_EVERY_S, self._look_for_gaps)

    def _meter(self, context: Context) -> None:
        metrics = context.metrics
        self._applied = metrics.counter("reports_answered")
        self._untaken = metrics.counter("reports_untaken")
        self._unsent = metrics.counter("report_answers_dropped")
        self._malformed = metrics.counter("messages_malformed", channel=Channel.POSITIONS)
        self._latency = metrics.latency("report-apply")
        self._wanted = metrics.counter("reports_wanted")
        metrics.gauge("report_gaps", lambda: len(self.problems))

    def drain(self) -> None:
        """Applies what waits, about `TURN_MAX` reports."""
        taken = 0
        while taken < TURN_MAX:
            try:
                asker, *frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if self._recorder.problem:  # unanswered it comes again, when it can be kept
                taken += 1
                self._untaken.inc()
                continue
            try:
                taken += self._take(asker, read_batch(frames))
            except WireError as error:
                taken += 1
                self._malformed.inc()
                self._context.log.warning("reports dropped", error=str(error))

    def answer(self) -> None:
        """Sends the answers of what was applied."""
        if not self._answers:
            return
        now_ns = self._now_ns()
        for asker, answers in self._answers.items():
            for start in range(0, len(answers), TOGETHER_MAX):
                some = answers[start : start + TOGETHER_MAX]
                try:
                    self._socket.send_multipart([asker, *self._sender.frames(some, now_ns)], zmq.NOBLOCK)
                    self._applied.inc(len(some))
                except zmq.ZMQError:
                    self._unsent.inc(len(some))
        self._answers.clear()

    def _take(self, asker: bytes, batch: Batch) -> int:
        if batch.header.kind not in (BOOKED_REPORT.kind, POISON_REPORT.kind):
            raise WireError(f"kind {batch.header.kind} where a report belongs")
        now_ns = self._now_ns()
        for index, payload in enumerate(batch.payloads):
            began_ns = self._monotonic_ns()
            place = batch.place(index)
            handed = _read(batch.header.kind, place, payload)
            fresh = self._apply(asker, place, handed, now_ns)
            elapsed_ns = self._monotonic_ns() - began_ns
            self._latency.observe_ns(elapsed_ns)
            if fresh and isinstance(handed, BookedReport):
                self._record(place, handed.report, elapsed_ns)
        return len(batch.payloads)

    def _apply(self, asker: bytes, place: Place, handed: Handed, now_ns: int) -> bool:
        """Whether it took effect now, for the first time."""
        answers = self._core.apply(handed, now_ns)
        if not answers:
            self._wait(asker, place)
        for answer in answers:
            told = Place(answer.outbox_epoch, answer.symbol, answer.symbol_sequence)
            askers = self._waiting.pop(told, []) if self._waiting else []
            if told == place and asker not in askers:
                askers.append(asker)
            self._address(answer, askers)
        return any(isinstance(answer, ReportApplied) and not answer.duplicate for answer in answers[:1])

    def _record(self, place: Place, report: Report, elapsed_ns: int) -> None:
        fill, trace = report.body, self._context.traced(report.trace_id)
        if trace and isinstance(fill, Fill):
            end_ns = self._now_ns()
            self._context.tracer.record(apply_span(place, fill.client_order_id), trace, end_ns - elapsed_ns, end_ns)

    def _address(self, answer: ReportAnswer, askers: list[bytes]) -> None:
        """Who asked last is most likely to be there still: that it is new is told to this one only."""
        for identity in askers[-1:]:
            self._answers.setdefault(identity, []).append(answer)
        for identity in askers[:-1]:
            self._answers.setdefault(identity, []).append(_repeated(answer))

    def _wait(self, asker: bytes, place: Place) -> None:
        if place not in self._waiting and len(self._waiting) >= HELD_MAX:
            return
        askers = self._waiting.setdefault(place, [])
        if asker not in askers:
            askers.append(asker)
            del askers[:-ASKERS_MAX]

    def _look_for_gaps(self) -> None:
        now_ns = self._monotonic_ns()
        gaps = self._gaps.look(self._core.state.reports.gaps(), now_ns)
        for gap in gaps:
            self._ask_for(gap)
        alarmed = [gap for gap in gaps if now_ns - gap.since_ns >= ALARM_AFTER_NS]
        problems = [f"{gap.place} is missing, those after it wait" for gap in alarmed]
        for problem in problems:
            if problem not in self.problems:
                self._context.log.error("report missing", error=problem)
                self._context.events.emit(ComponentError, instance=self._context.settings.instance, error=problem)
        self.problems = problems

    def _ask_for(self, gap: Gap) -> None:
        held = [place for place in self._waiting if place[:2] == gap.line]
        if not held:
            return
        count = min(WANTED_MAX, min(place.symbol_sequence for place in held) - gap.awaited)
        wanted = self._wants.frames(ReportsWanted(gap.place, count), self._now_ns())
        for asker in {askers[-1] for askers in map(self._waiting.__getitem__, held)}:
            try:
                self._socket.send_multipart([asker, *wanted], zmq.NOBLOCK)
                self._wanted.inc()
            except zmq.ZMQError:
                self._unsent.inc()


def _repeated(answer: ReportAnswer) -> ReportAnswer:
    """The answer for the others who handed in the same report."""
    if not isinstance(answer, ReportApplied) or answer.duplicate:
        return answer
    return msgspec.structs.replace(answer, duplicate=True, before=answer.after)


def _read(kind: int, place: Place, payload: bytes) -> Handed:
    """The report. One that cannot be read, or stands elsewhere by its own word, is one that must not take effect."""
    codec = POISON_REPORT if kind == POISON_REPORT.kind else BOOKED_REPORT
    try:
        handed: Handed = codec.decode(payload)
    except WireError as error:
        return PoisonReport(place, payload, f"unreadable: {error}")
    if place_of(handed) != place:
        return PoisonReport(place, payload, f"unreadable: it says that it is {place_of(handed)}")
    return handed
