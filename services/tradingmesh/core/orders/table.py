"""The orders of the execution engine, and every decision about them: event in, effects out, no clock, no socket.

    approved signal -> Ask -> answer -> Submit -> what the broker says -> reports of fills and ends

A signal becomes at most one order, under a `client_order_id` that the signal decides. Whatever ends without an order
at the broker is reported as closed, so that its reservation is released. A fill is booked once, by its id and by what
the order had filled with it; whichever way it was heard, and whoever placed the order.
"""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

import msgspec

from tradingmesh.contract import FLATTEN
from tradingmesh.core.checks import Approved, ApprovedSignal, Decision, RiskCheckRequest, Stage, Writer
from tradingmesh.core.errors import IllegalTransitionError
from tradingmesh.core.fills import Body, Report
from tradingmesh.core.ids import client_order_id
from tradingmesh.core.money import EXACT, ZERO
from tradingmesh.core.orders.effects import (
    Ask,
    Cancel,
    Effect,
    Held,
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
from tradingmesh.core.orders.known import KnownOrders
from tradingmesh.core.orders.lifecycle import EVENTS, advance
from tradingmesh.core.orders.record import Order, OrderEvent, OrderStatus, OrderUpdate, order_of
from tradingmesh.core.orders.reports import adopted, closed_of, fill_of, keys_of, tell_of, working_of
from tradingmesh.core.risk.reservations import SIGNAL_HORIZON_NS
from tradingmesh.core.standing import BrokerPosition, EngineStarted, OpeningPosition

AGREED_TIMES = 2
"""So often is the same position told: a difference that the ledger finds twice in a row is certain."""
OPEN_MAX = 10_000
POSTING_MAX = 64


class OrderTable:
    """Every open order, the last closed ones, and the sequence of each symbol's reports.

    Whoever owns the table keeps these true. `blocked` is why no order may go to the broker now; empty when one may.
    `withdrawn` is why none but a flatten's may, `held_symbols` why none of a symbol may. `first_contact_ns` is the
    broker's time at which its account was first looked at, 0 before that: what was done earlier is in what was found.
    """

    def __init__(self, writer: Writer) -> None:
        self.blocked = "the broker was not reconciled with yet"
        self.withdrawn = ""
        self.held_symbols: dict[str, str] = {}
        self.first_contact_ns = 0
        self.unnamed: set[str] = set()
        """The broker's ids of orders of which a fill was told and nothing else: whose they are, it has to be asked."""
        self.duplicate_fills = 0
        self._writer = writer
        self._known = KnownOrders()
        self._asking: dict[str, tuple[ApprovedSignal, Origin]] = {}
        self._posting: set[str] = set()
        self._nowhere: set[str] = set()
        self._sequences: dict[str, int] = {}
        self._agreed: dict[str, tuple[int, int]] = {}

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
        return self._known.open()

    def doubtful(self) -> list[Order]:
        """The orders of which the broker knows more than we do, or may: asking it is the only remedy."""
        return [
            order
            for order in self.open_orders()
            if order.short or (order.status is OrderStatus.INTENDED and order.client_order_id not in self._posting)
        ]

    def to_look_up(self) -> list[str]:
        """The orders that a snapshot must answer for, by client order id, or by the broker's id where that is all."""
        open_ = [o.client_order_id for o in self.open_orders() if o.client_order_id not in self._posting]
        return [*open_, *sorted(self.unnamed)]

    def client_of(self, signal_id: str) -> str:
        """The client order id that a signal's order has."""
        return client_order_id(signal_id, self._writer.outbox_epoch)

    def knows(self, client: str, order_id: str = "") -> bool:
        """Whether an order is in memory, by the broker's id or else by its client order id."""
        return self._known.get(client, order_id) is not None

    def restore(self, order: Order, fill_keys: Iterable[str]) -> None:
        """Takes an order back from disk, with the keys of the fills that were booked for it."""
        self._known.restore(order, fill_keys)

    def forget(self, now_ns: int) -> None:
        """Lets the oldest closed orders go from memory. Only where all is on disk that was to be saved."""
        self._known.forget(now_ns)

    def restore_sequence(self, symbol: str, last: int) -> None:
        """The last sequence number that the symbol's reports used."""
        self._sequences[symbol] = last

    def started(self, used: Iterable[str]) -> list[Effect]:
        """A life of the engine begins, after others: tells which reservations the orders and `used` hold on to."""
        held = {order.reservation_id for order in self.open_orders()} | set(used)
        body = EngineStarted(self._writer.epoch, tuple(sorted(held - {""})))
        return [Send(self._report(body, "", ""))]

    def standing(self) -> list[Effect]:
        """Every order that may still fill, for a ledger that may not know of it."""
        return [effect for order in self.open_orders() for effect in self._send(order, working_of(order))]

    def opened(self, positions: Iterable[Held]) -> list[Effect]:
        """What the account has at the first contact, for the ledger to take over."""
        at_ns = self.first_contact_ns
        return [
            Send(self._report(OpeningPosition(held.symbol, held.quantity, held.price, at_ns), "", ""))
            for held in positions
            if held.quantity
        ]

    def agreed(self, positions: Mapping[str, Decimal], now_ns: int) -> list[Effect]:
        """What the account has, for the ledger to compare: of each line that went on, twice before it falls silent."""
        effects: list[Effect] = []
        for symbol, quantity in positions.items():
            last, times = self._agreed.get(symbol, (0, 0))
            times = times + 1 if last == self._sequences.get(symbol, 0) else 1
            if times <= AGREED_TIMES:
                effects.append(Send(self._report(BrokerPosition(symbol, quantity, now_ns), "", "")))
                self._agreed[symbol] = self._sequences[symbol], times
        return effects

    # From signal to submission

    def on_signal(self, approved: ApprovedSignal, origin: Origin, now_ns: int) -> list[Effect]:
        """An approved signal came: ask the risk manager once more, or refuse."""
        signal = approved.signal
        client = self.client_of(signal.signal_id)
        if client in self._known or client in self._asking:
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
            writer=self._writer,
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
        self._known.put(order)
        return [Save(order), Submit(order, origin)]

    def _obstacle(self, approved: ApprovedSignal, now_ns: int) -> str:
        if now_ns > approved.signal.valid_until_ns:
            late_ms = (now_ns - approved.signal.valid_until_ns) // 1_000_000
            return f"the signal is {late_ms} ms past its valid-until"
        if approved.signal.valid_until_ns - now_ns > SIGNAL_HORIZON_NS:
            return "the signal is valid for longer than an hour"
        if now_ns > approved.approval.expires_ns:
            return "the approval has expired"
        if self._known.open_count >= OPEN_MAX:
            return f"{OPEN_MAX} orders are open"
        if len(self._posting) >= POSTING_MAX:
            return f"{POSTING_MAX} orders are on their way to the broker, unanswered"
        withdrawn = self.withdrawn if approved.signal.strategy != FLATTEN else ""
        return self.blocked or withdrawn or self.held_symbols.get(approved.signal.symbol, "")

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
        return self._apply(order, update)

    # What the broker says

    def on_submitted(self, answer: SubmitAnswered | SubmitRefused | SubmitUnanswered, now_ns: int) -> list[Effect]:
        """A submission came to its end, one way or the other."""
        if isinstance(answer, SubmitAnswered):
            self._posting.discard(answer.update.client_order_id)
            return self.on_update(answer.update)
        self._posting.discard(answer.client_order_id)
        if isinstance(answer, SubmitUnanswered):
            return [Notice("submit-unanswered", f"order {answer.client_order_id}: {answer.reason}")]
        order = self._known.get(answer.client_order_id)
        if order is None or order.status is not OrderStatus.INTENDED:
            status = order.status if order is not None else "forgotten"
            return [Notice("contradiction", f"order {answer.client_order_id} is {status}, refused: {answer.reason}")]
        return self._rejected(order, answer.reason, now_ns)

    def on_update(self, update: OrderUpdate) -> list[Effect]:
        """The broker said something of an order, on its stream or when asked.

        Before the first contact it changes nothing: it is in the account that we shall find, or asked for after it.
        """
        if not self.first_contact_ns:
            return []
        order = self._known.of(update)
        if order is not None:
            return self._unknown_event(update) + self._apply(order, update)
        if not update.client_order_id and update.order_id not in self._nowhere:
            self.unnamed.add(update.order_id)
            return [Notice("unnamed", f"order {update.order_id} on {update.symbol}: a fill, and nothing else yet")]
        first = update.execution.quantity if update.execution is not None else ZERO
        order = adopted(update, self._filled_before(update, EXACT.subtract(update.cumulative_quantity, first)))
        return [*self._adopt(order), *self._unknown_event(update), *self._apply(order, update, tell=True)]

    def on_snapshot(self, snapshot: Snapshot, now_ns: int, settled: Collection[str] = ()) -> list[Effect]:
        """What the broker says when asked for everything: missed fills are booked, missed ends noticed.

        `settled` are the orders of which no request could still be on its way when it was asked: if the broker did not
        know them then, it never will.
        """
        effects: list[Effect] = []
        self._nowhere = self.unnamed.intersection(snapshot.missing)
        self.unnamed.clear()
        fills = sorted(snapshot.fills, key=lambda fill: (fill.timestamp_ns, fill.cumulative_quantity))
        for update in snapshot.orders:
            order = self._known.of(update)
            if order is None:
                own = [fill for fill in fills if fill.order_id == update.order_id]
                before = [EXACT.subtract(f.cumulative_quantity, f.execution.quantity) for f in own if f.execution]
                order = adopted(update, self._filled_before(update, min(before, default=update.cumulative_quantity)))
                effects += [*self._adopt(order), *self._apply(order, update, tell=True)]
            self._known.name(order, update.order_id)
        for update in (*fills, *snapshot.orders):
            effects += self.on_update(update)
        for client in snapshot.missing:
            effects += self._on_missing(client, now_ns, settled)
        return effects

    def cancelable(self) -> list[Order]:
        """Every order that the broker is known to have, that may still fill and is not being canceled yet."""
        return [
            order
            for order in self.open_orders()
            if order.order_id and not order.terminal and order.status is not OrderStatus.PENDING_CANCEL
        ]

    def _filled_before(self, update: OrderUpdate, untold: Decimal) -> Decimal:
        """What an adopted order filled before our time: nothing, if it was placed in it. Then `untold` was missed."""
        return ZERO if update.created_ns >= self.first_contact_ns else untold

    def _adopt(self, order: Order) -> list[Effect]:
        detail = f"order {order.client_order_id} on {order.symbol} was not placed here; it counts, and its fills too"
        return [Notice("adopted", detail)]

    def _unknown_event(self, update: OrderUpdate) -> list[Effect]:
        known = update.event in EVENTS
        return [] if known else [Notice("unknown-event", f"order {update.order_id}: {update.event!r}")]

    def _on_missing(self, client: str, now_ns: int, settled: Collection[str]) -> list[Effect]:
        order = self._known.get(client)
        if order is None or order.closed or client in self._posting:
            return []
        if order.status is not OrderStatus.INTENDED:
            return [Notice("order-missing", f"order {client} is {order.status} here; the broker does not know it")]
        return self._rejected(order, "the broker never got it", now_ns) if client in settled else []

    def _apply(self, order: Order, update: OrderUpdate, *, tell: bool = False) -> list[Effect]:
        """The order after the update. With `tell` the ledger is told what may fill, as it is when that changes."""
        revived = order.status is OrderStatus.REJECTED and not order.order_id and bool(update.order_id)
        before = _reopened(order) if revived else order
        keys, booked = keys_of(update), self._known.booked(order)
        fresh = update.execution if booked.isdisjoint(keys) else None
        self.duplicate_fills += update.execution is not None and fresh is None
        try:
            after = advance(before, update, fresh)
        except IllegalTransitionError as error:
            return [Notice("illegal-transition", f"order {before.client_order_id}: {error}")]
        effects: list[Effect] = []
        if fresh is not None:
            booked.update(keys)
            effects += self._send(after, fill_of(after, update, fresh))
        if after.closed and not after.close_reported:
            after = msgspec.structs.replace(after, close_reported=True)
            effects += self._send(after, closed_of(after, update))
        elif not after.closed and (tell or revived or _figures(after) != _figures(before)):
            effects += self._send(after, working_of(after))
        self._known.put(after)
        if after != order:
            effects.append(Save(after))
        return effects + _oddities(before, after, revived=revived) + tell_of(before, after, update)

    def _send(self, order: Order, body: Body) -> list[Effect]:
        return [Send(self._report(body, order.reservation_id, order.trace_id))]

    def _report(self, body: Body, reservation_id: str, trace_id: str) -> Report:
        sequence = self._sequences.get(body.symbol, 0) + 1
        self._sequences[body.symbol] = sequence
        return Report(self._writer.outbox_epoch, sequence, reservation_id, body, trace_id)


def _figures(order: Order) -> tuple[object, ...]:
    return order.quantity, order.limit_price, order.stop_price, order.notional


def _reopened(order: Order) -> Order:
    """An order given up as never placed, and yet at the broker: its life begins there, and will have its own end."""
    return msgspec.structs.replace(order, status=OrderStatus.INTENDED, close_reported=False)


def _oddities(before: Order, after: Order, *, revived: bool) -> list[Effect]:
    odd: list[Effect] = []
    if revived:
        odd.append(Notice("revived", f"order {after.client_order_id} was given up, and is at the broker"))
        odd += [] if after.terminal else [Cancel(after)]
    if after.filled_quantity > max(after.quantity, before.filled_quantity):
        figures = f"{after.filled_quantity} filled of {after.quantity} ordered; it is booked"
        odd.append(Notice("over-fill", f"order {after.client_order_id}: {figures}"))
    return odd
