"""The audit after a run: any fill that is lost, doubled, invented or changed is named, and equal accounts pass."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.cli.up_audit import Account, Execution, audit, ledger_account
from tradingmesh.core.fills import BookedReport, Fill, OrderClosed, Report
from tradingmesh.core.place import Place, PoisonReport
from tradingmesh.core.risk.ledger import cash_impact
from tradingmesh.core.risk.records import PoisonKept, ReportBooked, ReportKept, RiskRecord
from tradingmesh.core.signal import Side

CASH = Decimal(10_000)


def _fill(number: int, side: Side = Side.BUY, quantity: int = 10, price: str = "2.50", symbol: str = "IBM") -> Fill:
    amount = Decimal(quantity)
    return Fill(f"fill-{number}", "order", "client", symbol, side, amount, Decimal(price), amount, 0)


def _booked(fill: Fill, number: int, commission: Decimal = Decimal(0)) -> BookedReport:
    impact = cash_impact(fill.side, fill.quantity, fill.price, commission)
    return BookedReport(Report(1, number, "", fill), commission, impact)


def _records(fills: list[Fill], commission: Decimal = Decimal(0)) -> list[RiskRecord]:
    return [ReportBooked(_booked(fill, number, commission)) for number, fill in enumerate(fills, start=1)]


def _ledger(fills: list[Fill]) -> Account:
    return ledger_account(_records(fills), CASH)[0]


FILLS = [_fill(1), _fill(2, Side.SELL, 4, "3.00"), _fill(3, symbol="BAC")]
BROKER = _ledger(FILLS)


def test_the_journal_leads_to_positions_and_cash() -> None:
    """Buys pay, sells earn, commissions are taken off, and only open positions are named."""
    fills = [*FILLS, _fill(4, Side.SELL, symbol="BAC")]
    account, aside = ledger_account(_records(fills, Decimal("0.25")), CASH)
    assert account.positions == {"IBM": Decimal(6)}
    assert account.cash == CASH - 25 + 12 - Decimal("1.00")
    assert [fill_id for fill_id, _ in account.fills] == ["fill-1", "fill-2", "fill-3", "fill-4"]
    assert aside == ()


def test_what_is_no_fill_changes_nothing_and_what_was_set_aside_is_told() -> None:
    """The end of an order moves no money; a report that could not be booked is a sentence."""
    closed = OrderClosed("order", "client", "IBM", "canceled", Decimal(0), 0)
    records: list[RiskRecord] = [
        ReportBooked(BookedReport(Report(1, 1, "", closed), Decimal(0), Decimal(0))),
        ReportKept(_booked(_fill(1), 2), "price is not a number"),
        PoisonKept(PoisonReport(Place(1, "IBM", 3), b"?", "unreadable")),
    ]
    account, aside = ledger_account(records, CASH)
    assert account == Account(CASH, {}, ())
    sentences = (
        "IBM: a report was set aside: price is not a number",
        "report 3 of IBM, outbox 1: set aside: unreadable",
    )
    assert aside == sentences


def test_what_two_outboxes_tell_is_one_execution() -> None:
    """Each engine on the account has its own name for it; a second one under the same outbox is one too many."""
    (first,) = _records([_fill(1)])
    again = BookedReport(Report(2, 1, "", _fill(9)), Decimal(0), Decimal(-25))
    account, _ = ledger_account([first, ReportBooked(again)], CASH)
    assert account == _ledger([_fill(1)])
    assert audit(account, ledger_account([first, *_records([_fill(1)])], CASH)[0]).doubled == 1


def test_equal_accounts_have_no_difference() -> None:
    """Nothing lost, nothing doubled, nothing to say."""
    assert audit(BROKER, _ledger(FILLS)) == (0, 0, ())


def test_a_lost_fill_is_counted_and_named_with_what_it_did() -> None:
    """The fill, the position and the cash."""
    found = audit(BROKER, _ledger(FILLS[:2]))
    assert (found.lost, found.doubled) == (1, 0)
    assert found.differences == (
        "1 fill of the broker not in the ledger: fill-3",
        "position BAC: the broker has 10, the ledger 0",
        "cash: the broker has 9962, the ledger 9987",
    )


def test_a_doubled_fill_is_counted_and_named() -> None:
    """Each time more than once counts."""
    found = audit(BROKER, _ledger([*FILLS, FILLS[0], FILLS[0]]))
    assert (found.lost, found.doubled) == (0, 2)
    assert found.differences[0] == "1 fill booked more than once: fill-1"


def test_a_fill_the_broker_does_not_know_is_named() -> None:
    """Also where position and cash happen to be right again."""
    found = audit(BROKER, _ledger([*FILLS, _fill(8), _fill(9, Side.SELL)]))
    assert (found.lost, found.doubled) == (0, 0)
    assert found.differences == ("2 fills in the ledger that the broker does not know: fill-8, fill-9",)


@pytest.mark.parametrize("changed", [_fill(1, quantity=11), _fill(1, price="2.51"), _fill(1, Side.SELL)])
def test_a_fill_booked_otherwise_is_named(changed: Fill) -> None:
    """Quantity, price and side must be the broker's."""
    found = audit(BROKER, _ledger([changed, *FILLS[1:]]))
    assert found.differences[0] == "1 fill booked with another quantity or price: fill-1"


def test_many_fills_are_counted_but_only_some_are_named() -> None:
    """A sentence stays a sentence."""
    broker = Account(CASH, {}, tuple((f"f{n}", Execution("IBM", Side.BUY, CASH, CASH)) for n in range(5)))
    (sentence,) = audit(broker, Account(CASH, {}, ())).differences
    assert sentence == "5 fills of the broker not in the ledger: f0, f1, f2 and 2 more"


_ANY_FILL = st.builds(
    _fill,
    number=st.integers(1, 30),
    side=st.sampled_from(Side),
    quantity=st.integers(1, 500),
    price=st.decimals("0.0001", "999", places=4).map(str),
    symbol=st.sampled_from(["IBM", "BAC"]),
)


@given(st.lists(_ANY_FILL, min_size=1, max_size=20, unique_by=lambda fill: fill.fill_id), st.data())
def test_no_single_mistake_goes_unseen(fills: list[Fill], data: st.DataObject) -> None:
    """Leaving any one fill out, or booking any one twice, is a difference."""
    broker = _ledger(fills)
    position = data.draw(st.integers(0, len(fills) - 1))
    without, twice = fills[:position] + fills[position + 1 :], [*fills, fills[position]]
    assert audit(broker, _ledger(without)).lost == 1
    assert audit(broker, _ledger(twice)).doubled == 1
    assert not audit(broker, _ledger(fills)).differences
