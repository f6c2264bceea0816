"""Reports on their way out: pushed once they are on disk, pushed again until a fill processor acknowledges them.

A PUSH socket promises nothing (what is queued for a killed peer is lost), so the promise is made here: at least once.
It gives each message to the next of its peers, in turn, and does not know one that hangs from one that works. So what
is pushed again is pushed once for every peer: so many in a row reach each of them, and who works makes it take effect.

What a risk manager has lost and asks for again goes by a lane of its own, ahead of the others and with its own window:
those that wait for it may fill theirs.
"""

import zmq

from tradingmesh.adapters.outbox_sqlite import Outbox, Parcel
from tradingmesh.adapters.zmq_messages import read
from tradingmesh.adapters.zmq_reports import BatchSender
from tradingmesh.contract import Channel
from tradingmesh.core.errors import JournalError, WireError
from tradingmesh.core.events import ComponentError
from tradingmesh.core.place import Place, PoisonReport, ReportsWanted
from tradingmesh.execution_engine.lane import Lane
from tradingmesh.runtime.component import Context
from tradingmesh.wire.header import NO_TRACE, decode_header
from tradingmesh.wire.messages import POISON_REPORT, REPORT, REPORT_ACKS, REPORTS_WANTED

TURN_MAX = 1_000
COPIES_MAX = 8
"""So many copies of a report are pushed at once; the next time the turn begins with another peer."""
WANTED_MAX = 5_000
LAST_AGAIN_S = 10.0
STUCK_AFTER = 20
"""A report that was pushed more often than that without an ack needs somebody to look at it."""
_NS_PER_MS = 1_000_000


class Delivery:
    """Every report that is not acknowledged, either outstanding or waiting. Times are of a monotonic clock."""

    def __init__(self, context: Context, outbox: Outbox) -> None:
        self._context = context
        self._outbox = outbox
        redeliver_ns = context.spec.endpoints.fills.redeliver_after_ms * _NS_PER_MS
        self._lost = Lane(redeliver_ns)
        self._unacked = Lane(redeliver_ns)
        self._stuck: set[Place] = set()
        self._fills = context.sockets.push(Channel.FILLS)
        self._acks = context.sockets.pull(Channel.FILL_ACKS)
        self._sender = BatchSender(context.settings.instance, Channel.FILLS, context.epoch)
        self._meter(context)
        context.loop.on_readable(self._acks, self.take_acks)
        context.loop.every(LAST_AGAIN_S, self._show_last)
        for parcel in outbox.unacked():
            self.add(parcel)

    def _meter(self, context: Context) -> None:
        counter = context.metrics.counter
        self.pushed = counter("reports_pushed")
        self.redelivered = counter("reports_redelivered")
        self.acked = counter("reports_acked")
        self._wanted = counter("reports_wanted")
        self._foreign = counter("acks_foreign")
        self._malformed = counter("messages_malformed", channel=Channel.FILL_ACKS)
        self._latency = context.metrics.latency("report_ack")
        self._late = context.metrics.latency("redelivery")
        gauge = context.metrics.gauge
        gauge("outbox_backlog", lambda: self.backlog)
        gauge("reports_stuck", lambda: len(self._stuck))

    @property
    def backlog(self) -> int:
        """How many reports are not acknowledged."""
        return self._unacked.count

    @property
    def stuck(self) -> int:
        """How many reports were pushed more than `STUCK_AFTER` times."""
        return len(self._stuck)

    def add(self, parcel: Parcel) -> None:
        """Takes a report that is on disk."""
        self._unacked.add(parcel)

    def push(self, now_ns: int) -> None:
        """Pushes what was lost, then what is overdue, then what waits, as far as the socket and the windows take it."""
        for lane in (self._lost, self._unacked):
            if lane.to_push(now_ns) and self._fills.poll(0, zmq.POLLOUT):
                self._push_again(lane, now_ns)
                self._push_next(lane, now_ns)

    def _push_again(self, lane: Lane, now_ns: int) -> None:
        copies = 0
        while batch := lane.overdue(now_ns):
            copies = copies or min(COPIES_MAX, max(1, self._context.sockets.peer_count(Channel.FILLS)))
            if not self._send([sent.parcel for sent in batch], copies):
                return
            self.redelivered.inc(len(batch))
            lane.pushed_again(batch, now_ns)
            for sent in batch:
                if sent.times == STUCK_AFTER + 1:
                    self._stick(sent.parcel.place)

    def _push_next(self, lane: Lane, now_ns: int) -> None:
        while (batch := lane.next()) and self._send(batch, 1):
            lane.pushed(batch, now_ns)

    def _stick(self, place: Place) -> None:
        """An alarm for the first one; while any is stuck, the others are counted only."""
        if not self._stuck:
            self._tell(f"{place} was pushed {STUCK_AFTER} times and is not acknowledged; {self.backlog} reports wait")
        self._stuck.add(place)

    def take_acks(self) -> None:
        """Lets go of what is acknowledged: applied or set aside, it is on the risk manager's disk."""
        now_ns = self._context.clock.monotonic_ns()
        for _ in range(TURN_MAX):
            try:
                frames = self._acks.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                if decode_header(frames[0]).kind == REPORTS_WANTED.kind:
                    self._send_wanted(read(REPORTS_WANTED, frames)[1])
                    continue
                for place in read(REPORT_ACKS, frames)[1]:
                    self._ack(place, now_ns)
            except WireError as error:
                self._malformed.inc()
                self._context.log.warning("ack dropped", error=str(error))

    def _ack(self, place: Place, now_ns: int) -> None:
        sent = self._unacked.acked(place) or self._lost.acked(place)
        if sent is None:
            self._foreign.inc()
            return
        self._outbox.ack(place.symbol, place.symbol_sequence)
        self.acked.value += 1
        elapsed_ns = now_ns - sent.first_ns
        self._latency.observe_ns(elapsed_ns)
        if sent.times > 1:
            self._late.observe_ns(elapsed_ns)
            self._stuck.discard(place)

    def _show_last(self) -> None:
        """Pushes the last report of each quiet symbol: a risk manager that has lost what was before it will ask."""
        busy = self._unacked.symbols() | self._lost.symbols()
        for symbol, last in self._outbox.sequences().items():
            if symbol not in busy:
                for parcel in self._read_acked(Place(self._outbox.epoch, symbol, last), 1):
                    self.add(parcel)

    def _send_wanted(self, wanted: ReportsWanted) -> None:
        """The risk manager has lost what it had acknowledged: it is all still in the outbox.

        It asks for the same until it comes. Where it asks for another, it has lost more: what is on its way is let go.
        """
        if wanted.first.outbox_epoch != self._outbox.epoch or self._lost.has(wanted.first):
            return
        found = self._read_acked(wanted.first, min(wanted.count, WANTED_MAX))
        if found:
            self._lost.drop(wanted.first.symbol)
            for parcel in found:
                self._lost.add(parcel)
            self._wanted.inc(len(found))
            self._context.log.warning("sent again what was acknowledged", first=str(wanted.first), reports=len(found))

    def _read_acked(self, first: Place, count: int) -> list[Parcel]:
        try:
            return self._outbox.acked_reports(first.symbol, first.symbol_sequence, count)
        except JournalError as error:
            self._tell(f"what was acknowledged cannot be sent again: {error}")
            return []

    def _tell(self, error: str) -> None:
        self._context.log.error("attention", error=error)
        self._context.events.emit(ComponentError, instance=self._context.settings.instance, error=error)

    def _send(self, batch: list[Parcel], copies: int) -> bool:
        """Whether it went out at least once."""
        frames = self._frames(batch)
        for copy in range(copies):
            try:
                self._fills.send_multipart(frames, zmq.NOBLOCK)
            except zmq.Again:
                return copy > 0
            self.pushed.inc(len(batch))
        return True

    def _frames(self, batch: list[Parcel]) -> list[bytes]:
        first = batch[0]
        now_ns = self._context.clock.now_ns()
        if first.aside is not None:
            poison = POISON_REPORT.encode(PoisonReport(first.place, first.payload, first.aside))
            return self._sender.frames(POISON_REPORT.kind, first.place, [poison], now_ns)
        trace_id = bytes.fromhex(first.trace_id) if first.trace_id else NO_TRACE
        return self._sender.frames(REPORT.kind, first.place, [parcel.payload for parcel in batch], now_ns, trace_id)
