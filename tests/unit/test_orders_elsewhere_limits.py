"""Orders that were not placed here count against every limit while they work, whatever is known of them."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradingmesh.core.checks import Approved, Check, Decision, Refused
from tradingmesh.core.fills import BookedReport, OrderClosed, ReportApplied, ReportSetAside
from tradingmesh.core.money import ZERO
from tradingmesh.core.orders.booking import booked
from tradingmesh.core.risk.status import status_of
from tradingmesh.core.signal import Side
from tradingmesh.core.standing import OpeningPosition
from tradingmesh.testing.risk_desk import RiskDesk, limits

BUY, SELL = Side.BUY, Side.SELL


def desk(**changed: Any) -> RiskDesk:
    made = RiskDesk(limits(**changed))
    made.quote("IBM", "99.99", "100.01")
    return made


def check_of(decision: Decision) -> Check | None:
    return decision.check if isinstance(decision, Refused) else None


def asked(made: RiskDesk, name: str, quantity: str, side: Side = BUY, symbol: str = "IBM") -> Check | None:
    return check_of(made.ask(made.signal(name, side, quantity, symbol)))


def applied(made: RiskDesk, report: BookedReport) -> None:
    (answer,) = made.apply(report)
    assert isinstance(answer, ReportApplied), answer


@pytest.mark.parametrize(
    ("changed", "quantity", "price", "check"),
    [
        ({"max_position_quantity": Decimal(1_000)}, "991", None, Check.POSITION_QUANTITY),
        ({"max_position_quantity": Decimal(1_000)}, "990", None, None),
        ({"max_position_notional": Decimal(10_000)}, "91", "100", Check.POSITION_NOTIONAL),
        ({"max_position_notional": Decimal(10_000)}, "91", None, Check.POSITION_NOTIONAL),
        ({"max_position_notional": Decimal(10_000)}, "89", None, None),
        ({"max_gross_notional": Decimal(10_000)}, "60", "150.5", Check.GROSS_NOTIONAL),
        ({"max_gross_notional": Decimal(10_000)}, "60", "149.5", None),
        ({"max_open_orders": 1}, "1", None, Check.OPEN_ORDERS),
    ],
)
def test_it_counts(changed: dict[str, Any], quantity: str, price: str | None, check: Check | None) -> None:
    """By quantity, at its limit or else at the mark; and gives its room back when it ends."""
    made = desk(**{"max_order_quantity": Decimal(900), **changed})
    applied(made, made.working("hand", BUY, quantity, price))
    assert asked(made, "s1", "10") is check
    applied(made, made.report(OrderClosed("o-hand", "hand", "IBM", "canceled", ZERO, 1), "hand"))
    assert asked(made, "s2", "10") is None


def test_without_a_price_it_is_worth_the_mark_as_it_moves() -> None:
    """Also where there was none when it was taken in; an order that has a price of its own keeps it."""
    made = RiskDesk(limits(max_gross_notional=Decimal(50_000)))
    applied(made, made.working("hand", BUY, "100", None))
    applied(made, made.working("other", SELL, "100", "30", symbol="KO"))
    assert made.core.state.gross_e18 == 3_000 * 10**18
    made.quote("IBM", "399.99", "400.01")
    assert made.core.state.gross_e18 == 43_000 * 10**18
    assert asked(made, "s1", "25") is Check.GROSS_NOTIONAL
    made.quote("IBM", "99.99", "100.01")
    assert asked(made, "s2", "25") is None


def test_by_notional_the_money_counts_and_the_mark_says_how_many() -> None:
    """Rounded up; what fills takes from both."""
    made = desk(max_position_quantity=Decimal(1_000), max_position_notional=Decimal(200_000))
    applied(made, made.working("hand", BUY, None, None, open_notional=Decimal("90000.05")))
    assert made.core.state.gross_e18 == 9_000_005 * 10**16
    assert asked(made, "s1", "100") is Check.POSITION_QUANTITY
    assert asked(made, "s2", "99") is None
    report = made.filled(made.signal("hand", BUY, "400"), "400", "100").report
    body = msgspec.structs.replace(report.body, client_order_id="hand")
    applied(made, booked(msgspec.structs.replace(report, reservation_id="hand", body=body), ZERO))
    (found, _) = made.core.state.reservations
    assert found.money_e18 == 5_000_005 * 10**16


def test_it_is_told_anew_when_it_changes() -> None:
    """The newest word replaces the one before; also of an approved order, which keeps its signal."""
    made = desk()
    applied(made, made.working("hand", BUY, "100", "90"))
    applied(made, made.working("hand", BUY, "40", "95"))
    assert made.core.state.gross_e18 == 3_800 * 10**18
    signal = made.signal("s1", BUY, "10")
    made.ask(signal)
    made.confirm(signal, by="tm-s1")
    applied(made, made.working("r-s1", BUY, "6", "100"))
    (_, own) = made.core.state.reservations
    assert (own.open_e9, own.signal, own.confirmed_by) == (6 * 10**9, signal, "r-s1")


def test_both_sides_of_a_symbol_count_for_themselves() -> None:
    """Working sells do not make room for buys."""
    made = desk(max_position_quantity=Decimal(100), max_order_quantity=Decimal(100))
    applied(made, made.working("hand", SELL, "100", None))
    assert asked(made, "s1", "1", SELL) is Check.POSITION_QUANTITY
    assert asked(made, "s2", "100") is None


def test_it_survives_a_restart() -> None:
    """With its price of its own, or without one."""
    made = desk()
    applied(made, made.working("hand", BUY, "100", None))
    applied(made, made.working("money", SELL, None, None, open_notional=Decimal(500)))
    core = made.restarted()
    assert list(core.state.reservations) == list(made.core.state.reservations)
    assert core.state.book("IBM").buying_marked_e9 == 100 * 10**9
    assert core.state.book("IBM").selling_money_e18 == 500 * 10**18


@pytest.mark.parametrize(
    ("quantity", "price", "notional", "reason"),
    [
        ("-1", None, None, "open_quantity -1 is not above 0"),
        ("1", "0", None, "price 0 is not above 0"),
        ("1", None, "5", "either a quantity or a notional"),
        (None, None, None, "either a quantity or a notional"),
        (None, None, "-1", "open_notional -1 is not above 0"),
    ],
)
def test_one_that_makes_no_sense_is_set_aside(
    quantity: str | None, price: str | None, notional: str | None, reason: str
) -> None:
    """With its reason, and without an effect."""
    made = desk()
    money = None if notional is None else Decimal(notional)
    (answer,) = made.apply(made.working("hand", BUY, quantity, price, open_notional=money))
    assert isinstance(answer, ReportSetAside)
    assert reason in answer.reason
    assert len(made.core.state.reservations) == 0


def opening(made: RiskDesk, symbol: str, quantity: str, price: str) -> BookedReport:
    body = OpeningPosition(symbol, Decimal(quantity), Decimal(price), made.now_ns)
    return booked(made.report(body).report, Decimal("0.01"))


def test_what_the_account_held_is_taken_over() -> None:
    """It counts in every limit; equity, cash with it, is what it was; profit and loss begin there; no commission."""
    made = desk(max_position_quantity=Decimal(1_000))
    applied(made, opening(made, "IBM", "950", "100"))
    applied(made, opening(made, "KO", "-10", "60"))
    status = status_of(made.core.state)
    assert (status.cash, status.equity, status.realised) == ("905600", "1000000", "0")
    assert asked(made, "s1", "51") is Check.POSITION_QUANTITY
    made.quote("IBM", "100.99", "101.01")
    assert status_of(made.core.state).day_profit == "950"
    assert status_of(made.restarted().state).cash == "905600"


def test_it_is_not_taken_over_twice() -> None:
    """A new outbox finds a ledger that booked it fill by fill: equal is well, different is for a person to look at."""
    made = desk()
    made.buy("IBM", "10", "100")
    applied(made, opening(made, "IBM", "10", "90"))
    assert status_of(made.core.state).cash == "999000"
    (answer,) = made.apply(opening(made, "IBM", "12", "90"))
    assert isinstance(answer, ReportSetAside)
    assert answer.reason == "the broker has 12 IBM as this outbox begins, the ledger 10"
    assert made.core.state.ledger.position("IBM").quantity == 10


@pytest.mark.parametrize(("quantity", "price"), [("0", "1"), ("1", "0"), ("1", "-1"), ("NaN", "1")])
def test_a_position_that_is_none_is_set_aside(quantity: str, price: str) -> None:
    """Whoever values it."""
    made = desk()
    body = OpeningPosition("IBM", Decimal(quantity), Decimal(price), 1)
    (answer,) = made.apply(made.report(body))
    assert isinstance(answer, ReportSetAside)


def test_approved_orders_and_those_of_elsewhere_share_the_limit() -> None:
    """Each is approved only while there is room beside the other."""
    made = desk(max_open_orders=3)
    applied(made, made.working("hand", BUY, "5", None))
    assert isinstance(made.ask(made.signal("s1", BUY, "1")), Approved)
    assert asked(made, "s2", "1") is None
    assert asked(made, "s3", "1") is Check.OPEN_ORDERS
