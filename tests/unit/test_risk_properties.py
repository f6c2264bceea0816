"""The risk core under any interleaving of quotes, signals, confirmations, fills, ends, lost reports and restarts."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tradingmesh.contract import CircuitBreakerSpec, TradingState
from tradingmesh.core.checks import Approved
from tradingmesh.core.fills import BookedReport
from tradingmesh.core.money import EXACT
from tradingmesh.core.risk.state import RiskState
from tradingmesh.core.risk.status import status_of
from tradingmesh.core.risk.units import E9, scaled
from tradingmesh.core.signal import Side, Signal
from tradingmesh.testing.risk_desk import OUTBOX, RiskDesk, limits

SYMBOLS = ("IBM", "BAC")
POSITION_MAX = Decimal(300)
OPEN_MAX = 6
CASH = Decimal(1_000_000)
LIMITS = limits(
    max_order_quantity=Decimal(200),
    max_position_quantity=POSITION_MAX,
    max_open_orders=OPEN_MAX,
    max_orders_per_minute=30,
    max_daily_loss=Decimal(2_000),
    duplicate_window_ms=200,
)
BREAKER = CircuitBreakerSpec.model_validate({"recoveryPeriod": "20s", "stableFor": "5s"})


def _facts(state: RiskState) -> dict[str, Any]:
    """All that must survive a restart."""
    return {
        "status": status_of(state),
        "reservations": sorted((r.reservation_id, r.open_e9, r.confirmed_by) for r in state.reservations),
        "breaker": state.breaker.at,
        "day": state.day,
        "recent": state.recent.times_ns,
        "next": {symbol: state.reports.next_of((OUTBOX, symbol)) for symbol in SYMBOLS},
    }


class Interleaving(RuleBasedStateMachine):
    """Two cores hear the same; one is restarted from its records now and then. They must never differ."""

    def __init__(self) -> None:
        super().__init__()
        self.live = RiskDesk(LIMITS, breaker=BREAKER)
        self.twin = RiskDesk(LIMITS, breaker=BREAKER)
        self.count = 0
        self.approved: list[Signal] = []
        self.working: dict[str, tuple[Signal, int]] = {}
        self.sent: list[BookedReport] = []
        self.early: list[BookedReport] = []
        self.prices: dict[str, str] = {}

    @initialize()
    def open_the_market(self) -> None:
        """Both symbols have a quote."""
        for symbol in SYMBOLS:
            self.hear(symbol, 10_000)

    @rule(symbol=st.sampled_from(SYMBOLS), cents=st.integers(9_000, 11_000))
    def hear(self, symbol: str, cents: int) -> None:
        """A quote of a spread of two cents."""
        self.prices[symbol] = str(Decimal(cents) / 100)
        for desk in (self.live, self.twin):
            self._requote(desk, symbol)

    @rule(seconds=st.sampled_from(["0.1", "1", "4", "11", "40", "90000"]))
    def wait(self, seconds: str) -> None:
        """Time goes by."""
        for desk in (self.live, self.twin):
            desk.wait(Decimal(seconds))

    @rule(symbol=st.sampled_from(SYMBOLS), side=st.sampled_from(Side), quantity=st.integers(1, 220))
    def signal(self, symbol: str, side: Side, quantity: int) -> None:
        """A strategy asks, after a fresh quote."""
        self.count += 1
        for desk in (self.live, self.twin):
            self._requote(desk, symbol)
        signal = self.live.signal(f"s{self.count}", side, str(quantity), symbol)
        decision = self.live.ask(signal)
        assert decision == self.twin.ask(signal)
        if isinstance(decision, Approved):
            self.approved.append(signal)

    @precondition(lambda self: self.approved)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        """The execution engine asks for one of the approved signals, in any order, perhaps too late."""
        signal = self.approved.pop(data.draw(st.integers(0, len(self.approved) - 1)))
        for desk in (self.live, self.twin):
            self._requote(desk, signal.symbol)
        decision = self.live.confirm(signal)
        assert decision == self.twin.confirm(signal)
        if isinstance(decision, Approved):
            self.working[signal.signal_id] = (signal, int(signal.quantity))

    @precondition(lambda self: self.working)
    @rule(data=st.data(), at_once=st.booleans())
    def fill(self, data: st.DataObject, *, at_once: bool) -> None:
        """Some or all of a working order fills; the report goes out now or later."""
        name = data.draw(st.sampled_from(sorted(self.working)))
        signal, left = self.working.pop(name)
        quantity = data.draw(st.integers(1, left))
        if left > quantity:
            self.working[name] = (signal, left - quantity)
        self.sent.append(self.live.filled(signal, str(quantity), self.prices[signal.symbol], "0.35"))
        if at_once:
            self.deliver()

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """A working order is canceled."""
        signal, _ = self.working.pop(data.draw(st.sampled_from(sorted(self.working))))
        self.sent.append(self.live.closed(signal))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver_one(self, data: st.DataObject) -> None:
        """One report arrives, out of turn perhaps, and stays unacknowledged: it will come again."""
        booked = data.draw(st.sampled_from(self.sent))
        self.early.append(booked)
        assert self.live.apply(booked) == self.twin.apply(booked)

    @rule()
    def deliver(self) -> None:
        """All that was sent arrives, the newest first."""
        for booked in reversed(self.sent):
            assert self.live.apply(booked) == self.twin.apply(booked)
        self.sent.clear()
        self.early.clear()
        assert self.live.core.state.reports.waiting_count == 0

    @rule(trading=st.sampled_from([TradingState.ACTIVE, TradingState.ACTIVE, *TradingState]))
    def switch(self, trading: TradingState) -> None:
        """A person uses the switch."""
        for desk in (self.live, self.twin):
            desk.core.set_switch(trading)

    @rule()
    def restart(self) -> None:
        """The twin starts anew from its records, and hears the last quotes and the waiting reports again."""
        self.twin.core = self.twin.restarted()
        # What nobody watched is no part of the breaker's waits; here no time went by, so the twin waits on.
        self.twin.core.state.breaker._waiting_ns = self.live.core.state.breaker._waiting_ns
        for symbol in SYMBOLS:
            quoted = self.live.core.state.book(symbol)
            self._requote(self.twin, symbol)
            self.twin.core.state.book(symbol).received_ns = quoted.received_ns
            self.twin.core.state.book(symbol).quote_ns = quoted.quote_ns
        for booked in self.early:
            if booked.report.symbol_sequence > self.live.core.state.reports.next_of(
                (OUTBOX, booked.report.body.symbol)
            ):
                assert self.twin.apply(booked) == ()

    @invariant()
    def no_limit_is_ever_passed(self) -> None:
        """However the working orders fill."""
        state = self.live.core.state
        assert len(state.reservations) <= OPEN_MAX
        for book in state.books.values():
            assert max(book.exposure_e9(side) for side in Side) <= POSITION_MAX * E9

    @invariant()
    def money_is_conserved(self) -> None:
        """Cash + cost - realised is what there was, and the running sums are the ledger's own."""
        state = self.live.core.state
        ledger = state.ledger
        cost = sum((position.cost for position in ledger.positions()), Decimal(0))
        assert EXACT.subtract(EXACT.add(ledger.cash, cost), ledger.realised) == CASH
        assert state.equity_e18 == scaled(ledger.equity(state.marks()), 18)

    @invariant()
    def reservations_do_not_leak(self) -> None:
        """What is reserved is what the open reservations say, side by side."""
        state = self.live.core.state
        for book in state.books.values():
            own = [found for found in state.reservations if found.symbol == book.symbol]
            buys = [found for found in own if found.side is Side.BUY]
            sells = [found for found in own if found.side is Side.SELL]
            assert (book.buying_e9, book.selling_e9) == (
                sum(found.open_e9 for found in buys),
                sum(found.open_e9 for found in sells),
            )
            assert book.buying_e18 == sum(found.open_e9 * found.price_e9 for found in buys)
            assert book.selling_e18 == sum(found.open_e9 * found.price_e9 for found in sells)

    @invariant()
    def the_restarted_core_is_where_the_other_is(self) -> None:
        """In everything but what it never heard."""
        if not self.sent:
            assert _facts(self.live.core.state) == _facts(self.twin.core.state)

    def teardown(self) -> None:
        """When every order has ended and every approval lapsed, nothing is reserved."""
        for signal, _ in self.working.values():
            self.sent.append(self.live.closed(signal))
        self.deliver()
        self.live.wait(60)
        state = self.live.core.state
        assert len(state.reservations) == 0
        assert all(book.buying_e18 == book.selling_e18 == 0 for book in state.books.values())
        assert _facts(self.live.restarted().state)["reservations"] == []

    def _requote(self, desk: RiskDesk, symbol: str) -> None:
        price = Decimal(self.prices[symbol])
        desk.quote(symbol, str(price - Decimal("0.01")), str(price + Decimal("0.01")))


TestInterleaving = pytest.mark.timeout(60)(Interleaving.TestCase)
TestInterleaving.settings = settings(
    max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
