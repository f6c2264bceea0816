"""Alpaca's JSON to order updates, exactly or not at all. The samples are the shapes of its documentation."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.adapters.alpaca_trading_json import (
    fill_update,
    order_request,
    order_update,
    rfc3339,
    stream_update,
    time_ns,
)
from tradingmesh.core.errors import InputError
from tradingmesh.core.orders.record import Order, OrderEvent
from tradingmesh.core.signal import OrderType, Side, TimeInForce

ORDER: dict[str, Any] = {
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
    "client_order_id": "tm-s-1-e7",
    "created_at": "2021-03-16T18:38:01.942282Z",
    "submitted_at": "2021-03-16T18:38:01.937734Z",
    "updated_at": "2021-03-16T18:38:02.1Z",
    "symbol": "IBM",
    "qty": "100.5",
    "filled_qty": "40",
    "filled_avg_price": "1.5",
    "side": "buy",
    "status": "partially_filled",
    "type": "market",
}
FILL: dict[str, Any] = {
    "event": "partial_fill",
    "execution_id": "2f63ea93-423d-4169-b3f6-3fdafc10c418",
    "order": ORDER,
    "price": "1.123456789",
    "qty": "40",
    "position_qty": "140",
    "timestamp": "2021-03-16T18:38:01.942282123Z",
}
ACTIVITY: dict[str, Any] = {
    "activity_type": "FILL",
    "cum_qty": "40",
    "id": "20220202135509981::2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e",
    "leaves_qty": "60.5",
    "order_id": ORDER["id"],
    "price": "174.78",
    "qty": "40",
    "side": "sell_short",
    "symbol": "IBM",
    "transaction_time": "2022-02-02T13:55:09.981482-05:00",
    "type": "partial_fill",
}


def test_stream_fill() -> None:
    """Every figure is exact, and the time has its nanoseconds."""
    update = stream_update(FILL)
    assert update.execution is not None
    assert (update.execution.price, update.execution.quantity) == (Decimal("1.123456789"), Decimal(40))
    assert (update.execution.fill_id, update.cumulative_quantity) == (FILL["execution_id"], Decimal(40))
    assert (update.timestamp_ns, update.created_ns) == (1615919881942282123, 1615919881937734000)
    assert (update.order_id, update.client_order_id, update.side) == (ORDER["id"], "tm-s-1-e7", Side.BUY)
    assert update.quantity == Decimal("100.5")


@pytest.mark.parametrize("event", [*OrderEvent, "trade_bust"])
def test_every_event_is_read(event: str) -> None:
    """Also those that alpaca-py has no name for, and those that nobody has."""
    update = stream_update({**FILL, "event": event})
    assert update.event == event
    assert (update.execution is not None) == (event in ("fill", "partial_fill"))


def test_fill_without_execution_id() -> None:
    """It is optional in Alpaca's model: the order table makes one of the order's progress."""
    update = stream_update({key: value for key, value in FILL.items() if key != "execution_id"})
    assert update.execution is not None
    assert update.execution.fill_id == ""


@pytest.mark.parametrize(
    ("status", "event"),
    [("partially_filled", "partial_fill"), ("filled", "fill"), ("held", "accepted"), ("new", "new"), ("odd", "odd")],
)
def test_order_status_is_the_event_that_led_there(status: str, event: str) -> None:
    """And brings no execution: fills are asked for one by one."""
    update = order_update({**ORDER, "status": status})
    assert (update.event, update.execution) == (event, None)


def test_order_by_notional_has_no_quantity() -> None:
    """Alpaca says null."""
    assert order_update({**ORDER, "qty": None, "filled_qty": "0"}).quantity is None


def test_activity() -> None:
    """Its id ends in the execution's; it knows neither the client order id nor the order's quantity."""
    update = fill_update(ACTIVITY)
    assert update.execution is not None
    assert update.execution.fill_id == "2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e"
    assert (update.event, update.client_order_id, update.side) == ("partial_fill", "", Side.SELL)
    assert update.timestamp_ns == 1643828109981482000


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"price": 1.5}, "price"),
        ({"price": "-1"}, "a fill of 40 at -1"),
        ({"price": None}, "price"),
        ({"qty": "0"}, "a fill of 0"),
        ({"qty": "NaN"}, "qty"),
        ({"qty": "1.0000000001"}, "qty"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"event": 7}, "event"),
        ({"order": "none"}, "order"),
        ({"order": {**ORDER, "side": "up"}}, "side"),
        ({"order": {**ORDER, "id": None}}, "id"),
        ({"order": {**ORDER, "filled_qty": "-1"}}, "filled_qty"),
        ({"order": {**ORDER, "symbol": ""}}, "symbol"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], field: str) -> None:
    """A float is refused like text that is no number: it cannot carry money."""
    with pytest.raises(InputError, match=field):
        stream_update({**FILL, **change})


@pytest.mark.parametrize("filled", [None, "0", "39.9"])
def test_fill_beyond_what_its_order_has_filled_is_not_read(filled: str | None) -> None:
    """Fills are told apart by what the order had filled with them: two of these would be taken for one."""
    with pytest.raises(InputError, match="40 is more than"):
        stream_update({**FILL, "order": {**ORDER, "filled_qty": filled}})
    with pytest.raises(InputError, match="cum_qty" if filled is None else "40 is more than"):
        fill_update({**ACTIVITY, "cum_qty": filled})


def test_order_request() -> None:
    """Text only, without exponents; a limit where there is one."""
    order = Order("c-1", "IBM", Side.SELL, Decimal("1E+2"), 1)
    body = {"symbol": "IBM", "side": "sell", "qty": "100", "type": "market", "time_in_force": "day"}
    assert order_request(order) == {**body, "client_order_id": "c-1"}
    limit = Order(
        "c-1",
        "IBM",
        Side.SELL,
        Decimal("0.5"),
        1,
        order_type=OrderType.STOP_LIMIT,
        time_in_force=TimeInForce.GTC,
        limit_price=Decimal("10.50"),
        stop_price=Decimal(11),
    )
    request = order_request(limit)
    assert (request["qty"], request["limit_price"], request["stop_price"]) == ("0.5", "10.5", "11")
    assert (request["type"], request["time_in_force"]) == ("stop_limit", "gtc")


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_time_there_and_back(at_ns: int) -> None:
    """What is asked for is to the microsecond, rounded down: nothing since then is left out."""
    assert time_ns(rfc3339(at_ns), "t") == at_ns // 1_000 * 1_000
