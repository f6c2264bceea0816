"""The fill-processor: fills -> valued reports -> the risk manager's ledger -> events and an ack. Run any number.

It keeps nothing that matters: a report is the execution engine's until it is acknowledged, and the ack goes back only
when the risk manager has the report on disk. Whatever is lost here (killed, nobody to send to, full) is sent again.
"""

from collections.abc import Iterator
from typing import Any

import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.contract import Channel
from tradingmesh.core.errors import InputError, WireError
from tradingmesh.core.events import ComponentError
from tradingmesh.core.fills import BookedReport, Report, ReportAnswer, ReportSetAside
from tradingmesh.core.orders.booking import booked, events_of, unbooked
from tradingmesh.runtime.component import Context, Service
from tradingmesh.wire.header import NO_TRACE
from tradingmesh.wire.messages import BOOKED_REPORT, REPORT, REPORT_ANSWER

TURN_MAX = 500
OUTSTANDING_MAX = 2_000
FORGET_AFTER_S = 10.0
DRAIN_NS = 2_000_000_000
_DRAIN_TURN_MS = 20
Key = tuple[int, str, int]


class FillProcessor:
    """Hands each report on with its figures, and its answer back."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._now_ns = context.clock.now_ns
        self._monotonic_ns = context.clock.monotonic_ns
        self._commission_per_share = context.spec.broker.commission_per_share
        self._outstanding: dict[Key, tuple[int, BookedReport]] = {}
        self._fills = context.sockets.pull(Channel.FILLS)
        self._positions = context.sockets.dealer(Channel.POSITIONS)
        self._acks = context.sockets.push(Channel.FILL_ACKS)
        self._booked_sender = Sender(BOOKED_REPORT, context.settings.instance, context.epoch)
        self._ack_sender = Sender(REPORT_ANSWER, context.settings.instance, context.epoch)
        self._meter(context)
        context.loop.on_readable(self._fills, self._take_reports)
        context.loop.on_readable(self._positions, self._take_answers)
        context.loop.every(FORGET_AFTER_S / 4, self._forget_old)

    def _meter(self, context: Context) -> None:
        counter = context.metrics.counter
        self._pulled = counter("reports_pulled", "Reports pulled, repetitions included.")
        self._poison = counter("reports_invalid", "Reports that cannot be valued, handed on as they are.")
        self._unsent = counter("reports_not_taken", "Reports left to be sent again: nobody to send to, or too many.")
        self._applied = counter("reports_applied", "Reports that the risk manager applied for the first time.")
        self._repeated = counter("reports_repeated", "Reports that it had applied already.")
        self._set_aside = counter("reports_set_aside", "Reports that it cannot apply, and keeps.")
        self._malformed = counter("malformed_dropped", "Unreadable messages, dropped.", channel="fills")
        self._latency = context.metrics.latency("book")
        context.metrics.gauge("reports_outstanding", "Reports without an answer.", lambda: len(self._outstanding))

    def _take_reports(self) -> None:
        for frames in _waiting(self._fills):
            try:
                header, report = read(REPORT, frames)
            except WireError as error:
                self._malformed.inc()
                self._context.log.warning("report dropped", error=str(error))
                continue
            self._pulled.inc()
            self._book(report, header.trace_id)

    def _book(self, report: Report, trace_id: bytes) -> None:
        try:
            valued = booked(report, self._commission_per_share)
        except InputError as error:
            self._poison.inc()
            self._context.log.warning("report invalid", error=str(error), client_order_id=report.body.client_order_id)
            valued = unbooked(report)
        key = (report.outbox_epoch, report.body.symbol, report.symbol_sequence)
        if key not in self._outstanding and len(self._outstanding) >= OUTSTANDING_MAX:
            self._unsent.inc()
            return
        try:
            frames = self._booked_sender.frames(valued, self._now_ns(), trace_id=trace_id)
            self._positions.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            self._unsent.inc()
            return
        self._outstanding[key] = (self._monotonic_ns(), valued)

    def _take_answers(self) -> None:
        for frames in _waiting(self._positions):
            try:
                answer = read(REPORT_ANSWER, frames)[1]
            except WireError as error:
                self._malformed.inc()
                self._context.log.warning("answer dropped", error=str(error))
                continue
            self._finish(answer)

    def _finish(self, answer: ReportAnswer) -> None:
        sent_ns, valued = self._outstanding.pop(
            (answer.outbox_epoch, answer.symbol, answer.symbol_sequence), (None, None)
        )
        if isinstance(answer, ReportSetAside):
            self._tell_set_aside(answer)
        elif answer.duplicate:
            self._repeated.inc()
        else:
            self._applied.inc()
            for tell in events_of(valued, answer) if valued is not None else ():
                self._context.events.emit(tell.type_, trace_id=tell.trace_id, **tell.fields)
        if sent_ns is not None:
            self._latency.observe_ns(self._monotonic_ns() - sent_ns)
        self._ack(answer, valued)

    def _ack(self, answer: ReportAnswer, valued: BookedReport | None) -> None:
        trace = valued.report.trace_id if valued is not None else ""
        trace_id = bytes.fromhex(trace) if trace else NO_TRACE
        try:
            self._acks.send_multipart(self._ack_sender.frames(answer, self._now_ns(), trace_id=trace_id), zmq.NOBLOCK)
        except zmq.Again:
            self._unsent.inc()  # the report comes again, and is answered as a repetition

    def _tell_set_aside(self, answer: ReportSetAside) -> None:
        self._set_aside.inc()
        error = f"report {answer.symbol_sequence} of {answer.symbol} set aside: {answer.reason}"
        self._context.log.error("report set aside", error=error)
        self._context.events.emit(ComponentError, instance=self._context.settings.instance, error=error)

    def _forget_old(self) -> None:
        """An answer that is still out after so long was lost: the report has been sent again, here or elsewhere."""
        before_ns = self._monotonic_ns() - int(FORGET_AFTER_S * 1e9)
        for key in [key for key, (sent_ns, _) in self._outstanding.items() if sent_ns < before_ns]:
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


def _waiting(socket: zmq.Socket[bytes]) -> Iterator[list[bytes]]:
    for _ in range(TURN_MAX):
        try:
            yield socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return


def build(context: Context) -> Service:
    """A fill processor."""
    return FillProcessor(context)
