"""What must hold all the time: each rule is checked where the world sees the thing happen, not where we count it."""

from typing import TYPE_CHECKING, Any

from tests.simulation.model_broker import ModelOrder
from tests.simulation.plan import MS
from tradingmesh.adapters.zmq_messages import read
from tradingmesh.contract import Component
from tradingmesh.core.checks import Approved
from tradingmesh.core.risk.reservations import reservation_id
from tradingmesh.core.risk.state import RiskState
from tradingmesh.wire.messages import RISK_CHECK_RESPONSE

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

GRACE_NS = 200 * MS
LOOK_NS = 100 * MS
MANUAL = "manual-"
FLATTEN = "flatten-"
"""Part of the names of orders that close positions: they may go while trading is halted."""


def signal_of(client_order_id: str) -> str:
    """The signal that an order of ours came of."""
    return client_order_id.removeprefix("tm-").rpartition("-e")[0]


def picture(state: RiskState) -> dict[str, Any]:
    """All of the risk manager's state that a restart must bring back."""
    reservations = {r.reservation_id: (r.open_e9, r.price_e9, r.expires_ns, r.confirmed_by) for r in state.reservations}
    return {
        "cash": state.ledger.cash,
        "positions": list(state.ledger.positions()),
        "reservations": reservations,
        "breaker": state.breaker.at,
        "switch": state.switch,
        "day": state.day,
        "fills": state.reports.fills_booked,
        "kept": state.reports.kept_count,
        "working": {s: (b.buying_e9, b.selling_e9) for s, b in state.books.items() if b.buying_e9 or b.selling_e9},
    }


class Watch:
    """Sees every order, approval, restart and command."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._approved: set[str] = set()
        self._limits_bind = True
        self._forgiven: set[str] = set()
        self._ordered: dict[str, str] = {}
        self._down_since_ns: int | None = 0
        self._connection = 0
        self._asked_in = 0
        self._synced_in = -1
        self._picture: dict[str, Any] | None = None
        self.halted = False
        self.journal_lost = False
        self.position_limit = 0
        self.set_back_ns = 0

    # The broker

    def on_accepted(self, order: ModelOrder) -> None:
        """The broker took an order."""
        client = order.client_order_id
        if client.startswith(MANUAL):
            self._limits_bind = False
            return
        signal = signal_of(client)
        if client not in self._approved:
            self._world.violation("an order without approval", client)
        if signal in self._ordered:
            self._world.violation("two orders for one signal", f"{self._ordered[signal]} and {client}")
        self._ordered[signal] = client
        self._check_limit(order)

    def _check_limit(self, order: ModelOrder) -> None:
        """What the broker holds and may still fill on that side is within the highest limit there was."""
        broker = self._world.broker
        sign = 1 if order.side == "buy" else -1
        held = sign * broker.positions.get(order.symbol, 0)
        working = sum(o.open_quantity for o in broker.working() if (o.symbol, o.side) == (order.symbol, order.side))
        if held + working > self.position_limit and held + working > 0 and self._limits_bind:
            figures = f"{order.symbol}: {held} held and {working} working to {order.side}, limit {self.position_limit}"
            self._world.violation("over the position limit", figures)

    def on_stream(self, problem: str) -> None:
        """The execution engine is told whether its stream listens."""
        if problem:
            self._down_since_ns = self._world.time.now_ns
        else:
            self._down_since_ns = None
            self._connection += 1

    def on_reconcile(self) -> None:
        """The execution engine asks for a snapshot."""
        self._asked_in = self._connection

    def on_snapshot(self) -> None:
        """And has it."""
        self._synced_in = self._asked_in

    def on_post(self, client: str) -> None:
        """The execution engine lets an order go."""
        world = self._world
        down_ns = self._down_since_ns
        if down_ns is not None and world.time.now_ns - down_ns > GRACE_NS:
            world.violation("an order was sent while the order stream was down", client)
        elif down_ns is None and self._synced_in != self._connection:
            world.violation("an order was sent before the broker was reconciled with", client)
        engine = world.processes["execution-engine"].service
        told = engine._trading._state.status
        if told is not None and told.refused and FLATTEN not in client:
            world.violation("an order was sent while trading was stopped", f"{client}: {told.refused}")

    # The risk manager

    def on_risk_message(self, frames: list[bytes]) -> None:
        """A message on the risk-check channel; the answers are approvals or not."""
        if frames[0][1] != RISK_CHECK_RESPONSE.kind:
            return
        response = read(RISK_CHECK_RESPONSE, frames).body
        if not isinstance(response.result, Approved):
            return
        self._approved.add(response.request_id)
        if self.halted and FLATTEN not in response.request_id:
            self._world.violation("approved while halted", response.request_id)

    def on_end(self, process: "Process", *, between_turns: bool) -> None:
        """A process ended; between two turns all that it decided is on disk."""
        if process.component is Component.RISK_MANAGER:
            whole = between_turns and not process.service._recorder._unwritten
            self._picture = picture(process.service._core.state) if whole else None
        elif process.component is Component.EXECUTION_ENGINE:
            self._down_since_ns = self._world.time.now_ns

    def on_start(self, process: "Process") -> None:
        """A process has come back."""
        if process.component is not Component.RISK_MANAGER:
            return
        now = picture(process.service._core.state)
        if self._picture is not None and now != self._picture:
            differing = {name: (self._picture[name], now[name]) for name in now if now[name] != self._picture[name]}
            self._world.violation("the risk manager came back another", repr(differing))
        self._picture = None
        self._check_acknowledged(process.service._core.state)
        self.check_covered()

    def _check_acknowledged(self, state: RiskState) -> None:
        """What the execution engine need not send again is on the risk manager's disk."""
        engine = self._world.processes["execution-engine"].service
        if engine is None or self.journal_lost:
            return
        for symbol, line in engine._outbox._acked.items():
            expected = state.reports.next_of((engine._outbox.epoch, symbol))
            if expected <= line.last:
                figures = f"{symbol}: {line.last} acknowledged, {expected} expected next"
                self._world.violation("acknowledged before it was on disk", figures)

    def forget(self, process: "Process") -> None:
        """A process lost its power, and with it something that it had decided: approvals wait for no disk (0050)."""
        if process.component is Component.RISK_MANAGER:
            self._picture = None
            self._limits_bind = False
            self._forgiven |= self._approved

    def look_again_and_again(self) -> None:
        """What no single event would show."""
        self.check_covered()
        self._check_agreed()
        self._world.time.after(LOOK_NS, self.look_again_and_again)

    def _check_agreed(self) -> None:
        """While no report was set aside, nobody is told that the ledger lacks something."""
        manager = self._world.processes["risk-manager"].service
        if manager is None or manager._core.state.reports.kept_count:
            return
        for _, told in manager._core.state.differences.told():
            self._world.violation("a false alarm of the ledger", told)

    def check_covered(self) -> None:
        """All that may still fill of our orders is reserved at the risk manager."""
        manager = self._world.processes["risk-manager"].service
        if manager is None:
            return
        for order in self._world.broker.working():
            if order.client_order_id.startswith(MANUAL) or order.client_order_id in self._forgiven:
                continue
            found = manager._core.state.reservations.get(reservation_id(signal_of(order.client_order_id)))
            if found is None or found.open_e9 < order.open_quantity * 10**9:
                self._world.violation("an order works without its reservation", f"{order} has {found}")
            elif not found.confirmed_by:
                self._world.violation("an order works on a reservation that may expire", f"{order} has {found}")
