"""The order's transition table, and what must hold of any run of events through it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.errors import IllegalTransitionError
from tradingmesh.core.money import ZERO
from tradingmesh.core.orders.lifecycle import TRANSITIONS, advance, next_status
from tradingmesh.core.orders.record import TERMINAL, Execution, Order, OrderEvent, OrderStatus, OrderUpdate
from tradingmesh.core.signal import Side

E, S = OrderEvent, OrderStatus
FILLS = (E.FILL, E.PARTIAL_FILL)
ENDS = {E.FILL: S.FILLED, E.CANCELED: S.CANCELED, E.EXPIRED: S.EXPIRED, E.REPLACED: S.REPLACED, E.REJECTED: S.REJECTED}


def order(status: OrderStatus = S.NEW, quantity: int = 100, filled: int = 0) -> Order:
    return Order(
        client_order_id="tm-a-1",
        symbol="IBM",
        side=Side.BUY,
        quantity=Decimal(quantity),
        created_ns=1,
        status=status,
        filled_quantity=Decimal(filled),
        reported_quantity=Decimal(filled),
    )


def update(event: OrderEvent, cumulative: int = 0, fill: int = 0) -> OrderUpdate:
    execution = Execution(f"x{cumulative}", Decimal(fill), Decimal(10)) if fill else None
    return OrderUpdate(event, "b-1", "tm-a-1", "IBM", Side.BUY, Decimal(cumulative), 2, execution=execution)


def step(before: Order, event: OrderEvent, cumulative: int = 0, fill: int = 0) -> Order:
    message = update(event, cumulative, fill)
    return advance(before, message, message.execution)


def test_table_knows_every_status() -> None:
    """Every status has a row, and every kind of event is legal somewhere."""
    assert set(TRANSITIONS) == set(OrderStatus)
    assert {event for row in TRANSITIONS.values() for event in row} == set(OrderEvent)


def test_illegal_moves_are_these_and_no_others() -> None:
    """Illegal is another end after an end, and the rejection of what has filled."""
    illegal = {(status, event) for status in S for event in E if event not in TRANSITIONS[status]}
    contradicted = {(end, event) for end in TERMINAL for event, to in ENDS.items() if to is not end}
    late_fills = {(end, E.FILL) for end in TERMINAL}
    assert illegal == (contradicted - late_fills) | {(S.PARTIALLY_FILLED, E.REJECTED)}


@pytest.mark.parametrize("status", sorted(TERMINAL))
@pytest.mark.parametrize("event", list(OrderEvent))
def test_terminal_is_final(status: OrderStatus, event: OrderEvent) -> None:
    """No event moves an order out of a terminal status."""
    assert TRANSITIONS[status].get(event, status) is status


@pytest.mark.parametrize("status", sorted(set(S) - TERMINAL))
@pytest.mark.parametrize("event", sorted(set(ENDS) - {E.REJECTED}))
def test_open_order_can_end(status: OrderStatus, event: OrderEvent) -> None:
    """Every open order can fill, be canceled, expire or be replaced."""
    assert next_status(status, event) is ENDS[event]


@pytest.mark.parametrize(
    ("status", "event", "to"),
    [
        (S.INTENDED, E.NEW, S.NEW),
        (S.INTENDED, E.REJECTED, S.REJECTED),
        (S.NEW, E.PENDING_NEW, S.NEW),
        (S.NEW, E.PARTIAL_FILL, S.PARTIALLY_FILLED),
        (S.PARTIALLY_FILLED, E.NEW, S.PARTIALLY_FILLED),
        (S.PARTIALLY_FILLED, E.PENDING_CANCEL, S.PENDING_CANCEL),
        (S.PENDING_CANCEL, E.PARTIAL_FILL, S.PENDING_CANCEL),
        (S.PENDING_CANCEL, E.ORDER_CANCEL_REJECTED, S.NEW),
        (S.PENDING_REPLACE, E.ORDER_REPLACE_REJECTED, S.NEW),
        (S.PENDING_REPLACE, E.NEW, S.PENDING_REPLACE),
        (S.SUSPENDED, E.NEW, S.NEW),
        (S.DONE_FOR_DAY, E.NEW, S.NEW),
        (S.STOPPED, E.NEW, S.STOPPED),
        (S.FILLED, E.NEW, S.FILLED),
        (S.FILLED, E.ORDER_CANCEL_REJECTED, S.FILLED),
        (S.CANCELED, E.PARTIAL_FILL, S.CANCELED),
    ],
)
def test_moves_of_note(status: OrderStatus, event: OrderEvent, to: OrderStatus) -> None:
    """The moves that a reader asks about."""
    assert next_status(status, event) is to


def test_illegal_move_leaves_the_order() -> None:
    """The error names both, and the order is unchanged."""
    filled = order(S.FILLED, filled=100)
    with pytest.raises(IllegalTransitionError, match="canceled does not fit an order that is filled"):
        step(filled, E.CANCELED)
    assert filled == order(S.FILLED, filled=100)


def test_overfill_counts() -> None:
    """The broker's account is the truth: what it says it executed is not argued with."""
    after = step(order(S.PARTIALLY_FILLED, filled=60), E.FILL, cumulative=110, fill=50)
    assert (after.filled_quantity, after.quantity, after.closed) == (Decimal(110), Decimal(100), True)


@pytest.mark.parametrize("status", list(OrderStatus))
@pytest.mark.parametrize("event", sorted(FILLS))
def test_no_execution_is_ever_forbidden(status: OrderStatus, event: OrderEvent) -> None:
    """Whatever was heard before: an event that carries money is taken in."""
    assert step(order(status), event, cumulative=40, fill=40).filled_quantity == 40


def test_event_of_another_kind_moves_no_status() -> None:
    """What else it says is taken: here, that there are fills we did not hear of."""
    message = OrderUpdate("trade_bust", "b-1", "tm-a-1", "IBM", Side.BUY, Decimal(40), 2)
    after = advance(order(S.NEW), message, None)
    assert (after.status, after.short) == (S.NEW, True)


def test_late_fill_after_cancel_is_booked() -> None:
    """The status stays, the quantity counts."""
    after = step(order(S.CANCELED, filled=10), E.PARTIAL_FILL, cumulative=30, fill=20)
    assert (after.status, after.filled_quantity, after.closed) == (S.CANCELED, Decimal(30), True)


def test_end_before_its_fills_is_not_closed() -> None:
    """A terminal order stays open in the books until every fill that the broker speaks of is there."""
    early = step(order(), E.FILL, cumulative=100, fill=60)
    assert (early.status, early.short, early.closed) == (S.FILLED, True, False)
    whole = step(early, E.PARTIAL_FILL, cumulative=40, fill=40)
    assert (whole.status, whole.short, whole.closed) == (S.FILLED, False, True)


def test_refused_cancel_of_a_partly_filled_order() -> None:
    """What goes on working and has fills is partially filled, not new."""
    after = step(order(S.PENDING_CANCEL, filled=10), E.ORDER_CANCEL_REJECTED, cumulative=10)
    assert after.status is S.PARTIALLY_FILLED


def test_restated_changes_the_quantity() -> None:
    """The broker may change an order by itself: its quantity is then the order's."""
    message = OrderUpdate(E.RESTATED, "b-1", "tm-a-1", "IBM", Side.BUY, ZERO, 2, quantity=Decimal(50))
    assert advance(order(), message, None).quantity == 50


@given(st.lists(st.tuples(st.sampled_from(list(OrderEvent)), st.integers(1, 60)), max_size=30))
def test_any_run_of_events(events: list[tuple[OrderEvent, int]]) -> None:
    """Whatever comes: filled grows by what was executed, and an end is final."""
    now = order(S.INTENDED)
    for event, size in events:
        cumulative = int(now.filled_quantity) + size
        try:
            after = step(now, event, cumulative, size) if event in FILLS else step(now, event)
        except IllegalTransitionError:
            continue
        assert after.filled_quantity - now.filled_quantity == (size if event in FILLS else 0)
        assert after.reported_quantity >= now.reported_quantity
        assert not now.terminal or after.status is now.status
        assert after.order_id == "b-1"
        now = after
