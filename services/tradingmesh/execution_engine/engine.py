"""The execution engine's loop: signals, risk answers and broker events in, effects of the order table out.

Nothing that the table wants kept is acted on before it is on disk. A turn of the loop collects; at its end one commit
writes the intents and the reports of the turn, and only then orders are posted, reports pushed, events published.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import zmq

from tradingmesh.adapters.outbox_sqlite import RECENT_NS, Outbox
from tradingmesh.adapters.zmq_messages import read
from tradingmesh.contract import Channel
from tradingmesh.core.checks import ApprovedSignal, Check, Decision, Refused
from tradingmesh.core.errors import JournalError, WireError
from tradingmesh.core.fills import Fill
from tradingmesh.core.orders.effects import (
    Ask,
    Cancel,
    Effect,
    Notice,
    Origin,
    Save,
    Send,
    Submit,
    Tell,
)
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.execution_engine.broker_desk import BrokerDesk, recall
from tradingmesh.execution_engine.delivery import Delivery
from tradingmesh.execution_engine.ledger_desk import LedgerDesk
from tradingmesh.execution_engine.risk_desk import RiskDesk
from tradingmesh.execution_engine.telling import Telling
from tradingmesh.execution_engine.trading_state import TradingStateDesk
from tradingmesh.ports import Broker, ReadyOrder
from tradingmesh.runtime.component import Context
from tradingmesh.wire.header import NO_TRACE, Header
from tradingmesh.wire.messages import APPROVED_SIGNAL, REPORT

TURN_MAX = 100
BACKLOG_MAX = 10_000
UNWRITTEN_MAX = 50_000
DRAIN_NS = 3_000_000_000
DRAIN_ACKS_NS = 1_000_000_000
_DRAIN_TURN_MS = 20
_TICK_S = 0.05
USED_MAX = 5_000
"""So many reservations are named at a start, so that the message stays small; with more, none is given back."""


class ExecutionEngine:
    """A service. `broker` may be any `Broker`: one that only records is how the way to "ready to POST" is measured."""

    def __init__(self, context: Context, broker: Broker, outbox: Outbox) -> None:
        self._context = context
        self._now_ns = context.clock.now_ns
        self._monotonic_ns = context.clock.monotonic_ns
        self._broker = broker
        self._outbox = outbox
        self._table = OrderTable(outbox.writer)
        self._after_commit: list[Callable[[], object]] = []
        self._disk_problem = ""
        self._stopping = ""
        self._fenced = ""
        self._told_held = ""
        self._restore()
        self._telling = Telling(context, self._table)
        self._desk = BrokerDesk(context, broker, outbox, self._table, self._telling, self._do)
        ledger = LedgerDesk(outbox, self._table, self._do)
        self._risk = RiskDesk(context, ledger, self._on_decision)
        self._trading = TradingStateDesk(context, broker, self._table, ledger, self._do)
        self._delivery = Delivery(context, outbox)
        self._orders = context.sockets.pull(Channel.ORDERS)
        self._begin()

    def _restore(self) -> None:
        for order, keys in self._outbox.open_orders():
            self._table.restore(order, keys)
        for symbol, last in self._outbox.sequences().items():
            self._table.restore_sequence(symbol, last)

    def _tell_started(self) -> None:
        """What earlier lives had confirmed and never submitted can be given back: all that is in use is named."""
        try:
            used = {REPORT.decode(parcel.payload).reservation_id for parcel in self._outbox.unacked()}
        except WireError as error:  # who knows what it uses: nothing is given back
            self._telling.error(f"a report in the outbox cannot be read: {error}")
            return
        if len(used) + len(self._table.open_orders()) <= USED_MAX:
            self._do(self._table.started(used))

    def _begin(self) -> None:
        loop = self._context.loop
        loop.on_readable(self._orders, self._take_signals)
        loop.every(_TICK_S, self._commit)
        loop.every(RECENT_NS / 1e9, self._outbox.let_age)
        loop.after_turn(self._end_turn)
        self._context.metrics.gauge("engine_fenced", lambda: bool(self._fenced))
        if self._outbox.restarted:
            self._tell_started()
        self._desk.start()

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
            recall(self._table, self._outbox, client, "")
        trace_id = header.trace_id.hex() if header.trace_id != NO_TRACE else ""
        origin = Origin(trace_id, header.flags, header.timestamp_ns)
        self._do(self._table.on_signal(approved, origin, self._now_ns()))

    def _on_decision(self, request_id: str, decision: Decision) -> None:
        if isinstance(decision, Refused) and decision.check is Check.FENCED:
            self._fence(decision.reason)
        self._do(self._table.on_decision(request_id, decision, self._now_ns()))

    def _fence(self, reason: str) -> None:
        """Another engine has taken over, for as long as this process lives. What this one hears it still reports."""
        if not self._fenced:
            self._fenced = reason
            self._table.blocked = self._why_blocked()
            self._telling.fenced(reason)

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
                if isinstance(effect.report.body, Fill):
                    self._desk.booked(effect.report.body)
                    self._after_commit.append(
                        partial(self._telling.fill_kept, effect.report, effect.report.body, self._now_ns())
                    )
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
        self._telling.order_ready(submit.order.client_order_id, submit.origin, self._now_ns())
        return ready

    def _submit(self, ready: ReadyOrder) -> None:
        self._desk.posted(ready.order)
        self._broker.submit(ready)

    def _end_turn(self) -> None:
        if self._after_commit or self._outbox.reports_waiting:
            self._commit()
        self._delivery.push(self._monotonic_ns())
        self._hold()

    def _hold(self) -> None:
        """What may not go now is held back here, and, where it went to the broker's threads already, there."""
        self._table.blocked = held = self._why_blocked()
        if held != self._told_held:
            self._told_held = held
            self._broker.hold(held)

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
        self._table.forget(self._now_ns())
        for parcel in parcels:
            self._delivery.add(parcel)
            if parcel.aside is not None:
                self._telling.notice(Notice("report-set-aside", f"{parcel.place}: {parcel.aside}"))
        actions, self._after_commit = self._after_commit, []
        for action in actions:
            action()

    # What others ask

    def _why_blocked(self) -> str:
        if self._stopping or self._fenced or self._disk_problem:
            return self._stopping or self._fenced or self._disk_problem
        if self._delivery.backlog >= BACKLOG_MAX:
            return f"the outbox is full: {self._delivery.backlog} reports are not acknowledged"
        return self._desk.problem

    def ready(self) -> list[str]:
        """Not ready while orders would be refused: fenced off, not in sync, outbox full or not writable."""
        problem = self._why_blocked()
        return [problem] if problem else []

    def status(self) -> dict[str, Any]:
        """What was received, what is open, what is not acknowledged."""
        delivered = {"redelivered": self._delivery.redelivered.value, "backlog": self._delivery.backlog}
        writer = {"outbox_epoch": self._outbox.epoch, "writer_epoch": self._outbox.writer.epoch, "fenced": self._fenced}
        told = {**self._telling.status(), "orders_posting": self._table.posting, **delivered, **writer}
        return {**told, "broker": self._desk.status(), "trading_state": self._trading.status()}

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
