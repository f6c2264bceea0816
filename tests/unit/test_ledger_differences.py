"""The broker's positions against the ledger's: what was set aside shows, is told, and bounds what may be traded."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tradingmesh.core.checks import Approved, Check, Decision, Refused, Writer
from tradingmesh.core.fills import ReportApplied, ReportSetAside
from tradingmesh.core.orders.effects import Effect, Send
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.core.risk.differences import Differences
from tradingmesh.core.risk.status import status_of
from tradingmesh.core.signal import Side
from tradingmesh.core.standing import BrokerPosition
from tradingmesh.testing.risk_desk import OUTBOX, RiskDesk

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def desk() -> RiskDesk:
    """Of 40 shares that were bought the ledger has 30: one fill could not be booked."""
    desk = RiskDesk()
    desk.quote("IBM", "99.99", "100.01")
    desk.buy("IBM", "30", "100")
    odd = desk.filled(desk.signal("odd", BUY, "10"), "10", "100")
    (answer,) = desk.apply(replace(odd, cash_impact=Decimal(1)))
    assert isinstance(answer, ReportSetAside)
    return desk


def broker_has(desk: RiskDesk, quantity: str) -> None:
    (answer,) = desk.apply(desk.report(BrokerPosition("IBM", Decimal(quantity), desk.now_ns)))
    assert isinstance(answer, ReportApplied)
    desk.now_ns += 1


def check_of(decision: Decision) -> Check | None:
    return decision.check if isinstance(decision, Refused) else None


def test_a_fill_that_was_set_aside_shows(desk: RiskDesk) -> None:
    """Certain once it is found twice; then only what reduces what the ledger has, and the broker, is approved."""
    broker_has(desk, "40")
    assert isinstance(desk.ask(desk.signal("s1", BUY, "1")), Approved)
    broker_has(desk, "40")
    assert status_of(desk.core.state).differing == ("the broker has 10 more IBM than the ledger",)
    refused = desk.ask(desk.signal("s2", BUY, "1"))
    assert check_of(refused) is Check.LEDGER
    assert isinstance(refused, Refused)
    assert "the broker has 10 more IBM than the ledger" in refused.reason
    assert isinstance(desk.ask(desk.signal("s3", SELL, "30")), Approved)
    assert check_of(desk.ask(desk.signal("s4", SELL, "1"))) is Check.LEDGER
    assert check_of(desk.confirm(desk.signal("s1", BUY, "1"), writer=Writer(OUTBOX, 1))) is Check.LEDGER


def test_what_would_turn_the_brokers_position_is_refused(desk: RiskDesk) -> None:
    """Where the broker has less than the ledger, as much as the broker has may be sold."""
    for _ in range(2):
        broker_has(desk, "20")
    assert check_of(desk.ask(desk.signal("s1", SELL, "21"))) is Check.LEDGER
    assert isinstance(desk.ask(desk.signal("s2", SELL, "20")), Approved)


def test_it_is_over_when_the_broker_has_as_much(desk: RiskDesk) -> None:
    """Other symbols were never touched; later fills move both sides alike, and a restart forgets nothing."""
    for _ in range(2):
        broker_has(desk, "40")
    desk.quote("BAC", "9.99", "10.01")
    assert isinstance(desk.ask(desk.signal("s1", BUY, "1", "BAC")), Approved)
    desk.buy("IBM", "5", "100")
    broker_has(desk, "45")
    told = ("the broker has 10 more IBM than the ledger",)
    restored = RiskDesk().core
    restored.restore([], desk.core.state.snapshot())
    assert status_of(desk.restarted().state).differing == status_of(restored.state).differing == told
    broker_has(desk, "35")
    assert status_of(desk.core.state).differing == ()
    assert isinstance(desk.ask(desk.signal("s2", BUY, "1")), Approved)


@pytest.mark.parametrize("quantity", ["NaN", "Infinity", "1e13", "0.0000000001"])
def test_no_number_is_no_position(desk: RiskDesk, quantity: str) -> None:
    """It is set aside, as any report that cannot be."""
    (answer,) = desk.apply(desk.report(BrokerPosition("IBM", Decimal(quantity), 0)))
    assert isinstance(answer, ReportSetAside)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), max_size=8))
def test_a_difference_is_certain_after_two_in_a_row(said: list[tuple[int, int]]) -> None:
    """And stays so until the broker has what the ledger has."""
    differences, run, certain, last = Differences(), 0, False, 0
    for ledger, broker in said:
        differences.compare("IBM", Decimal(ledger), Decimal(broker))
        more = broker - ledger
        run = run + 1 if more == last else 1
        certain = bool(more) and (certain or run > 1)
        last = more
        assert bool(list(differences.told())) is certain
        assert differences.of_e9("IBM") == (more * 10**9 if certain else 0)


def test_each_position_is_told_twice_and_then_only_when_its_line_goes_on() -> None:
    """So a quiet account costs nothing, and a difference is found twice."""
    table = OrderTable(Writer(OUTBOX, 1))
    held = {"IBM": Decimal(40), "BAC": Decimal(0)}

    def told(effects: list[Effect]) -> list[tuple[str, int]]:
        sent = [effect.report for effect in effects if isinstance(effect, Send)]
        return [(report.body.symbol, report.symbol_sequence) for report in sent]

    assert told(table.agreed(held, 1)) == [("IBM", 1), ("BAC", 1)]
    assert told(table.agreed(held, 2)) == [("IBM", 2), ("BAC", 2)]
    assert told(table.agreed(held, 3)) == []
    table.restore_sequence("IBM", 3)
    assert told(table.agreed(held, 4)) == [("IBM", 4)]
    assert told(table.agreed(held, 5)) == [("IBM", 5)]
    assert told(table.agreed(held, 6)) == []
