"""The orders of the execution engine, and every decision about them: event in, effects out, no clock, no socket.

    approved signal -> Ask -> answer -> Submit -> what the broker says -> reports of fills and ends

A signal becomes at most one order, under a `client_order_id` that the signal decides. Whatever ends without an order
at the broker is reported as closed, so that its reservation is released. A fill is booked once, by its id and by what
the order had filled with it; whichever way it was heard.
"""

from collections.abc import Iterable

import msgspec

from tradingmesh.core.checks import Approved, ApprovedSignal, Decision, RiskCheckRequest, Stage
from tradingmesh.core.errors import IllegalTransitionError
from tradingmesh.core.fills import Fill, OrderClosed, Report
from tradingmesh.core.ids import client_order_id
from tradingmesh.core.money import EXACT, ZERO
from tradingmesh.core.orders.effects import (
    Ask,
    Cancel,
    Effect,
    Notice,
    Origin,
    Save,
    Send,
    Snapshot,
    Submit,
    SubmitAnswered,
    SubmitRefused,
    SubmitUnanswered,
)
from tradingmesh.core.orders.lifecycle import advance, next_status
from tradingmesh.core.orders.record import TERMINAL, Order, OrderEvent, OrderStatus, OrderUpdate, order_of
from tradingmesh.core.orders.reports import adopted, closed_of, fill_of, keys_of, tell_of
from tradingmesh.core.risk.reservations import SIGNAL_HORIZON_NS

OPEN_MAX = 10_000
POSTING_MAX = 64
CLOSED_KEPT = 10_000
UNKNOWN_AFTER_NS = 5_000_000_000
_EVENTS = frozenset(OrderEvent)


class OrderTable:
    """Every open order, the last closed ones, and the sequence of each symbol's reports.

    `blocked` is why no order may go to the broker now; empty when one may. Whoever owns the table keeps it true.
    """

    def __init__(self, outbox_epoch: int) -> None:
        self.blocked = "the broker was not reconciled with yet"
        self.duplicate_fills = 0
        self._epoch = outbox_epoch
        self._orders: dict[str, Order] = {}
        self._client_ids: dict[str, str] = {}
        self._booked: dict[str, set[str]] = {}
        self._asking: dict[str, tuple[ApprovedSignal, Origin]] = {}
        self._posting: set[str] = set()
        self._open: dict[str, None] = {}
        self._closed: dict[str, None] = {}
        self._sequences: dict[str, int] = {}

    # What is there

    @property
    def asking(self) -> int:
        """How many approved signals wait for the risk manager's second answer."""
        return len(self._asking)

    @property
    def posting(self) -> int:
        """How many orders are on their way to the broker, their answer outstanding."""
        return len(self._posting)

    def open_orders(self) -> list[Order]:
        """Every order that is not closed."""
        return [self._orders[client] for client in self._open]

    def doubtful(self) -> list[Order]:
        """The orders of which the broker knows more than we do, or may: asking it is the only remedy."""
        return [
            order
            for order in self.open_orders()
            if order.short or (order.status is OrderStatus.INTENDED and order.client_order_id not in self._posting)
        ]

    def to_look_up(self) -> list[str]:
        """The client order ids that a snapshot must answer for."""
        return [client for client in self._open if client not in self._posting]

    def client_of(self, signal_id: str) -> str:
        """The client order id that a signal's order has."""
        return client_order_id(signal_id, self._epoch)

    def knows(self, client: str, order_id: str = "") -> bool:
        """Whether an order is in memory, by its client order id or else by the broker's."""
        return (client or self._client_ids.get(order_id, "")) in self._orders

    def restore(self, order: Order, fill_keys: Iterable[str], now_ns: int) -> None:
        """Takes an order back from disk, with the keys of the fills that were booked for it."""
        self._booked[order.client_order_id] = set(fill_keys)
        self._put(order, now_ns)

    def restore_sequence(self, symbol: str, last: int) -> None:
        """The last sequence number that the symbol's reports used."""
        self._sequences[symbol] = last

    # From signal to submission

    def on_signal(self, approved: ApprovedSignal, origin: Origin, now_ns: int) -> list[Effect]:
        """An approved signal came: ask the risk manager once more, or refuse."""
        signal = approved.signal
        client = self.client_of(signal.signal_id)
        if client in self._orders or client in self._asking:
            return [Notice("duplicate-signal", f"signal {signal.signal_id} came again: one signal, one order")]
        reason = self._obstacle(approved, now_ns)
        if reason:
            return self._refuse(approved, client, origin, reason, now_ns)
        self._asking[client] = (approved, origin)
        request = RiskCheckRequest(
            request_id=client,
            stage=Stage.ORDER,
            signal=signal,
            current_price=signal.reference_price,
            timestamp_ns=now_ns,
            reservation_id=approved.approval.reservation_id,
        )
        return [Ask(request, origin)]

    def on_decision(self, request_id: str, decision: Decision, now_ns: int) -> list[Effect]:
        """The risk manager answered, or its time was over: submit, or refuse."""
        approved, origin = self._asking.pop(request_id)
        if not isinstance(decision, Approved):
            return self._refuse(approved, request_id, origin, decision.reason, now_ns)
        reason = self._obstacle(approved, now_ns)
        if decision.reservation_id != approved.approval.reservation_id:
            reason = f"the answer approves another reservation, {decision.reservation_id}"
        if reason:
            return self._refuse(approved, request_id, origin, reason, now_ns)
        order = order_of(approved.signal, request_id, approved.approval.reservation_id, now_ns, origin.trace_id)
        self._posting.add(request_id)
        self._put(order, now_ns)
        return [Save(order), Submit(order, origin)]

    def _obstacle(self, approved: ApprovedSignal, now_ns: int) -> str:
        if now_ns > approved.signal.valid_until_ns:
            late_ms = (now_ns - approved.signal.valid_until_ns) // 1_000_000
            return f"the signal is {late_ms} ms past its valid-until"
        if approved.signal.valid_until_ns - now_ns > SIGNAL_HORIZON_NS:
            return "the signal is valid for longer than an hour"
        if now_ns > approved.approval.expires_ns:
            return "the approval has expired"
        if len(self._open) >= OPEN_MAX:
            return f"{OPEN_MAX} orders are open"
        if len(self._posting) >= POSTING_MAX:
            return f"{POSTING_MAX} orders are on their way to the broker, unanswered"
        return self.blocked

    def _refuse(self, approved: ApprovedSignal, client: str, origin: Origin, reason: str, now_ns: int) -> list[Effect]:
        order = order_of(approved.signal, client, approved.approval.reservation_id, now_ns, origin.trace_id)
        return self._rejected(order, reason, now_ns)

    def _rejected(self, order: Order, reason: str, now_ns: int) -> list[Effect]:
        update = OrderUpdate(
            event=OrderEvent.REJECTED,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            cumulative_quantity=ZERO,
            timestamp_ns=now_ns,
            reason=reason,
        )
        return self._apply(order, update, now_ns)

    # What the broker says

    def on_submitted(self, answer: SubmitAnswered | SubmitRefused | SubmitUnanswered, now_ns: int) -> list[Effect]:
        """A submission came to its end, one way or the other."""
        if isinstance(answer, SubmitAnswered):
            self._posting.discard(answer.update.client_order_id)
            return self.on_update(answer.update, now_ns)
        self._posting.discard(answer.client_order_id)
        if isinstance(answer, SubmitUnanswered):
            return [Notice("submit-unanswered", f"order {answer.client_order_id}: {answer.reason}")]
        order = self._orders[answer.client_order_id]
        if order.status is not OrderStatus.INTENDED:
            return [
                Notice("contradiction", f"order {order.client_order_id} is {order.status}, refused: {answer.reason}")
            ]
        return self._rejected(order, answer.reason, now_ns)

    def on_update(self, update: OrderUpdate, now_ns: int) -> list[Effect]:
        """The broker said something of an order, on its stream or when asked."""
        if update.event not in _EVENTS:
            return [Notice("unknown-event", f"order {update.order_id}: {update.event!r}")]
        order = self._orders.get(self._client_of(update))
        if order is not None:
            return self._apply(order, update, now_ns)
        if not update.client_order_id:
            return [Notice("unknown-order", f"order {update.order_id}: {update.event} of an order nobody named")]
        first = update.execution.quantity if update.execution is not None else ZERO
        order = adopted(update, EXACT.subtract(update.cumulative_quantity, first))
        detail = f"order {order.client_order_id} on {order.symbol} was not placed here; its fills are booked"
        return [Notice("adopted", detail), *self._apply(order, update, now_ns)]

    def on_snapshot(self, snapshot: Snapshot, now_ns: int) -> list[Effect]:
        """What the broker says when asked for everything: missed fills are booked, missed ends noticed."""
        effects: list[Effect] = []
        fills = sorted(snapshot.fills, key=lambda fill: (fill.timestamp_ns, fill.cumulative_quantity))
        for update in snapshot.orders:
            if self.knows(update.client_order_id):
                self._client_ids[update.order_id] = self._client_of(update)  # activities know orders by this id only
            else:
                effects += self._adopt(update, [fill for fill in fills if fill.order_id == update.order_id])
        for update in (*fills, *snapshot.orders):
            effects += self.on_update(update, now_ns)
        for client in snapshot.missing:
            effects += self._on_missing(client, now_ns)
        return effects

    def cancel_open(self) -> list[Effect]:
        """Cancels for every order that the broker is known to have and that may still fill."""
        return [
            Cancel(order)
            for order in self.open_orders()
            if order.order_id and not order.terminal and order.status is not OrderStatus.PENDING_CANCEL
        ]

    def _adopt(self, update: OrderUpdate, fills: list[OrderUpdate]) -> list[Effect]:
        """Takes in an order that was not placed here. What it had filled before `fills` is not ours to book."""
        before = [EXACT.subtract(f.cumulative_quantity, f.execution.quantity) for f in fills if f.execution is not None]
        order = adopted(update, min(before, default=update.cumulative_quantity))
        self._put(order, 0)
        return [Notice("adopted", f"order {order.client_order_id} on {order.symbol} was not placed here")]

    def _on_missing(self, client: str, now_ns: int) -> list[Effect]:
        order = self._orders.get(client)
        if order is None or order.closed or client in self._posting:
            return []
        if order.status is not OrderStatus.INTENDED:
            return [Notice("order-missing", f"order {client} is {order.status} here; the broker does not know it")]
        if now_ns - order.created_ns < UNKNOWN_AFTER_NS:
            return []  # a request that died with its sender may still be on its way
        return self._rejected(order, "the broker never got it", now_ns)

    def _apply(self, before: Order, update: OrderUpdate, now_ns: int) -> list[Effect]:
        keys = keys_of(update)
        booked = self._booked.setdefault(before.client_order_id, set())
        fresh = update.execution if booked.isdisjoint(keys) else None
        self.duplicate_fills += update.execution is not None and fresh is None
        try:
            after = advance(before, update, fresh)
        except IllegalTransitionError as error:
            return [Notice("illegal-transition", f"order {before.client_order_id}: {error}")]
        effects: list[Effect] = []
        if fresh is not None:
            booked.update(keys)
            effects.append(Send(self._report(after, fill_of(after, update, fresh))))
        if after.closed and not after.close_reported:
            after = msgspec.structs.replace(after, close_reported=True)
            effects.append(Send(self._report(after, closed_of(after, update))))
        self._put(after, now_ns)
        if after != before:
            effects.append(Save(after))
        if before.status is OrderStatus.REJECTED and not before.order_id and update.order_id and not _ends(update):
            effects.append(Notice("revived", f"order {after.client_order_id} was given up, and is at the broker"))
            effects.append(Cancel(after))
        return effects + tell_of(before, after, update)

    def _report(self, order: Order, body: Fill | OrderClosed) -> Report:
        sequence = self._sequences.get(order.symbol, 0) + 1
        self._sequences[order.symbol] = sequence
        return Report(self._epoch, sequence, order.reservation_id, body, order.trace_id)

    def _client_of(self, update: OrderUpdate) -> str:
        return update.client_order_id or self._client_ids.get(update.order_id, "")

    def _put(self, order: Order, now_ns: int) -> None:
        client = order.client_order_id
        self._orders[client] = order
        if order.order_id:
            self._client_ids[order.order_id] = client
        if order.closed:
            self._open.pop(client, None)
            self._closed[client] = None
            self._forget(now_ns)
        else:
            self._open[client] = None

    def _forget(self, now_ns: int) -> None:
        """Drops the oldest closed orders; while its signal is valid one stays, to know a duplicate by."""
        while len(self._closed) > CLOSED_KEPT:
            client = next(iter(self._closed))
            order = self._orders[client]
            if order.valid_until_ns >= now_ns:
                return
            del self._closed[client], self._orders[client]
            self._booked.pop(client, None)
            self._client_ids.pop(order.order_id, None)


def _ends(update: OrderUpdate) -> bool:
    return next_status(OrderStatus.INTENDED, OrderEvent(update.event)) in TERMINAL
