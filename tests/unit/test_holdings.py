"""What was booked against what the broker holds: every difference shows, and none that is only a matter of moments."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.fills import Fill
from tradingmesh.core.money import ZERO
from tradingmesh.core.orders.effects import Held, Snapshot
from tradingmesh.core.orders.holdings import CASH, Holdings
from tradingmesh.core.signal import Side

ASKED = 1_000


def fill(quantity: str, at_ns: int, symbol: str = "IBM", side: Side = Side.BUY, price: str = "10") -> Fill:
    amount = Decimal(quantity)
    return Fill(f"x{at_ns}", "o", "c", symbol, side, amount, Decimal(price), Decimal(at_ns), at_ns)


def said(cash: str, at_ns: int = ASKED, **positions: str) -> Snapshot:
    held = tuple(Held(symbol, Decimal(quantity), Decimal(10)) for symbol, quantity in positions.items())
    return Snapshot(at_ns, (), (), positions=held, cash=Decimal(cash))


def holdings(cash: str = "1000", *, only_fills: bool = True, commission: str = "0", **positions: str) -> Holdings:
    made = Holdings({}, Decimal(commission), only_fills=only_fills)
    made.open([Held(symbol, Decimal(quantity), Decimal(10)) for symbol, quantity in positions.items()], Decimal(cash))
    return made


def test_what_was_booked_is_what_the_broker_has() -> None:
    """From what the account held at first, through buys, sells and commissions, to the digit."""
    made = holdings("1000", commission="0.005", KO="7.5")
    kept = made.book(fill("3", 10)) | made.book(fill("8", 20, "KO", Side.SELL, "60.01"))
    assert kept == {"IBM": Decimal(3), "KO": Decimal("-0.5"), CASH: Decimal("1450.025")}
    assert not made.compare(said("1450.025", IBM="3", KO="-0.5"))
    assert made.differing == {}


def test_a_difference_is_told_when_it_is_seen_twice() -> None:
    """Once may be a matter of moments: then it is asked again."""
    made = holdings()
    made.book(fill("3", 10))
    assert made.compare(said("970", IBM="2"))
    assert made.differing == {}
    assert not made.compare(said("970", IBM="2"))
    assert made.differing == {"IBM": "position IBM: the broker has 2, booked are 3"}
    assert not made.compare(said("970", IBM="3"))
    assert made.differing == {}


@pytest.mark.parametrize("theirs", ["0", "1", "3", "6"])
def test_fills_of_the_time_since_it_was_asked_may_be_missing(theirs: str) -> None:
    """The broker answers with some moment after the question: any of them is right."""
    made = holdings()
    for quantity, at_ns in (("1", ASKED), ("2", ASKED + 1), ("3", ASKED + 2)):
        made.book(fill(quantity, at_ns))
    assert not made.compare(said("1000", IBM=theirs) if theirs != "0" else said("1000"))


@pytest.mark.parametrize("theirs", ["2", "4", "5", "7", "-1"])
def test_what_was_held_at_no_moment_differs(theirs: str) -> None:
    """An older fill is not left out in favour of a newer one."""
    made = holdings()
    for quantity, at_ns in (("1", ASKED), ("2", ASKED + 1), ("3", ASKED + 2)):
        made.book(fill(quantity, at_ns))
    assert made.compare(said("1000", IBM=theirs))


def test_fills_from_before_the_question_must_be_there() -> None:
    """They were over when it was asked."""
    made = holdings()
    made.book(fill("1", ASKED - 1))
    assert made.compare(said("1000"))


def test_cash_is_compared_where_only_fills_move_it() -> None:
    """At a real broker there are fees, interest, dividends and deposits."""
    simulated, real = holdings(), holdings(only_fills=False)
    for made in (simulated, real):
        made.compare(said("999"))
        made.compare(said("999"))
    assert simulated.differing == {CASH: "cash: the broker has 999, booked are 1000"}
    assert real.differing == {}


def test_without_a_first_look_nothing_is_compared() -> None:
    """An outbox from before holdings were kept does not know what it began with."""
    made = Holdings({}, ZERO, only_fills=True)
    assert made.book(fill("3", 10)) == {}
    assert not made.compare(said("5", IBM="9"))
    assert not holdings().compare(Snapshot(ASKED, (), ()))


TRADES = st.tuples(st.sampled_from(["IBM", "KO"]), st.sampled_from(Side), st.integers(1, 50))


@given(st.lists(TRADES, max_size=20), st.data())
def test_every_moment_of_the_broker_is_accepted(trades: list[tuple[str, Side, int]], data: st.DataObject) -> None:
    """Whatever was traded, and however many of the newest fills the broker's answer leaves out."""
    made = holdings("0", only_fills=False)
    fills = [fill(str(size), number, symbol, side) for number, (symbol, side, size) in enumerate(trades)]
    cut = data.draw(st.integers(0, len(fills)))
    asked_ns = data.draw(st.integers(0, cut))
    for each in data.draw(st.permutations(fills)):
        made.book(each)
    positions: dict[str, Decimal] = {}
    for each in fills[:cut]:
        positions[each.symbol] = positions.get(each.symbol, ZERO) + each.quantity * each.side.sign
    theirs = tuple(Held(symbol, quantity, Decimal(1)) for symbol, quantity in positions.items() if quantity)
    assert not made.compare(Snapshot(asked_ns, (), (), positions=theirs, cash=ZERO))
