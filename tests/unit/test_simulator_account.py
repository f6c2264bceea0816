"""The broker's own books: positions through zero, cost, profit, margin."""

from decimal import Decimal

import pytest

from tradingmesh.alpaca_simulator.account import Account, Holding, rounded_ratio
from tradingmesh.core.signal import Side

D = Decimal


def holding(*fills: tuple[str, str]) -> Holding:
    result = Holding()
    for quantity, price in fills:
        result.apply(D(quantity), D(price))
    return result


@pytest.mark.parametrize(
    ("fills", "quantity", "cost", "realised"),
    [
        ([("100", "10"), ("50", "13")], "150", "1650", "0"),
        ([("100", "10"), ("-40", "12")], "60", "600", "80"),
        ([("100", "10"), ("-100", "9")], "0", "0", "-100"),
        ([("100", "10"), ("-150", "12")], "-50", "-600", "200"),
        ([("-100", "10"), ("40", "9")], "-60", "-600", "40"),
        ([("-100", "10"), ("150", "11")], "50", "550", "-100"),
        ([("3", "10"), ("-1", "10.01"), ("-1", "10.01"), ("-1", "10.01")], "0", "0", "0.03"),
    ],
)
def test_a_position_through_its_fills(fills: list[tuple[str, str]], quantity: str, cost: str, realised: str) -> None:
    """Added to, reduced, closed, and turned over in one fill."""
    held = holding(*fills)
    assert (held.quantity, held.cost, held.realised) == (D(quantity), D(cost), D(realised))


def test_a_cost_that_does_not_divide_is_cut_and_nothing_is_lost() -> None:
    """A third of 10 dollars: the last share to close takes what is left."""
    held = holding(("1", "3.33"), ("2", "3.335"), ("-1", "4"))
    assert held.realised + D(10) - held.cost == 4
    held.apply(D(-2), D(4))
    assert (held.cost, held.realised) == (D(0), D(2))


def test_the_average_price_is_for_showing() -> None:
    """Nine decimals; 0 where there is no position."""
    assert holding(("1", "1"), ("2", "2")).average_price == D("1.666666666")
    assert rounded_ratio(D(1), D(0)) == 0


def test_equity_and_buying_power_follow_the_marks() -> None:
    """Long and short positions count for what they are worth, and both use buying power."""
    account = Account(D(1_000))
    account.apply_fill("IBM", Side.BUY, D(5), D(100))
    account.apply_fill("BAC", Side.SELL, D(10), D(20))
    prices = {"IBM": D(110), "BAC": D(25)}
    mark = prices.__getitem__
    assert account.cash == 700
    assert account.market_value(mark, Side.BUY) == 550
    assert account.market_value(mark, Side.SELL) == -250
    assert account.equity(mark) == 1_000
    assert account.buying_power(mark, D(50), D(2)) == 2_000 - 800 - 50
    assert account.buying_power(mark, D(50_000), D(2)) == 0


def test_closed_positions_are_not_positions() -> None:
    """Flat is not listed; its profit stays."""
    account = Account(D(1_000))
    account.apply_fill("IBM", Side.BUY, D(5), D(100))
    account.apply_fill("IBM", Side.SELL, D(5), D(101))
    assert (account.positions(), account.realised(), account.quantity("IBM")) == ({}, D(5), D(0))
