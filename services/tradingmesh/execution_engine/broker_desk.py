"""Hears the broker and asks it: what its stream tells, what became of a submission, and whether the books agree.

The decisions are the order table's, `BrokerSync`'s (when to ask, when orders are held back) and `Holdings`' (does the
account hold what was booked); here they are fed, and what a reconciliation found is told.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.contract import Mode
from tradingmesh.core.fills import Fill
from tradingmesh.core.orders.doubts import Doubts
from tradingmesh.core.orders.effects import (
    ApiMoved,
    BrokerEvent,
    CancelFailed,
    Effect,
    Notice,
    Snapshot,
    SnapshotFailed,
    StreamState,
    SubmitAnswered,
    SubmitRefused,
    SubmitUnanswered,
    UpdateUnreadable,
)
from tradingmesh.core.orders.findings import Findings, findings_of
from tradingmesh.core.orders.heard import HeardFills
from tradingmesh.core.orders.holdings import Holdings
from tradingmesh.core.orders.record import Order, OrderUpdate
from tradingmesh.core.orders.sync import BrokerSync
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.execution_engine.sync_telling import SyncTelling
from tradingmesh.execution_engine.telling import Telling
from tradingmesh.ports import Broker
from tradingmesh.runtime.component import Context

_TICK_S = 0.05
_DOUBT_S = 1.0
_MARGIN_NS = 60_000_000_000
_US = 1_000


class BrokerDesk:
    """`do(effects)` has the table's decisions carried out; its `held_symbols` and `first_contact_ns` are kept true."""

    def __init__(
        self,
        context: Context,
        broker: Broker,
        outbox: Outbox,
        table: OrderTable,
        telling: Telling,
        do: Callable[[list[Effect]], None],
    ) -> None:
        self._context = context
        self._now_ns = context.clock.now_ns
        self._monotonic_ns = context.clock.monotonic_ns
        self._broker = broker
        self._outbox = outbox
        self._table = table
        self._telling = telling
        self._do = do
        self._sync = BrokerSync()
        self._doubts = Doubts()
        spec = context.spec
        self._holdings = Holdings(
            outbox.holdings(), spec.broker.commission_per_share, only_fills=spec.mode is Mode.SIMULATED
        )
        self._sync_telling = SyncTelling(context, self._sync, self._holdings)
        self._heard: deque[BrokerEvent] = deque()
        self._posted: dict[str, tuple[str, int]] = {}
        self._asked_ns = 0
        self._settled: set[str] = set()
        self._unread_problem = ""
        self._synced_ns = outbox.number("synced_ns")
        self._heard_fills = HeardFills(outbox.number("heard_ns"), doubt=bool(table.doubtful()))
        table.first_contact_ns = outbox.number("first_contact_ns")

    def start(self) -> None:
        """Connects to the broker; from now on it is heard, and asked."""
        self._context.loop.every(_TICK_S, self._tick)
        self._context.loop.every(_DOUBT_S, self._look_for_doubt)
        self._broker.start(self._hear)

    @property
    def problem(self) -> str:
        """Why orders must be held back; empty when they may go."""
        return self._sync.problem or self._unread_problem

    def status(self) -> dict[str, Any]:
        """Whether the books agree with the broker's, for a person and for the operator."""
        return {**self._sync_telling.status(self.problem), "held_symbols": dict(self._table.held_symbols)}

    def posted(self, order: Order) -> None:
        """An order goes to the broker."""
        self._posted[order.client_order_id] = order.trace_id, self._monotonic_ns()

    def booked(self, fill: Fill) -> None:
        """A fill goes into the outbox, and the account should hold what it brought."""
        self._heard_fills.book(fill.timestamp_ns)
        self._outbox.hold(self._holdings.book(fill))

    # What is heard

    def _hear(self, event: BrokerEvent) -> None:
        """Called in the broker's threads."""
        self._heard.append(event)
        self._context.loop.call_soon_threadsafe(self._take_events)

    def _take_events(self) -> None:
        for _ in range(len(self._heard)):
            self._take(self._heard.popleft())
            self._table.blocked = self._table.blocked or self.problem

    def _take(self, event: BrokerEvent) -> None:
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

    def _on_update(self, update: OrderUpdate) -> None:
        self._recall(update)
        effects = self._table.on_update(update)
        if any(isinstance(effect, Notice) for effect in effects):
            self._sync.suspect(self._monotonic_ns())
        self._do(effects)

    def _on_submitted(self, event: SubmitAnswered | SubmitRefused | SubmitUnanswered) -> None:
        client = event.update.client_order_id if isinstance(event, SubmitAnswered) else event.client_order_id
        if client in self._posted:
            trace_id, posted_ns = self._posted.pop(client)
            self._telling.posted(client, trace_id, self._monotonic_ns() - posted_ns, self._now_ns())
        if isinstance(event, SubmitAnswered):
            self._recall(event.update)
        self._do(self._table.on_submitted(event, self._now_ns()))

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
            self._sync_telling.failed(event.reason)

    # What is asked

    def _tick(self) -> None:
        if self._sync.begin(self._monotonic_ns()):
            self._asked_ns = self._monotonic_ns()
            self._settled = self._doubts.settled(self._asked_ns)
            self._broker.reconcile(*self._since_ns(), self._table.to_look_up())

    def _since_ns(self) -> tuple[int, int]:
        """Since when the broker is asked for orders and for fills, by its own clock: never before it was first asked.

        Since the last agreement, or since the oldest order in doubt was made: of one that merely rests all was heard,
        and it is looked up by its name.
        """
        contact_ns = self._table.first_contact_ns
        if not contact_ns:
            return 0, 0
        created = [order.created_ns for order in self._table.doubtful() if order.order_id]
        orders_ns = min([self._synced_ns, *created]) - _MARGIN_NS
        heard_ns = orders_ns if self._unclear() else self._heard_fills.since_ns(self._synced_ns, created)
        earliest_ns = max(1, contact_ns - _US)
        return max(earliest_ns, orders_ns), max(earliest_ns, orders_ns, heard_ns)

    def _unclear(self) -> bool:
        """Whether the broker said something that could not be read, or named no order: it is asked for that again."""
        return bool(self._unread_problem or self._table.held_symbols or self._table.unnamed)

    def _look_for_doubt(self) -> None:
        now_ns = self._monotonic_ns()
        doubtful = [order.client_order_id for order in self._table.doubtful()]
        if self._doubts.observe(doubtful, now_ns):
            self._sync.suspect(now_ns)
        if self._heard_fills.look(agrees=not self.problem and not self._unclear(), doubt=bool(doubtful)):
            self._outbox.set_number("heard_ns", self._heard_fills.whole_ns)

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        first = not self._table.first_contact_ns
        effects = self._first_contact(snapshot) if first else []
        for update in (*snapshot.orders, *snapshot.fills):
            self._recall(update)
        effects += self._table.on_snapshot(snapshot, self._now_ns(), self._settled)
        self._do(effects)
        self._hold_unreadable(snapshot)
        if not snapshot.unreadable and not self._table.unnamed:
            self._synced_ns = snapshot.broker_ns
            self._outbox.set_number("synced_ns", snapshot.broker_ns)
        unsure = self._holdings.compare(snapshot)
        self._do(self._table.agreed(self._holdings.agreed, self._now_ns()))
        self._conclude(findings_of(effects, snapshot), first=first, unsure=unsure)

    def _first_contact(self, snapshot: Snapshot) -> list[Effect]:
        """What the account has now is where we begin: nothing that it did before is ours to book."""
        self._table.first_contact_ns = max(1, snapshot.broker_ns)
        self._outbox.set_number("first_contact_ns", self._table.first_contact_ns)
        if snapshot.positions is None or snapshot.cash is None:
            return []
        self._outbox.hold(self._holdings.open(snapshot.positions, snapshot.cash))
        return self._table.opened(snapshot.positions)

    def _hold_unreadable(self, snapshot: Snapshot) -> None:
        """What cannot be read may be money: nothing of its symbol is traded, and nothing at all where none is told."""
        rows = snapshot.unreadable
        held = {row.symbol: f"the broker's word on {row.symbol} cannot be read: {row.reason}" for row in rows}
        self._unread_problem = held.pop("", "")
        self._table.held_symbols = held

    def _conclude(self, found: Findings, *, first: bool, unsure: bool) -> None:
        now_ns = self._monotonic_ns()
        doubtful = self._table.doubtful()
        short = sum(order.short and order.symbol not in self._table.held_symbols for order in doubtful)
        short += len(self._table.unnamed)
        unconfirmed = sum(not order.short for order in doubtful)
        self._sync.answered(short, unconfirmed, now_ns, again=first)
        self._heard_fills.answered(doubt=bool(short))
        if unsure:
            self._sync.suspect(now_ns)
        found = msgspec.structs.replace(found, short=short)
        self._sync_telling.reconciled(found, self.problem, now_ns - self._asked_ns)

    def _recall(self, update: OrderUpdate) -> None:
        """Brings an order back into memory that is on disk only: closed before a restart, or long ago."""
        recall(self._table, self._outbox, update.client_order_id, update.order_id)


def recall(table: OrderTable, outbox: Outbox, client: str, order_id: str) -> None:
    """Brings an order back into the table that is on disk only."""
    if not table.knows(client, order_id):
        found = outbox.find(order_id, client)
        if found is not None:
            table.restore(*found)
