"""Orders and fills on the live page: whatever order their events come in, the newest first, and never too many."""

from decimal import Decimal
from itertools import permutations

import pytest

from tests.unit.page_told import canceled, filled, placed, rejected
from tradingmesh.core.page.orders import Fills, OrderEvent, Orders, status_of, with_event, with_fill
from tradingmesh.core.page.rows import FILLS_MAX, ORDERS_MAX, TEXT_MAX


def after(*events: OrderEvent) -> Orders:
    orders: Orders = ()
    for event in events:
        orders = with_event(orders, event)
    return orders


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([placed("a")], "new"),
        ([placed("a"), filled("a", "100")], "partially_filled"),
        ([placed("a"), filled("a", "100"), filled("a", "300")], "filled"),
        ([placed("a"), canceled("a")], "canceled"),
        ([placed("a"), filled("a", "100"), canceled("a", "100", "expired")], "expired"),
        ([rejected("a")], "rejected"),
    ],
)
def test_a_status_follows_from_every_order_of_the_events(events: list[OrderEvent], status: str) -> None:
    """They come from several processes: which was first, nobody knows."""
    for told in permutations(events):
        [row] = after(*told)
        assert status_of(row) == status


def test_a_fill_whose_order_was_not_heard_of_is_an_order() -> None:
    """The page began after it was placed, or the event is lost: how much was ordered is not known."""
    [row] = after(filled("a", "100"))
    assert (row.symbol, row.side, row.quantity, row.filled) == ("IBM", "buy", None, Decimal(100))
    assert status_of(row) == "partially_filled"


def test_an_order_carries_its_trace_and_its_reason() -> None:
    """Whoever sees it on the page finds it in the logs."""
    assert after(placed("a"))[0].trace_id == "trace-a"
    assert after(rejected("a"))[0].reason == "not tradable"


def test_the_newest_orders_stay() -> None:
    """So many rows, newest first."""
    orders = after(*(placed(str(number)) for number in range(ORDERS_MAX + 5)))
    assert [row.client_order_id for row in orders] == [str(n) for n in range(ORDERS_MAX + 4, 4, -1)]


def test_an_order_keeps_its_place() -> None:
    """A fill moves no row while one reads."""
    assert [row.client_order_id for row in after(placed("a"), placed("b"), filled("a", "100"))] == ["b", "a"]


def test_a_quantity_that_is_no_number_is_unknown() -> None:
    """It is compared with nothing."""
    [row] = after(placed("a", "sNaN"), filled("a", "NaN"))
    assert (row.quantity, row.filled, status_of(row)) == (None, Decimal(0), "new")


def test_fills_are_there_once_with_their_figures() -> None:
    """Newest first, exact, each with its trace; one that is told twice is one."""
    fills: Fills = ()
    for event in (filled("a", "100"), filled("a", "200"), filled("a", "100")):
        fills = with_fill(fills, event)
    assert [row.fill_id for row in fills] == ["a:200", "a:100"]
    newest = fills[0]
    assert (newest.quantity, newest.price, newest.commission, newest.slippage) == ("100", "190.25", "0.5", "1.25")
    assert (newest.trace_id, newest.booked_ms) == ("trace-a", 2)


def test_the_newest_fills_stay() -> None:
    """So many rows."""
    fills: Fills = ()
    for number in range(FILLS_MAX + 5):
        fills = with_fill(fills, filled("a", "100", fill=str(number)))
    assert len(fills) == FILLS_MAX
    assert fills[0].fill_id == str(FILLS_MAX + 4)


def test_a_long_id_is_cut_and_still_one_order() -> None:
    """What is cut is cut the same way each time."""
    [row] = after(placed("x" * 1_000), filled("x" * 1_000, "300"))
    assert len(row.client_order_id) == TEXT_MAX
    assert status_of(row) == "filled"
