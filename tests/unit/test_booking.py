"""What a fill does to cash, what it cost against its reference, and what is told of it."""

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.errors import InputError
from tradingmesh.core.events import OrderFilled, PositionClosed, PositionOpened, PositionUpdated
from tradingmesh.core.fills import Fill, OrderClosed, Position, Report, ReportApplied
from tradingmesh.core.orders.booking import booked, events_of, unbooked
from tradingmesh.core.signal import Side

FILL = Fill("x1", "b-1", "c-1", "IBM", Side.BUY, Decimal(100), Decimal("10.25"), Decimal(100), 5, Decimal("10.20"))


def report(**changes: object) -> Report:
    return Report(7, 1, "r-1", msgspec.structs.replace(FILL, **changes), "t")


def applied(before: int, after: int, *, duplicate: bool = False) -> ReportApplied:
    def held(quantity: int) -> Position:
        return Position("IBM", Decimal(quantity), Decimal(quantity) * 10, Decimal(3))

    return ReportApplied(7, "IBM", 1, duplicate, held(before), held(after), Decimal(1000))


@pytest.mark.parametrize(
    ("side", "impact", "slippage"), [(Side.BUY, "-1025.50", "5.00"), (Side.SELL, "1024.50", "-5.00")]
)
def test_figures(side: Side, impact: str, slippage: str) -> None:
    """A buy pays quantity x price and the commission, a sell earns it less the commission."""
    result = booked(report(side=side), Decimal("0.005"))
    assert (result.commission, result.cash_impact) == (Decimal("0.5"), Decimal(impact))
    assert result.slippage == Decimal(slippage)


def test_no_reference_no_slippage() -> None:
    """Nothing is made up where no price was decided on."""
    assert booked(report(reference_price=None), Decimal(0)).slippage is None


@pytest.mark.parametrize("odd", ["NaN", "sNaN", "-Infinity", "1E+40", "1E-30", f"1.{'3' * 28}", "0"])
def test_odd_reference_keeps_no_fill_from_being_booked(odd: str) -> None:
    """The reference is a strategy's word, the fill is money: what cannot be compared has no slippage, that is all."""
    result = booked(report(reference_price=Decimal(odd)), Decimal("0.005"))
    assert (result.cash_impact, result.slippage) == (Decimal("-1025.50"), None)


def test_end_of_an_order_moves_nothing() -> None:
    """It goes on as it is."""
    end = Report(7, 2, "r-1", OrderClosed("b-1", "c-1", "IBM", "filled", Decimal(100), 6))
    result = booked(end, Decimal("0.005"))
    assert result.cash_impact == result.commission == 0
    assert result.slippage is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", Decimal(0)),
        ("quantity", Decimal("NaN")),
        ("quantity", Decimal("1E-10")),
        ("price", Decimal(-1)),
        ("price", Decimal("Infinity")),
        ("price", Decimal("1E+40")),
        ("cumulative_quantity", Decimal("sNaN")),
        ("quantity", Decimal("1234567890123456789012345678.123456789")),
        ("price", Decimal("1234567890123456789012345678.123456789")),
    ],
)
def test_poison_is_named(field: str, value: Decimal) -> None:
    """What is no fill raises and names the field; handed on as it is, it moves no cash."""
    poison = report(**{field: value})
    with pytest.raises(InputError, match=field):
        booked(poison, Decimal(0))
    assert unbooked(poison).cash_impact == 0


def test_fill_without_id_is_refused() -> None:
    """It could not be told from another."""
    with pytest.raises(InputError, match="needs its id"):
        booked(report(fill_id=""), Decimal(0))


@given(
    st.decimals("0.000000001", 10**9, places=9),
    st.decimals("0.0001", 10**6, places=4),
    st.decimals(0, 1, places=6),
    st.sampled_from(Side),
)
def test_cash_is_exact(quantity: Decimal, price: Decimal, commission: Decimal, side: Side) -> None:
    """To the last digit, against fractions."""
    result = booked(report(quantity=quantity, price=price, side=side), commission)
    traded = Fraction(quantity) * Fraction(price) * side.sign
    assert Fraction(result.cash_impact) == -traded - Fraction(quantity) * Fraction(commission)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(0, 100, PositionOpened), (100, 50, PositionUpdated), (50, -50, PositionUpdated), (100, 0, PositionClosed)],
)
def test_events_of_a_fill(before: int, after: int, told: type) -> None:
    """The fill, and what became of the position."""
    fill, position = events_of(booked(report(), Decimal(0)), applied(before, after))
    assert (fill.type_, position.type_, position.trace_id) == (OrderFilled, told, "t")
    assert fill.fields["fill"] == FILL


def test_repetition_tells_nothing() -> None:
    """What was applied before was told before."""
    assert events_of(booked(report(), Decimal(0)), applied(0, 0, duplicate=True)) == []
