"""The fill-processor: fills -> valued reports -> the risk manager's ledger -> events and an ack. Run any number.

It keeps nothing that matters: a report is the execution engine's until it is acknowledged, and the ack goes back only
when the risk manager has the report on disk. Whatever is lost here (killed, nobody to send to, full) is sent again.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_reports import Batch, BatchSender, read_batch
from tradingmesh.contract import Channel
from tradingmesh.core.errors import InputError, WireError
from tradingmesh.core.fills import BookedReport, Fill, Report, ReportAnswer, ReportSetAside
from tradingmesh.core.orders.booking import booked, events_of, unbooked
from tradingmesh.core.place import Place, PoisonReport
from tradingmesh.core.spans import book_span
from tradingmesh.runtime.component import Context, Service
from tradingmesh.wire.header import decode_header
from tradingmesh.wire.messages import (
    BOOKED_REPORT,
    POISON_REPORT,
    REPORT,
    REPORT_ACKS,
    REPORT_ANSWERS,
    REPORTS_WANTED,
)

TURN_MAX = 50
OUTSTANDING_MAX = 2_000
FORGET_AFTER_S = 10.0
DRAIN_NS = 2_000_000_000
_DRAIN_TURN_MS = 20


class _Out(NamedTuple):
    """A report that is out, and what it says if sound.

    Clocks are read before a send: `sent_ns` before the last one; `told_ns`, wall time, before the first, for by the
    last it may have been applied, and the answer not been read.
    """

    sent_ns: int
    told_ns: int
    report: BookedReport | None


class FillProcessor:
    """Hands each report on with its figures, and its answer back."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._now_ns = context.clock.now_ns
        self._monotonic_ns = context.clock.monotonic_ns
        self._commission_per_share = context.spec.broker.commission_per_share
        self._outstanding: dict[Place, _Out] = {}
        self._fills = context.sockets.pull(Channel.FILLS)
        self._positions = context.sockets.dealer(Channel.POSITIONS)
        self._acks = context.sockets.push(Channel.FILL_ACKS)
        self._sender = BatchSender(context.settings.instance, Channel.POSITIONS, context.epoch)
        self._ack_sender = Sender(REPORT_ACKS, context.settings.instance, context.epoch)
        self._meter(context)
        context.loop.on_readable(self._fills, self._take_reports)
        context.loop.on_readable(self._positions, self._take_answers)
        context.loop.every(FORGET_AFTER_S / 4, self._forget_old)

    def _meter(self, context: Context) -> None:
        counter = context.metrics.counter
        self._pulled = counter("reports_pulled")
        self._invalid = counter("reports_invalid")
        self._unreadable = counter("reports_unreadable")
        self._unsent = counter("reports_not_taken")
        self._applied = counter("reports_applied")
        self._repeated = counter("reports_repeated")
        self._set_aside = counter("reports_set_aside")
        self._malformed = counter("messages_malformed", channel="fills")
        self._latency = context.metrics.latency("book")
        context.metrics.gauge("reports_outstanding", lambda: len(self._outstanding))

    def _take_reports(self) -> None:
        for frames in _waiting(self._fills):
            try:
                batch = read_batch(frames)
                if batch.header.kind == REPORT.kind:
                    self._book(batch)
                else:
                    self._pass_on(batch)
            except WireError as error:
                self._malformed.inc()
                self._context.log.warning("reports dropped", error=str(error))

    def _pass_on(self, batch: Batch) -> None:
        """A report that the execution engine set aside: it goes where it is kept."""
        for index, payload in enumerate(batch.payloads):
            self._pulled.inc()
            self._hand_in(batch, index, [POISON_REPORT.decode(payload)])

    def _book(self, batch: Batch) -> None:
        """Hands on the whole batch; one that has unreadable reports in it, in pieces."""
        self._pulled.inc(len(batch.payloads))
        piece: list[BookedReport | PoisonReport] = []
        for index, payload in enumerate(batch.payloads):
            handed = self._value(batch.place(index), payload)
            if isinstance(handed, PoisonReport):
                self._hand_in(batch, index - len(piece), piece)
                self._hand_in(batch, index, [handed])
                piece = []
            else:
                piece.append(handed)
        self._hand_in(batch, len(batch.payloads) - len(piece), piece)

    def _value(self, place: Place, payload: bytes) -> BookedReport | PoisonReport:
        try:
            report = _read(place, payload)
        except WireError as error:
            self._unreadable.inc()
            self._context.log.warning("report unreadable", report=str(place), error=str(error))
            return PoisonReport(place, payload, f"unreadable: {error}")
        try:
            return booked(report, self._commission_per_share)
        except InputError as error:
            self._invalid.inc()
            self._context.log.warning("report invalid", error=str(error), client_order_id=report.body.client_order_id)
            return unbooked(report)

    def _hand_in(self, batch: Batch, start: int, reports: Sequence[BookedReport | PoisonReport]) -> None:
        """Sends reports of one kind that follow each other, and notes that they are out."""
        if not reports:
            return
        places = [batch.place(start + index) for index in range(len(reports))]
        codec = POISON_REPORT if isinstance(reports[0], PoisonReport) else BOOKED_REPORT
        payloads = [codec.encode(report) for report in reports]
        told_ns, sent_ns = self._now_ns(), self._monotonic_ns()
        frames = self._sender.frames(codec.kind, places[0], payloads, told_ns, batch.header.trace_id)
        if not self._has_room(places) or not self._sent(frames):
            self._unsent.inc(len(reports))
            return
        for place, report in zip(places, reports, strict=True):
            before = self._outstanding.get(place)
            first_ns = before.told_ns if before is not None else told_ns
            self._outstanding[place] = _Out(sent_ns, first_ns, report if isinstance(report, BookedReport) else None)

    def _has_room(self, places: list[Place]) -> bool:
        fresh = sum(place not in self._outstanding for place in places)
        return not fresh or len(self._outstanding) + fresh <= OUTSTANDING_MAX

    def _sent(self, frames: list[bytes]) -> bool:
        try:
            self._positions.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _take_answers(self) -> None:
        for frames in _waiting(self._positions):
            try:
                if decode_header(frames[0]).kind == REPORTS_WANTED.kind:
                    self._answer_on(frames, 1)
                else:
                    self._finish(read(REPORT_ANSWERS, frames)[1])
            except WireError as error:
                self._malformed.inc()
                self._context.log.warning("answer dropped", error=str(error))

    def _finish(self, answers: list[ReportAnswer]) -> None:
        now_ns = self._monotonic_ns()
        places = []
        for answer in answers:
            place = Place(answer.outbox_epoch, answer.symbol, answer.symbol_sequence)
            places.append(place)
            out = self._outstanding.pop(place, None)
            if out is not None:
                self._latency.observe_ns(now_ns - out.sent_ns)
            self._tell(answer, out)
        self._answer_on(self._ack_sender.frames(places, self._now_ns()), len(places))

    def _answer_on(self, frames: list[bytes], count: int) -> None:
        """To the execution engine. What is lost is said again: the reports come again, as repetitions."""
        try:
            self._acks.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            self._unsent.inc(count)

    def _tell(self, answer: ReportAnswer, out: _Out | None) -> None:
        if isinstance(answer, ReportSetAside):
            self._set_aside.inc()
        elif answer.duplicate:
            self._repeated.value += 1
        else:
            self._applied.value += 1
            if out is None or out.report is None:
                return
            self._record(out.report.report, out.told_ns)
            for tell in events_of(out.report, answer):
                self._context.events.emit(tell.type_, trace_id=tell.trace_id, **tell.fields)

    def _record(self, report: Report, told_ns: int) -> None:
        fill, trace = report.body, self._context.traced(report.trace_id)
        if trace and isinstance(fill, Fill):
            place = Place(report.outbox_epoch, fill.symbol, report.symbol_sequence)
            span = book_span(place, fill.client_order_id)
            self._context.tracer.record(span, trace, told_ns, self._now_ns())

    def _forget_old(self) -> None:
        """An answer that is still out after so long was lost: the report has been sent again, here or elsewhere."""
        before_ns = self._monotonic_ns() - int(FORGET_AFTER_S * 1e9)
        for key in [key for key, out in self._outstanding.items() if out.sent_ns < before_ns]:
            del self._outstanding[key]

    def ready(self) -> list[str]:
        """Ready once its loop turns: without a risk manager, reports wait in the outbox."""
        return []

    def status(self) -> dict[str, Any]:
        """What was pulled, and what came of it."""
        return {
            "pulled": self._pulled.value,
            "applied": self._applied.value,
            "repeated": self._repeated.value,
            "set_aside": self._set_aside.value,
            "outstanding": len(self._outstanding),
        }

    def drain(self) -> None:
        """Waits for the answers that are out, for a bounded time: the rest is sent again to another processor."""
        deadline_ns = self._monotonic_ns() + DRAIN_NS
        self._context.loop.turn(0)
        while self._outstanding and self._monotonic_ns() < deadline_ns:
            self._context.loop.turn(_DRAIN_TURN_MS)


def _read(place: Place, payload: bytes) -> Report:
    report = REPORT.decode(payload)
    own = Place(report.outbox_epoch, report.body.symbol, report.symbol_sequence)
    if own != place:
        raise WireError(f"it says that it is {own}")
    return report


def _waiting(socket: zmq.Socket[bytes]) -> Iterator[list[bytes]]:
    for _ in range(TURN_MAX):
        try:
            yield socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return


def build(context: Context) -> Service:
    """A fill processor."""
    return FillProcessor(context)
