"""Takes booked reports (ROUTER) and answers each once it is on disk."""

import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.contract import Channel
from tradingmesh.core.errors import WireError
from tradingmesh.core.fills import ReportAnswer
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.reports import HELD_MAX, Handed, place_of
from tradingmesh.risk_manager.recorder import Recorder
from tradingmesh.runtime.component import Context
from tradingmesh.wire.messages import BOOKED_REPORT, REPORT_ANSWER

TURN_MAX = 500

Place = tuple[int, str, int]
"""A report's outbox, symbol and place in the sequence."""


class ReportDesk:
    """Applies what waits in one turn; `answer` sends the answers, to be called when the turn's records are on disk.

    A report that came before its turn is answered when the gap closes, to whoever asked. An answer to a processor that
    is gone is dropped and counted: its report comes again and is answered as a duplicate.
    """

    def __init__(self, context: Context, core: RiskCore, recorder: Recorder) -> None:
        self._context = context
        self._core = core
        self._now_ns = context.clock.now_ns
        self._recorder = recorder
        self._socket = context.sockets.router(Channel.POSITIONS)
        self._sender = Sender(REPORT_ANSWER, context.settings.instance, context.epoch)
        self._waiting: dict[Place, set[bytes]] = {}
        self._answers: list[tuple[bytes, ReportAnswer]] = []
        metrics = context.metrics
        self._applied = metrics.counter("reports_answered", "Booked reports answered.")
        self._unsent = metrics.counter("report_answers_dropped", "Answers to fill processors that are gone.")
        self._malformed = metrics.counter(
            "malformed_dropped", "Unreadable messages, dropped.", channel=Channel.POSITIONS
        )
        self._latency = metrics.latency("report-apply")
        context.loop.on_readable(self._socket, self.drain)

    def drain(self) -> None:
        """Applies what waits, at most `TURN_MAX` reports."""
        for _ in range(TURN_MAX):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
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
        for asker, answer in self._answers:
            try:
                self._socket.send_multipart([asker, *self._sender.frames(answer, now_ns)], zmq.NOBLOCK)
                self._applied.inc()
            except zmq.ZMQError:
                self._unsent.inc()
        self._answers.clear()

    def _take(self, asker: bytes, frames: list[bytes]) -> None:
        began_ns = self._now_ns()
        try:
            _, booked = read(BOOKED_REPORT, frames)
        except WireError:
            self._malformed.inc()
            return
        report = booked.report
        place = (report.outbox_epoch, report.body.symbol, report.symbol_sequence)
        answers = self._core.apply(booked, began_ns)
        if not answers and (place in self._waiting or len(self._waiting) < HELD_MAX):
            self._waiting.setdefault(place, set()).add(asker)
        for answer in answers:
            self._address(answer, asker if _place(answer) == place else None)
        self._latency.observe_ns(self._now_ns() - began_ns)

    def _address(self, answer: ReportAnswer, asker: bytes | None) -> None:
        askers = self._waiting.pop(_place(answer), set())
        if asker is not None:
            askers.add(asker)
        self._answers.extend((identity, answer) for identity in askers)


def _place(answer: ReportAnswer) -> Place:
    return answer.outbox_epoch, answer.symbol, answer.symbol_sequence
