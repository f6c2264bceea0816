"""The ledger: average cost, exact to the last share, whatever is traded."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.fills import Fill, Position
from tradingmesh.core.risk.ledger import Ledger, after_fill, cash_impact, share_of_cost
from tradingmesh.core.signal import Side

BUY, SELL = Side.BUY, Side.SELL
D = Decimal
QUANTITIES = st.decimals(min_value=D("0.000000001"), max_value=D(10**9), places=9).filter(lambda value: value > 0)
PRICES = st.decimals(min_value=D("0.0001"), max_value=D(10**6), places=9).filter(lambda value: value > 0)
FEES = st.decimals(min_value=0, max_value=100, places=4)
TRADES = st.lists(st.tuples(st.sampled_from(Side), QUANTITIES, PRICES, FEES), max_size=30)


def _fill(side: Side, quantity: Decimal, price: Decimal, symbol: str = "IBM") -> Fill:
    return Fill("f", "o", "c", symbol, side, quantity, price, quantity, 0)


def _after(*trades: tuple[Side, str, str]) -> Position:
    position = Position("IBM", D(0), D(0), D(0))
    for side, quantity, price in trades:
        position = after_fill(position, side, D(quantity), D(price), D(0))
    return position


@pytest.mark.parametrize(
    ("trades", "quantity", "cost", "realised"),
    [
        ([(BUY, "10", "100")], "10", "1000", "0"),
        ([(BUY, "10", "100"), (BUY, "10", "110")], "20", "2100", "0"),
        ([(BUY, "20", "105"), (SELL, "5", "115")], "15", "1575", "50"),
        ([(BUY, "10", "100"), (SELL, "10", "90")], "0", "0", "-100"),
        ([(SELL, "10", "100")], "-10", "-1000", "0"),
        ([(SELL, "10", "100"), (BUY, "4", "90")], "-6", "-600", "40"),
        ([(BUY, "10", "100"), (SELL, "15", "110")], "-5", "-550", "100"),
        ([(SELL, "10", "100"), (BUY, "15", "110")], "5", "550", "-100"),
    ],
)
def test_positions_by_average_cost(
    trades: list[tuple[Side, str, str]], quantity: str, cost: str, realised: str
) -> None:
    """Opening, adding, closing in part and in full, and through zero, on both sides."""
    after = _after(*trades)
    assert (after.quantity, after.cost, after.realised) == (D(quantity), D(cost), D(realised))


def test_a_share_of_the_cost_is_cut_and_the_rest_stays() -> None:
    """10 paid for 3: the first third takes 3.333333333, and the last share what is left, so nothing is lost."""
    position = _after((BUY, "3", "3.333333333"), (BUY, "0.000000001", "1"))
    assert share_of_cost(Position("IBM", D(3), D(10), D(0)), D(1)) == D("3.333333333")
    assert share_of_cost(Position("IBM", D(-3), D(-10), D(0)), D(1)) == D("-3.333333333")
    assert share_of_cost(position, position.quantity) == position.cost


def test_commission_reduces_cash_and_realised_alike() -> None:
    """A buy of 10 at 100 for 1.25 costs 1001.25, of which 1.25 is lost at once."""
    ledger = Ledger(D(5_000))
    _, after = ledger.book(_fill(BUY, D(10), D(100)), D("1.25"))
    assert ledger.cash == D("3998.75")
    assert (after.realised, ledger.realised) == (D("-1.25"), D("-1.25"))


def test_unrealised_and_equity_at_marks() -> None:
    """Long 10 at 100 and short 5 at 20, marked at 103 and 19."""
    ledger = Ledger(D(1_000))
    ledger.book(_fill(BUY, D(10), D(100)), D(0))
    ledger.book(_fill(SELL, D(5), D(20), "F"), D(0))
    marks = {"IBM": D(103), "F": D(19)}
    assert ledger.unrealised(marks) == D(35)
    assert ledger.equity(marks) == D(1_035)


def test_before_and_after() -> None:
    """Booking tells both, and the flat position of an unknown symbol is empty."""
    ledger = Ledger(D(0))
    before, after = ledger.book(_fill(SELL, D(1), D(7)), D(0))
    assert before == Position("IBM", D(0), D(0), D(0))
    assert after == ledger.position("IBM") == Position("IBM", D(-1), D(-7), D(0))
    assert cash_impact(SELL, D(1), D(7), D("0.5")) == D("6.5") == ledger.cash - D("0.5")


@given(TRADES)
def test_cash_cost_and_realised_balance(trades: list[tuple[Side, Decimal, Decimal, Decimal]]) -> None:
    """Cash + cost - realised is what there was at the start, to the last digit, after any trades."""
    start = D("1000000.01")
    ledger = Ledger(start)
    for side, quantity, price, fee in trades:
        ledger.book(_fill(side, quantity, price), fee)
    position = ledger.position("IBM")
    assert Fraction(ledger.cash) + Fraction(position.cost) - Fraction(ledger.realised) == Fraction(start)
    assert Fraction(position.quantity) == sum(side.sign * Fraction(quantity) for side, quantity, _, _ in trades)
    assert (position.cost == 0) or (position.cost > 0) == (position.quantity > 0)


@given(TRADES, PRICES)
def test_closing_leaves_no_cost_and_all_profit_in_cash(
    trades: list[tuple[Side, Decimal, Decimal, Decimal]], price: Decimal
) -> None:
    """Once flat, cost is exactly 0 and realised exactly what cash gained."""
    ledger = Ledger(D(0))
    for side, quantity, paid, fee in trades:
        ledger.book(_fill(side, quantity, paid), fee)
    held = ledger.position("IBM").quantity
    if held:
        ledger.book(_fill(SELL if held > 0 else BUY, held.copy_abs(), price), D(0))
    assert (ledger.position("IBM").quantity, ledger.position("IBM").cost) == (D(0), D(0))
    assert ledger.realised == ledger.cash


@given(TRADES)
def test_average_cost_is_never_off_by_more_than_the_cuts(
    trades: list[tuple[Side, Decimal, Decimal, Decimal]],
) -> None:
    """Against fractions without any cut: each closing trade may move at most 1e-9 of cost."""
    position, quantity, cost = Position("IBM", D(0), D(0), D(0)), Fraction(0), Fraction(0)
    for side, traded, price, fee in trades:
        position = after_fill(position, side, traded, price, fee)
        delta = side.sign * Fraction(traded)
        closed = min(abs(delta), abs(quantity)) if quantity * delta < 0 else Fraction(0)
        cost -= cost * closed / abs(quantity) if closed else 0
        cost += side.sign * (abs(delta) - closed) * Fraction(price)
        quantity += delta
    assert abs(Fraction(position.cost) - cost) <= len(trades) * Fraction(1, 10**9)
