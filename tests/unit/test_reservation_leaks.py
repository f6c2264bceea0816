"""An engine that dies anywhere leaves no reservation for good, and none is given back that an order may still use.

The real order table and the real risk manager's core, with a disk, a broker and wires that are played here: requests
and reports wait on their way for as long as chance wants, in any order, and outlive the engine that sent them.
"""

import random
from decimal import Decimal
from typing import NamedTuple

import msgspec
import pytest

from tradingmesh.core.checks import Approved, ApprovedSignal, RiskCheckRequest, Writer
from tradingmesh.core.fills import Fill, Report
from tradingmesh.core.money import ZERO
from tradingmesh.core.orders.booking import booked
from tradingmesh.core.orders.effects import (
    Ask,
    Effect,
    Origin,
    Save,
    Send,
    Snapshot,
    Submit,
    SubmitAnswered,
)
from tradingmesh.core.orders.record import Execution, Order, OrderUpdate
from tradingmesh.core.orders.reports import fill_keys
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.core.signal import Side
from tradingmesh.core.standing import EngineStarted
from tradingmesh.testing.risk_desk import RiskDesk, limits

OUTBOX = 7
GAMES, MOVES = 60, 150


class AtBroker(NamedTuple):
    """An order as the broker has it: its executions, and whether it still works."""

    order: Order
    fills: tuple[Decimal, ...] = ()
    working: bool = True

    @property
    def filled(self) -> Decimal:
        return sum(self.fills, ZERO)

    @property
    def may_fill(self) -> Decimal:
        """All that it has filled, and may."""
        return self.order.quantity if self.working else self.filled

    def update(self, fill: int | None = None, *, activity: bool = False) -> OrderUpdate:
        """What the broker says of it now, or said of that fill; among the account's activities, without our name."""
        done = self.filled if fill is None else sum(self.fills[: fill + 1], ZERO)
        event = "new" if self.working else "fill" if self.filled == self.order.quantity else "canceled"
        execution = (
            None
            if fill is None
            else Execution(f"x-{self.order.client_order_id}-{fill}", self.fills[fill], Decimal(100))
        )
        return OrderUpdate(
            event=event if fill is None else "partial_fill",
            order_id=f"b-{self.order.client_order_id}",
            client_order_id="" if activity else self.order.client_order_id,
            symbol=self.order.symbol,
            side=self.order.side,
            cumulative_quantity=done,
            timestamp_ns=100 + len(self.fills),
            quantity=self.order.quantity,
            execution=execution,
            created_ns=100,
        )


class Game:
    """One run: every `do_...` is a move that chance may make."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.desk = RiskDesk(limits(max_open_orders=1_000, max_orders_per_minute=10_000))
        self.desk.quote("IBM", "99.99", "100.01")
        self.signals = 0
        self.asked: list[RiskCheckRequest] = []
        self.posted: list[Order] = []
        self.broker: dict[str, AtBroker] = {}
        self.told: list[OrderUpdate] = []
        self.disk_orders: dict[str, Order] = {}
        self.disk_reports: list[Report] = []
        self.acked: set[tuple[str, int]] = set()
        self.uncommitted: list[Effect] = []
        self.question: tuple[Snapshot, set[str]] | None = None
        self.life = 0
        self.table = OrderTable(Writer(OUTBOX, 0))
        self.do_kill()

    # The engine

    def do_kill(self) -> None:
        """The engine dies with what it had not written; another life of it begins."""
        self.life += 1
        self.uncommitted, self.question = [], None
        self.table = OrderTable(Writer(OUTBOX, self.life))
        self.table.blocked, self.table.first_contact_ns = "", 1
        for order in self.disk_orders.values():
            if not order.closed:
                self.table.restore(order, self._keys(order))
        for report in self.disk_reports:
            self.table.restore_sequence(report.body.symbol, report.symbol_sequence)
        unacked = [r.reservation_id for r in self.disk_reports if _place(r) not in self.acked]
        if self.life > 1:
            self._do(self.table.started(unacked))
        self.do_commit()

    def do_signal(self) -> None:
        """A signal is approved and handed to the engine."""
        self.signals += 1
        signal = self.desk.signal(f"s{self.signals}", Side.BUY, str(self.chance.randint(1, 9)))
        self.desk.quote("IBM", "99.99", "100.01")
        approval = self.desk.ask(signal)
        assert isinstance(approval, Approved), approval
        self._do(self.table.on_signal(ApprovedSignal(signal, approval), Origin(), self.desk.now_ns))

    def do_commit(self) -> None:
        """What the engine decided is on disk, and then done."""
        effects, self.uncommitted = self.uncommitted, []
        for effect in effects:
            if isinstance(effect, Save):
                self.disk_orders[effect.order.client_order_id] = effect.order
            elif isinstance(effect, Send):
                self.disk_reports.append(effect.report)
        self.posted += [effect.order for effect in effects if isinstance(effect, Submit)]

    def do_hear(self) -> None:
        """The stream tells one thing."""
        if self.told:
            self._hear(self.told.pop(self.chance.randrange(len(self.told))))

    def do_lose(self) -> None:
        """The stream does not tell it."""
        if self.told:
            self.told.pop(self.chance.randrange(len(self.told)))

    def do_ask(self) -> None:
        """The broker is asked for everything, and tells its orders; what is on its way to it, it does not know yet."""
        orders = tuple(at.update() for at in self.broker.values())
        ids = {update.order_id for update in orders} | self.broker.keys()
        missing = tuple(name for name in self.table.to_look_up() if name not in ids)
        under_way = {order.client_order_id for order in self.posted}
        self.question = Snapshot(1_000, orders, (), missing), set(missing) - under_way

    def do_answer(self) -> None:
        """It tells its fills as well, those meanwhile among them, and the engine takes all of it in."""
        if self.question is None:
            return
        (snapshot, settled), self.question = self.question, None
        fills = tuple(at.update(n, activity=True) for at in self.broker.values() for n in range(len(at.fills)))
        for update in (*snapshot.orders, *fills):
            self._recall(update)
        self._do(self.table.on_snapshot(msgspec.structs.replace(snapshot, fills=fills), self.desk.now_ns, settled))

    # Wires

    def do_check(self) -> None:
        """A question reaches the risk manager. Whether its asker still lives is another matter."""
        if not self.asked:
            return
        request = self.asked.pop(self.chance.randrange(len(self.asked)))
        self.desk.quote("IBM", "99.99", "100.01")
        decision = self.desk.core.check(request, self.desk.now_ns)
        if request.writer.epoch == self.life:
            self._do(self.table.on_decision(request.request_id, decision, self.desk.now_ns))

    def do_post(self) -> None:
        """An order reaches the broker, once."""
        if not self.posted:
            return
        order = self.posted.pop(self.chance.randrange(len(self.posted)))
        assert order.client_order_id not in self.broker
        self.broker[order.client_order_id] = AtBroker(order)
        self.told.append(self.broker[order.client_order_id].update())
        if self.chance.random() < 0.5 and order.client_order_id in self.table._posting:
            self._recall(self.told[-1])
            self._do(self.table.on_submitted(SubmitAnswered(self.told[-1]), self.desk.now_ns))

    def do_report(self) -> None:
        """A report reaches the ledger, the first time or again."""
        if not self.disk_reports:
            return
        report = self.chance.choice(self.disk_reports[-20:])
        self.desk.now_ns += 1
        for answer in self.desk.apply(booked(report, ZERO)):
            self.acked.add((answer.symbol, answer.symbol_sequence))

    def do_wait(self) -> None:
        """A second goes by: a reservation that nobody confirmed may expire."""
        self.desk.wait(1)

    # The broker

    def do_fill(self) -> None:
        """An order fills, in part or whole."""
        working = [at for at in self.broker.values() if at.working]
        if working:
            at = self.chance.choice(working)
            size = Decimal(self.chance.randint(1, int(at.order.quantity - at.filled)))
            whole = at.filled + size == at.order.quantity
            at = self.broker[at.order.client_order_id] = at._replace(fills=(*at.fills, size), working=not whole)
            self.told.append(at.update(len(at.fills) - 1))

    def do_end(self) -> None:
        """An order is canceled."""
        working = [at for at in self.broker.values() if at.working]
        if working:
            at = self.chance.choice(working)
            self.broker[at.order.client_order_id] = at._replace(working=False)
            self.told.append(self.broker[at.order.client_order_id].update())

    # What must hold

    def check_reserved(self) -> None:
        """Whatever an order may still bring is reserved, from before it is sent until it is in the ledger."""
        applied: dict[str, Decimal] = {}
        for report in self.disk_reports:
            if isinstance(report.body, Fill) and self.desk.core.state.reports.knows_fill(report.body):
                client = report.body.client_order_id
                applied[client] = applied.get(client, ZERO) + report.body.quantity
        may_fill = {order.client_order_id: order.quantity for order in self.posted}
        may_fill |= {client: at.may_fill for client, at in self.broker.items()}
        for client, most in may_fill.items():
            order = self.disk_orders[client]
            found = self.desk.core.state.reservations.get(order.reservation_id)
            open_e9 = found.open_e9 if found is not None else 0
            assert open_e9 >= (most - applied.get(client, ZERO)) * 10**9, f"{client}: {order}"

    def end(self) -> None:
        """All comes through, and the engine starts once more: then nothing is reserved."""
        self.do_kill()
        self._deliver()
        while self.asked:
            self.do_check()
        while self.posted:
            self.do_post()
        for client, at in self.broker.items():
            self.broker[client] = at._replace(working=False)
        self.do_commit()
        for _ in range(2):
            self.do_ask()
            self.do_answer()
        self.do_commit()
        self._deliver()
        self.desk.wait(60)
        self.check_reserved()
        assert list(self.desk.core.state.reservations) == []
        held = self.desk.core.state.ledger.position("IBM").quantity
        assert held == sum((at.filled for at in self.broker.values()), ZERO)

    def _deliver(self) -> None:
        for report in self.disk_reports:
            self.desk.apply(booked(report, ZERO))

    def _do(self, effects: list[Effect]) -> None:
        self.asked += [effect.request for effect in effects if isinstance(effect, Ask)]
        self.uncommitted += effects

    def _hear(self, update: OrderUpdate) -> None:
        self._recall(update)
        self._do(self.table.on_update(update))

    def _recall(self, update: OrderUpdate) -> None:
        """An order that is on disk only comes back; where it is in the turn under way, it is there already."""
        client = update.order_id.removeprefix("b-")
        if not self.table.knows(client, update.order_id) and client in self.disk_orders:
            order = self.disk_orders[client]
            self.table.restore(order, self._keys(order))

    def _keys(self, order: Order) -> list[str]:
        fills = [report.body for report in self.disk_reports if isinstance(report.body, Fill)]
        own = [fill for fill in fills if fill.client_order_id == order.client_order_id]
        return [key for fill in own for key in fill_keys(fill.fill_id, fill.cumulative_quantity)]


def _place(report: Report) -> tuple[str, int]:
    return report.body.symbol, report.symbol_sequence


_WEIGHTS = {
    "signal": 4,
    "check": 5,
    "commit": 6,
    "post": 4,
    "fill": 4,
    "end": 1,
    "hear": 4,
    "lose": 1,
    "ask": 1,
    "answer": 1,
    "report": 8,
    "kill": 1,
    "wait": 1,
}


@pytest.mark.parametrize("part", range(4))
def test_no_reservation_leaks_and_none_is_given_back_early(seed: int, part: int) -> None:
    """In whatever order things happen, and wherever the engine dies in between."""
    released = 0
    for number in range(GAMES):
        game = Game(random.Random(seed * 1_000 + part * GAMES + number))  # noqa: S311 - a game of chance
        moves = game.chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=MOVES)
        for move in moves:
            getattr(game, f"do_{move}")()
            game.check_reserved()
        game.end()
        starts = [r for r in game.disk_reports if isinstance(r.body, EngineStarted)]
        released += len(starts)
    assert released > GAMES
