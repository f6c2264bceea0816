"""The execution engine's loop: signals, risk answers and broker events in, effects of the order table out.

Nothing that the table wants kept is acted on before it is on disk. A turn of the loop collects; at its end one commit
writes the intents and the reports of the turn, and only then orders are posted, reports pushed, events published.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import zmq

from tradingmesh.adapters.outbox_sqlite import RECENT_NS, Outbox
from tradingmesh.adapters.zmq_messages import read
from tradingmesh.contract import Channel
from tradingmesh.core.checks import ApprovedSignal, Decision
from tradingmesh.core.errors import JournalError, WireError
from tradingmesh.core.orders.effects import (
    ApiMoved,
    Ask,
    BrokerEvent,
    Cancel,
    CancelFailed,
    Effect,
    Notice,
    Origin,
    Save,
    Send,
    Snapshot,
    SnapshotFailed,
    StreamState,
    Submit,
    SubmitAnswered,
    SubmitRefused,
    SubmitUnanswered,
    Tell,
    UpdateUnreadable,
)
from tradingmesh.core.orders.record import OrderUpdate
from tradingmesh.core.orders.sync import BrokerSync
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.execution_engine.delivery import Delivery
from tradingmesh.execution_engine.risk_desk import RiskDesk
from tradingmesh.execution_engine.telling import Telling
from tradingmesh.ports import Broker, ReadyOrder
from tradingmesh.runtime.component import Context
from tradingmesh.wire.header import NO_TRACE, Header
from tradingmesh.wire.messages import APPROVED_SIGNAL

TURN_MAX = 100
BACKLOG_MAX = 10_000
UNWRITTEN_MAX = 50_000
DRAIN_NS = 3_000_000_000
DRAIN_ACKS_NS = 1_000_000_000
_DRAIN_TURN_MS = 20
_TICK_S = 0.05
_DOUBT_S = 1.0
_MARGIN_NS = 60_000_000_000


class ExecutionEngine:
    """A service. `broker` may be any `Broker`: one that only records is how the way to "ready to POST" is measured."""

    def __init__(self, context: Context, broker: Broker, outbox: Outbox) -> None:
        self._context = context
        self._now_ns = context.clock.now_ns
        self._monotonic_ns = context.clock.monotonic_ns
        self._broker = broker
        self._outbox = outbox
        self._table = OrderTable(outbox.epoch)
        self._sync = BrokerSync()
        self._first_contact_ns = outbox.number("first_contact_ns")
        self._synced_ns = outbox.number("synced_ns")
        self._after_commit: list[Callable[[], object]] = []
        self._heard: deque[BrokerEvent] = deque()
        self._posted_ns: dict[str, int] = {}
        self._doubted: set[str] = set()
        self._disk_problem = ""
        self._stopping = ""
        self._restore()
        self._telling = Telling(context, self._table)
        self._risk = RiskDesk(context, self._on_decision)
        self._delivery = Delivery(context, outbox)
        self._orders = context.sockets.pull(Channel.ORDERS)
        self._begin()

    def _restore(self) -> None:
        for order, keys in self._outbox.open_orders():
            self._table.restore(order, keys, self._now_ns())
        for symbol, last in self._outbox.sequences().items():
            self._table.restore_sequence(symbol, last)

    def _begin(self) -> None:
        loop = self._context.loop
        loop.on_readable(self._orders, self._take_signals)
        loop.every(_TICK_S, self._tick)
        loop.every(_DOUBT_S, self._look_for_doubt)
        loop.every(RECENT_NS / 1e9, self._outbox.let_age)
        loop.after_turn(self._end_turn)
        self._broker.start(self._hear)

    # What comes in

    def _take_signals(self) -> None:
        for _ in range(TURN_MAX):
            try:
                frames = self._orders.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                header, approved = read(APPROVED_SIGNAL, frames)
            except WireError as error:
                self._telling.malformed.inc()
                self._context.log.warning("signal dropped", error=str(error))
                continue
            self._on_signal(header, approved)

    def _on_signal(self, header: Header, approved: ApprovedSignal) -> None:
        self._telling.signals.inc()
        client = self._table.client_of(approved.signal.signal_id)
        if self._outbox.has_recent(client):
            self._recall(client)
        trace_id = header.trace_id.hex() if header.trace_id != NO_TRACE else ""
        origin = Origin(trace_id, header.flags, header.timestamp_ns)
        self._do(self._table.on_signal(approved, origin, self._now_ns()))

    def _on_decision(self, request_id: str, decision: Decision) -> None:
        self._do(self._table.on_decision(request_id, decision, self._now_ns()))

    def _hear(self, event: BrokerEvent) -> None:
        """Called in the broker's threads."""
        self._heard.append(event)
        self._context.loop.call_soon_threadsafe(self._take_broker_events)

    def _take_broker_events(self) -> None:
        for _ in range(len(self._heard)):
            self._on_broker_event(self._heard.popleft())

    def _on_broker_event(self, event: BrokerEvent) -> None:
        if isinstance(event, OrderUpdate):
            self._on_update(event)
        elif isinstance(event, SubmitAnswered | SubmitRefused | SubmitUnanswered):
            self._on_submitted(event)
        elif isinstance(event, Snapshot):
            self._on_snapshot(event)
        elif isinstance(event, CancelFailed):
            self._do([Notice("cancel-failed", f"order {event.client_order_id}: {event.reason}")])
        elif isinstance(event, ApiMoved):
            self._telling.api_moved(event, news=self._sync.on_api(event))
        else:
            self._on_trouble(event)
        self._table.blocked = self._why_blocked()

    def _on_update(self, update: OrderUpdate) -> None:
        self._recall(update.client_order_id, update.order_id)
        effects = self._table.on_update(update, self._now_ns())
        if any(isinstance(effect, Notice) for effect in effects):
            self._sync.suspect(self._monotonic_ns())
        self._do(effects)

    def _on_submitted(self, event: SubmitAnswered | SubmitRefused | SubmitUnanswered) -> None:
        client = event.update.client_order_id if isinstance(event, SubmitAnswered) else event.client_order_id
        posted_ns = self._posted_ns.pop(client, None)
        if posted_ns is not None:
            self._telling.post.observe_ns(self._monotonic_ns() - posted_ns)
        self._do(self._table.on_submitted(event, self._now_ns()))

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        for update in (*snapshot.orders, *snapshot.fills):
            self._recall(update.client_order_id, update.order_id)
        self._do(self._table.on_snapshot(snapshot, self._now_ns()))
        if not self._first_contact_ns:
            self._first_contact_ns = snapshot.broker_ns
            self._outbox.set_number("first_contact_ns", snapshot.broker_ns)
        self._synced_ns = snapshot.broker_ns
        self._outbox.set_number("synced_ns", snapshot.broker_ns)
        before = self._sync.problem
        doubtful = self._table.doubtful()
        differing = sum(order.short for order in doubtful)
        self._sync.answered(differing, len(doubtful) - differing, self._monotonic_ns())
        if before and not self._sync.problem:
            self._context.log.info("orders agree with the broker's", open=len(self._table.open_orders()))

    def _on_trouble(self, event: StreamState | SnapshotFailed | UpdateUnreadable) -> None:
        now_ns = self._monotonic_ns()
        if isinstance(event, UpdateUnreadable):
            self._sync.suspect(now_ns)
            self._do([Notice("update-unreadable", event.reason)])
        elif isinstance(event, StreamState):
            if self._sync.on_stream(event.problem, now_ns):
                tell = self._context.log.warning if event.problem else self._context.log.info
                tell("order stream", problem=event.problem or "none, it listens")
        else:
            self._sync.failed(event.reason, now_ns, keys_refused=event.keys_refused)
            self._context.log.warning("the broker could not be asked", reason=event.reason)

    def _recall(self, client: str, order_id: str = "") -> None:
        """Brings an order back into memory that is on disk only: closed before a restart, or long ago."""
        if not self._table.knows(client, order_id):
            found = self._outbox.find(order_id, client)
            if found is not None:
                self._table.restore(*found, self._now_ns())

    # What is done

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Ask):
                self._risk.ask(effect)
            elif isinstance(effect, Save):
                self._outbox.save(effect.order, self._now_ns())
            elif isinstance(effect, Send):
                self._outbox.put(effect.report, self._now_ns())
                self._telling.report(effect.report)
            elif isinstance(effect, Submit):
                self._after_commit.append(partial(self._submit, self._prepare(effect)))
            elif isinstance(effect, Cancel):
                self._after_commit.append(partial(self._broker.cancel, effect.order))
            elif isinstance(effect, Tell):
                self._after_commit.append(partial(self._telling.event, effect))
            else:
                self._telling.notice(effect)

    def _prepare(self, submit: Submit) -> ReadyOrder:
        ready = self._broker.prepare(submit.order)
        self._telling.order_ready(submit.origin, self._now_ns())
        return ready

    def _submit(self, ready: ReadyOrder) -> None:
        self._posted_ns[ready.order.client_order_id] = self._monotonic_ns()
        self._broker.submit(ready)

    def cancel_open_orders(self) -> None:
        """Asks the broker to cancel whatever may still fill."""
        self._do(self._table.cancel_open())

    def _end_turn(self) -> None:
        if self._after_commit or self._outbox.reports_waiting:
            self._commit()
        self._delivery.push(self._monotonic_ns())
        self._table.blocked = self._why_blocked()

    def _commit(self) -> None:
        """Writes, then does what had to wait for it. What cannot be written now is tried again."""
        try:
            parcels = self._outbox.commit()
        except JournalError as error:
            if self._outbox.waiting > UNWRITTEN_MAX:
                raise
            if not self._disk_problem:
                self._telling.error(str(error))
            self._disk_problem = str(error)
            return
        self._disk_problem = ""
        for parcel in parcels:
            self._delivery.add(parcel)
            if parcel.aside is not None:
                self._telling.notice(Notice("report-set-aside", f"{parcel.place}: {parcel.aside}"))
        actions, self._after_commit = self._after_commit, []
        for action in actions:
            action()

    def _tick(self) -> None:
        self._commit()
        now_ns = self._monotonic_ns()
        if self._sync.begin(now_ns):
            self._broker.reconcile(self._since_ns(), self._table.to_look_up())

    def _look_for_doubt(self) -> None:
        doubtful = {order.client_order_id for order in self._table.doubtful()}
        if doubtful & self._doubted:
            self._sync.suspect(self._monotonic_ns())
        self._doubted = doubtful

    def _since_ns(self) -> int:
        """Since when the broker is asked, by its own clock: never before it was first asked."""
        if not self._first_contact_ns:
            return 0
        created = [order.created_ns for order in self._table.open_orders() if order.order_id]
        return max(self._first_contact_ns, min([self._synced_ns, *created]) - _MARGIN_NS)

    # What others ask

    def _why_blocked(self) -> str:
        if self._stopping or self._disk_problem:
            return self._stopping or self._disk_problem
        if self._delivery.backlog >= BACKLOG_MAX:
            return f"the outbox is full: {self._delivery.backlog} reports are not acknowledged"
        return self._sync.problem

    def ready(self) -> list[str]:
        """Not ready while orders would be refused: stream down, not reconciled, outbox full or not writable."""
        problem = self._why_blocked()
        return [problem] if problem else []

    def status(self) -> dict[str, Any]:
        """What was received, what is open, what is not acknowledged."""
        delivered = {"redelivered": self._delivery.redelivered.value, "backlog": self._delivery.backlog}
        return {**self._telling.status(), **delivered, "outbox_epoch": self._outbox.epoch}

    def drain(self) -> None:
        """Refuses what still comes, waits for answers under way and for acks, and writes out; a few seconds at most."""
        self._stopping = self._table.blocked = "the execution engine is stopping"
        deadline_ns = self._monotonic_ns() + DRAIN_NS
        self._turn_until(lambda: not self._table.asking and not self._table.posting, deadline_ns)
        self._broker.stop()
        self._turn_until(lambda: not self._delivery.backlog, min(deadline_ns, self._monotonic_ns() + DRAIN_ACKS_NS))
        self._commit()

    def _turn_until(self, done: Callable[[], bool], deadline_ns: int) -> None:
        self._context.loop.turn(0)
        while not done() and self._monotonic_ns() < deadline_ns:
            self._context.loop.turn(_DRAIN_TURN_MS)
