"""When cancels are asked for: at once, again while an order is still open, and never in a storm."""

from decimal import Decimal

import pytest

from tradingmesh.contract import TradingState
from tradingmesh.core.orders.record import Order
from tradingmesh.core.orders.withdrawals import AGAIN_NS, AT_ONCE, PACE_NS, Withdrawals
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.signal import Side
from tradingmesh.core.trading_status import TradingStatus, Withdraw

MONOTONIC_NS = 10**12


def _status(withdraw: Withdraw, *ids: str) -> TradingStatus:
    active = TradingState.ACTIVE
    return TradingStatus(
        active, active, active, BreakerState.CLOSED, "", 0, flattening=False, refused="", withdraw=withdraw,
        reservation_ids=ids,
    )  # fmt: skip


def _orders(count: int) -> list[Order]:
    return [
        Order(f"tm-{n}", "IBM", Side.BUY, Decimal(1), 1, reservation_id=f"r-{n}", order_id=f"b-{n}")
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("status", "due"),
    [
        (_status(Withdraw.NONE), []),
        (_status(Withdraw.LISTED, "r-1", "r-9"), ["tm-1"]),
        (_status(Withdraw.ALL_BUT), ["tm-0", "tm-1", "tm-2"]),
        (_status(Withdraw.ALL_BUT, "r-1"), ["tm-0", "tm-2"]),
    ],
)
def test_what_the_status_withdraws_is_canceled(status: TradingStatus, due: list[str]) -> None:
    """And nothing else."""
    found = Withdrawals().due(_orders(3), status, MONOTONIC_NS)
    assert [order.client_order_id for order in found] == due


def test_a_cancel_is_asked_for_again_while_the_order_is_open() -> None:
    """Not at every look: after three seconds."""
    asked, status, (order,) = Withdrawals(), _status(Withdraw.ALL_BUT), _orders(1)
    times_ns = [0, 1, AGAIN_NS - 1, AGAIN_NS, AGAIN_NS + 1, 2 * AGAIN_NS]
    assert [len(asked.due([order], status, MONOTONIC_NS + ns)) for ns in times_ns] == [1, 0, 0, 1, 0, 1]
    assert asked.due([], status, MONOTONIC_NS + 3 * AGAIN_NS) == []


def test_an_order_withdrawn_anew_is_canceled_at_once() -> None:
    """Halted, resumed, halted again within a second: the second halt does not wait for the first one's turn."""
    asked, orders = Withdrawals(), _orders(1)
    for status, count in ((Withdraw.ALL_BUT, 1), (Withdraw.NONE, 0), (Withdraw.ALL_BUT, 1)):
        assert len(asked.due(orders, _status(status), MONOTONIC_NS)) == count


def test_a_burst_is_bounded_and_then_paced() -> None:
    """Fifty at once; after that as many as Alpaca's rate has room for. Each order gets its turn."""
    asked, status, orders = Withdrawals(), _status(Withdraw.ALL_BUT), _orders(200)
    first = asked.due(orders, status, MONOTONIC_NS)
    assert len(first) == AT_ONCE
    within_minute = sum(len(asked.due(orders, status, MONOTONIC_NS + n * 100_000_000)) for n in range(1, 600))
    assert within_minute <= 60 * 10**9 // PACE_NS + 1 < 200


def test_none_waits_behind_others_that_are_asked_for_again() -> None:
    """The broker cancels nothing: still every order is asked for before any is a second time."""
    asked, status, orders = Withdrawals(), _status(Withdraw.ALL_BUT), _orders(200)
    seen: list[str] = []
    for n in range(600):
        seen += [order.client_order_id for order in asked.due(orders, status, MONOTONIC_NS + n * 100_000_000)]
    assert len(set(seen[:200])) == 200
    assert len(seen) > 200
