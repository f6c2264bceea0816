"""Orders that were not placed here, or changed there: their fills are booked, and what they may fill is told."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradingmesh.core.checks import Approved, ApprovedSignal, Writer
from tradingmesh.core.fills import Body, Fill, OrderClosed, Report
from tradingmesh.core.orders.effects import (
    Cancel,
    Effect,
    Held,
    Notice,
    Origin,
    Send,
    Snapshot,
    SubmitUnanswered,
)
from tradingmesh.core.orders.record import Execution, OrderUpdate
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.core.signal import Side, Signal
from tradingmesh.core.standing import EngineStarted, OpeningPosition, OrderWorking

CONTACT = 1_000_000
NOW = 5_000_000
CLIENT = "tm-s-1-e7"


def table() -> OrderTable:
    orders = OrderTable(Writer(7, 3))
    orders.blocked, orders.first_contact_ns = "", CONTACT
    return orders


def said(event: str, cumulative: int = 0, fill: int = 0, client: str = "hand", **changes: Any) -> OrderUpdate:
    update = OrderUpdate(
        event=event,
        order_id="b-1",
        client_order_id=client,
        symbol="IBM",
        side=Side.SELL,
        quantity=Decimal(100),
        cumulative_quantity=Decimal(cumulative),
        timestamp_ns=NOW + cumulative,
        execution=Execution(f"x{cumulative}", Decimal(fill), Decimal("10.25")) if fill else None,
        created_ns=CONTACT + 1,
    )
    return msgspec.structs.replace(update, **changes)


def reports(effects: Iterable[Effect]) -> list[Report]:
    return [effect.report for effect in effects if isinstance(effect, Send)]


def bodies(effects: Iterable[Effect]) -> list[Body]:
    return [report.body for report in reports(effects)]


def notices(effects: Iterable[Effect]) -> list[str]:
    return [effect.what for effect in effects if isinstance(effect, Notice)]


def working(quantity: int | None, price: str | None = None, notional: str | None = None) -> OrderWorking:
    open_quantity = None if quantity is None else Decimal(quantity)
    open_notional = None if notional is None else Decimal(notional)
    limit = None if price is None else Decimal(price)
    return OrderWorking("b-1", "hand", "IBM", Side.SELL, open_quantity, limit, open_notional)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, working(100)),
        ({"limit_price": Decimal("10.5")}, working(100, "10.5")),
        ({"stop_price": Decimal(9)}, working(100, "9")),
        ({"limit_price": Decimal(8), "stop_price": Decimal(9)}, working(100, "8")),
        ({"quantity": None, "notional": Decimal("250.5")}, working(None, None, "250.5")),
    ],
)
@pytest.mark.parametrize("way", ["stream", "asked"])
def test_what_it_may_fill_is_told(changes: dict[str, Any], told: OrderWorking, way: str) -> None:
    """By quantity at its price, or by money; once, under a reservation of its own."""
    orders, update = table(), said("new", **changes)
    asked = Snapshot(NOW, (update,), ())
    effects = orders.on_update(update) if way == "stream" else orders.on_snapshot(asked, NOW)
    (report,) = reports(effects)
    assert (report.body, report.reservation_id) == (told, "o-b-1")
    assert notices(effects) == ["adopted"]
    assert reports(orders.on_snapshot(Snapshot(NOW, (update,), ()), NOW)) == []


def test_change_of_it_is_told() -> None:
    """Quantity and price are what the broker says last; the end is an end like any other."""
    orders = table()
    orders.on_update(said("new", limit_price=Decimal(10)))
    (fill,) = bodies(orders.on_update(said("partial_fill", 30, 30)))
    assert isinstance(fill, Fill)
    assert bodies(orders.on_update(said("restated", 30, quantity=Decimal(80), limit_price=Decimal(9)))) == [
        working(50, "9")
    ]
    assert bodies(orders.on_update(said("restated", 30, quantity=Decimal(30)))) == [working(0, "9")]
    (end,) = reports(orders.on_update(said("canceled", 30)))
    assert (type(end.body), end.reservation_id) == (OrderClosed, "o-b-1")


def test_own_order_that_the_broker_changed_is_told() -> None:
    """Under the reservation that it has."""
    orders = table()
    signal = Signal("s-1", "s", "IBM", Side.SELL, Decimal(100), Decimal(10), NOW, NOW + 10_000)
    wish = ApprovedSignal(signal, Approved("r-s-1", NOW + 10_000, ()))
    orders.on_signal(wish, Origin(), NOW)
    orders.on_decision(CLIENT, wish.approval, NOW)
    assert reports(orders.on_update(said("new", client=CLIENT))) == []
    (report,) = reports(orders.on_update(said("restated", client=CLIENT, quantity=Decimal(60))))
    assert report.body == OrderWorking("b-1", CLIENT, "IBM", Side.SELL, Decimal(60), None)
    assert report.reservation_id == "r-s-1"


def test_order_of_ours_that_another_outbox_placed_keeps_its_reservation() -> None:
    """The outbox was lost, or another engine is at work: what was reserved for it is what it uses."""
    (report,) = reports(table().on_update(said("new", client="tm-momentum-1a-7-e99")))
    assert report.reservation_id == "r-momentum-1a-7"


@pytest.mark.parametrize("way", ["stream", "asked"])
def test_fills_missed_before_it_was_known_are_booked(way: str) -> None:
    """It was placed in our time: all that it filled is ours to book, and until that is there, it is in doubt."""
    orders = table()
    first = said("partial_fill", 60, 20) if way == "stream" else said("partial_fill", 60)
    effects = orders.on_update(first) if way == "stream" else orders.on_snapshot(Snapshot(NOW, (first,), ()), NOW)
    assert [order.short for order in orders.doubtful()] == [True]
    activities = (said("partial_fill", 40, 40, ""), said("partial_fill", 60, 20, ""))
    effects += orders.on_snapshot(Snapshot(NOW, (said("partial_fill", 60),), activities), NOW)
    fills = [body.quantity for body in bodies(effects) if isinstance(body, Fill)]
    assert sorted(fills) == [Decimal(20), Decimal(40)]
    assert orders.doubtful() == []
    assert "over-fill" not in notices(effects)


def test_what_it_filled_before_the_first_contact_is_not_booked() -> None:
    """That is in the positions that we began with."""
    orders = table()
    old = said("partial_fill", 60, created_ns=CONTACT - 1)
    assert bodies(orders.on_snapshot(Snapshot(NOW, (old,), ()), NOW)) == [working(40)]
    assert orders.doubtful() == []


def test_nothing_is_booked_before_the_first_contact() -> None:
    """The account is looked at then, with all that was filled until then in it."""
    orders = table()
    orders.first_contact_ns = 0
    assert orders.on_update(said("partial_fill", 60, 20)) == []
    assert orders.open_orders() == []


def test_what_the_account_holds_is_taken_over() -> None:
    """One report a symbol, at what a share is worth then."""
    effects = table().opened([Held("IBM", Decimal(-5), Decimal("10.25")), Held("KO", Decimal(0), Decimal(1))])
    (report,) = reports(effects)
    assert (report.symbol_sequence, report.reservation_id) == (1, "")
    assert report.body == OpeningPosition("IBM", Decimal(-5), Decimal("10.25"), CONTACT)


def test_fill_of_an_order_that_nobody_named_is_asked_about() -> None:
    """It may be one of ours whose answer is under way: it is booked when the broker says whose it is."""
    orders = table()
    fill = said("partial_fill", 60, 60, "", created_ns=0, quantity=None)
    effects = orders.on_snapshot(Snapshot(NOW, (), (fill,)), NOW)
    assert (notices(effects), reports(effects), orders.unnamed) == (["unnamed"], [], {"b-1"})
    assert orders.to_look_up() == ["b-1"]
    told = orders.on_snapshot(Snapshot(NOW, (said("partial_fill", 60),), (fill,)), NOW)
    assert [type(body) for body in bodies(told)] == [OrderWorking, Fill]
    assert orders.unnamed == set()


def test_fill_of_an_order_that_the_broker_does_not_show_is_booked() -> None:
    """Money moved all the same; the order goes by the broker's id, whatever name it is given later."""
    orders = table()
    fill = said("partial_fill", 60, 60, "", created_ns=0, quantity=None)
    orders.on_snapshot(Snapshot(NOW, (), (fill,)), NOW)
    effects = orders.on_snapshot(Snapshot(NOW, (), (fill,), ("b-1",)), NOW)
    assert Fill in [type(body) for body in bodies(effects)]
    later = orders.on_update(said("fill", 100, 40))
    assert [type(body) for body in bodies(later)] == [Fill, OrderClosed]
    assert {report.reservation_id for report in reports(later)} == {"o-b-1"}


def test_order_given_up_and_yet_there_lives_and_ends_once_more() -> None:
    """It is reserved for again while it is being canceled, and its end gives that back."""
    orders = table()
    signal = Signal("s-1", "s", "IBM", Side.SELL, Decimal(100), Decimal(10), NOW, NOW + 10_000)
    wish = ApprovedSignal(signal, Approved("r-s-1", NOW + 10_000, ()))
    orders.on_signal(wish, Origin(), NOW)
    orders.on_decision(CLIENT, wish.approval, NOW)
    orders.on_submitted(SubmitUnanswered(CLIENT, "timeout"), NOW)
    orders.on_snapshot(Snapshot(NOW, (), (), (CLIENT,)), NOW, {CLIENT})
    effects = orders.on_update(said("new", client=CLIENT))
    assert [type(body) for body in bodies(effects)] == [OrderWorking]
    assert [type(effect) for effect in effects if isinstance(effect, Cancel)] == [Cancel]
    effects = orders.on_update(said("partial_fill", 40, 40, CLIENT))
    effects += orders.on_update(said("canceled", 40, client=CLIENT))
    assert [(type(r.body), r.reservation_id) for r in reports(effects)] == [(Fill, "r-s-1"), (OrderClosed, "r-s-1")]
    assert orders.open_orders() == []


def test_more_than_was_ordered_is_booked_and_told() -> None:
    """Each time that it is more."""
    orders = table()
    orders.on_update(said("new"))
    effects = orders.on_update(said("fill", 130, 130))
    assert [type(body) for body in bodies(effects)] == [Fill, OrderClosed]
    assert notices(effects) == ["over-fill"]
    assert notices(orders.on_update(said("fill", 140, 10))) == ["over-fill"]
    assert notices(orders.on_update(said("fill", 140))) == []


def test_symbol_that_is_held_takes_no_order() -> None:
    """Others do."""
    orders = table()
    orders.held_symbols = {"IBM": "the broker's word on IBM cannot be read"}
    for symbol, kinds in (("IBM", [OrderClosed]), ("KO", [])):
        signal = Signal(symbol, "s", symbol, Side.SELL, Decimal(100), Decimal(10), NOW, NOW + 10_000)
        wish = ApprovedSignal(signal, Approved("r", NOW + 10_000, ()))
        assert [type(body) for body in bodies(orders.on_signal(wish, Origin(), NOW))] == kinds


def test_a_life_that_begins_tells_what_is_used() -> None:
    """By open orders, and by reports that are not acknowledged; on a line of its own."""
    orders = table()
    orders.on_update(said("new"))
    (report,) = reports(orders.started(["r-1", "", "r-1"]))
    assert report.body == EngineStarted(3, ("o-b-1", "r-1"))
    assert (report.body.symbol, report.symbol_sequence, report.outbox_epoch) == ("", 1, 7)
