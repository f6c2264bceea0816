"""The order table: what becomes of a signal, and of whatever the broker says, in any order and any number of times."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradingmesh.core.checks import Approved, ApprovedSignal, Check, Refused, Stage, Writer
from tradingmesh.core.events import OrderCanceled, OrderPlaced, OrderRejected
from tradingmesh.core.fills import Fill, OrderClosed, Report
from tradingmesh.core.money import ZERO
from tradingmesh.core.orders.effects import (
    Ask,
    Cancel,
    Effect,
    Notice,
    Origin,
    Save,
    Send,
    Snapshot,
    Submit,
    SubmitAnswered,
    SubmitRefused,
    SubmitUnanswered,
    Tell,
)
from tradingmesh.core.orders.record import Execution, OrderUpdate
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.core.signal import Side, Signal

NOW = 1_000_000_000_000
CLIENT = "tm-s-1-e7"
ORIGIN = Origin("t")
YES = Approved("r-1", NOW + 30_000, (Check.DUPLICATE,))


def approved(number: int = 1, quantity: int = 100, valid_ns: int = 10_000) -> ApprovedSignal:
    signal = Signal(f"s-{number}", "s", "IBM", Side.BUY, Decimal(quantity), Decimal("10.5"), NOW, NOW + valid_ns)
    return ApprovedSignal(signal, msgspec.structs.replace(YES, reservation_id=f"r-{number}"))


def table() -> OrderTable:
    orders = OrderTable(Writer(7, 1))
    orders.blocked = ""
    orders.first_contact_ns = NOW
    return orders


def said(event: str, cumulative: int = 0, fill: int = 0, fill_id: str = "", *, number: int = 1) -> OrderUpdate:
    return OrderUpdate(
        event=event,
        order_id=f"b-{number}",
        client_order_id=f"tm-s-{number}-e7",
        symbol="IBM",
        side=Side.BUY,
        quantity=Decimal(100),
        cumulative_quantity=Decimal(cumulative),
        timestamp_ns=NOW + cumulative,
        execution=Execution(fill_id, Decimal(fill), Decimal("10.25")) if fill else None,
    )


def submitted(orders: OrderTable, number: int = 1) -> list[Effect]:
    wish = approved(number)
    orders.on_signal(wish, ORIGIN, NOW)
    return orders.on_decision(f"tm-s-{number}-e7", wish.approval, NOW)


def reports(effects: Iterable[Effect]) -> list[Report]:
    return [effect.report for effect in effects if isinstance(effect, Send)]


def told(effects: Iterable[Effect]) -> list[type]:
    return [effect.type_ for effect in effects if isinstance(effect, Tell)]


def notices(effects: Iterable[Effect]) -> list[str]:
    return [effect.what for effect in effects if isinstance(effect, Notice)]


def closes(effects: Iterable[Effect]) -> list[OrderClosed]:
    return [report.body for report in reports(effects) if isinstance(report.body, OrderClosed)]


def test_signal_asks_the_risk_manager() -> None:
    """The second check is at stage ORDER, with the reservation, under the client order id."""
    (ask,) = table().on_signal(approved(), ORIGIN, NOW)
    assert isinstance(ask, Ask)
    request = ask.request
    assert (request.request_id, request.stage, request.reservation_id) == (CLIENT, Stage.ORDER, "r-1")
    assert request.current_price == Decimal("10.5")


def test_approval_submits_after_saving() -> None:
    """The intent is kept before the order goes."""
    save, submit = submitted(table())
    assert isinstance(save, Save)
    assert isinstance(submit, Submit)
    assert save.order == submit.order
    assert submit.origin == ORIGIN
    assert (submit.order.client_order_id, submit.order.reservation_id, submit.order.status) == (
        CLIENT,
        "r-1",
        "intended",
    )


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        ("late", "past its valid-until"),
        ("endless", "valid for longer than an hour"),
        ("expired", "the approval has expired"),
        ("blocked", "the stream is down"),
        ("refused", "circuit-breaker: open"),
        ("late-answer", "past its valid-until"),
        ("blocked-answer", "the stream is down"),
    ],
)
def test_refusal_releases_the_reservation(prepare: str, reason: str) -> None:
    """Whatever stops a signal, nothing is submitted, it is told, and the reservation is given back once."""
    orders = table()
    wish = approved()
    if prepare == "late":
        wish = approved(valid_ns=-1)
    if prepare == "endless":
        wish = approved(valid_ns=10**13)
    if prepare == "expired":
        wish = ApprovedSignal(wish.signal, msgspec.structs.replace(YES, expires_ns=NOW - 1))
    orders.blocked = "the stream is down" if prepare == "blocked" else ""
    effects = orders.on_signal(wish, ORIGIN, NOW)
    if prepare == "refused":
        effects = orders.on_decision(CLIENT, Refused(Check.CIRCUIT_BREAKER, "circuit-breaker: open"), NOW)
    if prepare == "late-answer":
        effects = orders.on_decision(CLIENT, YES, NOW + 10_001)
    if prepare == "blocked-answer":
        orders.blocked = "the stream is down"
        effects = orders.on_decision(CLIENT, YES, NOW)
    (closed,) = closes(effects)
    assert reason in closed.reason
    assert (closed.status, closed.filled_quantity, closed.client_order_id) == ("rejected", ZERO, CLIENT)
    assert reports(effects)[0].reservation_id == wish.approval.reservation_id
    assert told(effects) == [OrderRejected]
    assert not [effect for effect in effects if isinstance(effect, Submit)]
    assert orders.open_orders() == []


@pytest.mark.parametrize("stage", ["asking", "posting", "refused"])
def test_duplicate_signal_does_nothing(stage: str) -> None:
    """One signal, one order; and the reservation of the first is not given back by the second."""
    orders = table()
    orders.on_signal(approved(), ORIGIN, NOW)
    if stage == "posting":
        orders.on_decision(CLIENT, YES, NOW)
    if stage == "refused":
        orders.on_decision(CLIENT, Refused(Check.DUPLICATE, "x"), NOW)
    effects = orders.on_signal(approved(), ORIGIN, NOW)
    assert (notices(effects), len(effects)) == (["duplicate-signal"], 1)


def test_fills_then_close_in_sequence() -> None:
    """Fills and the end become reports with consecutive sequence numbers; the end comes last."""
    orders = table()
    submitted(orders)
    effects = orders.on_submitted(SubmitAnswered(said("accepted")), NOW)
    assert told(effects) == [OrderPlaced]
    effects = orders.on_update(said("new"))
    effects += orders.on_update(said("partial_fill", 40, 40, "x1"))
    effects += orders.on_update(said("fill", 100, 60, "x2"))
    got = reports(effects)
    assert [report.symbol_sequence for report in got] == [1, 2, 3]
    assert [type(report.body) for report in got] == [Fill, Fill, OrderClosed]
    first = got[0].body
    assert isinstance(first, Fill)
    assert (first.fill_id, first.quantity, first.price) == ("x1", Decimal(40), Decimal("10.25"))
    assert (first.cumulative_quantity, first.reference_price) == (Decimal(40), Decimal("10.5"))
    assert {(r.outbox_epoch, r.reservation_id, r.trace_id) for r in got} == {(7, "r-1", "t")}


def test_same_fill_under_another_id_is_not_booked_again() -> None:
    """An activity may carry another id than the stream: the order's progress tells that it is the same fill."""
    orders = table()
    submitted(orders)
    orders.on_update(said("partial_fill", 40, 40, "x1"))
    again = orders.on_update(said("partial_fill", 40, 40, "other"))
    again += orders.on_update(said("partial_fill", 41, 41, "x1"))
    assert reports(again) == []
    assert orders.duplicate_fills == 2


def test_fill_without_id_gets_one() -> None:
    """The id is then decided by the order and its progress."""
    orders = table()
    submitted(orders)
    (report,) = reports(orders.on_update(said("partial_fill", 40, 40)))
    assert isinstance(report.body, Fill)
    assert report.body.fill_id == "b-1:40"


def test_end_waits_for_its_fills() -> None:
    """A cancel that speaks of fills we never heard closes the order once they are booked, and not before."""
    orders = table()
    submitted(orders)
    early = orders.on_update(said("canceled", 40))
    assert reports(early) == []
    assert [order.client_order_id for order in orders.doubtful()] == [CLIENT]
    late = orders.on_snapshot(Snapshot(NOW, (said("canceled", 40),), (said("partial_fill", 40, 40),)), NOW)
    assert [type(report.body) for report in reports(late)] == [Fill, OrderClosed]
    assert orders.doubtful() == []


def test_cancel_is_told() -> None:
    """A canceled order is closed, with what it had filled."""
    orders = table()
    submitted(orders)
    orders.on_update(said("partial_fill", 40, 40))
    effects = orders.on_update(said("canceled", 40))
    assert told(effects) == [OrderCanceled]
    assert closes(effects)[0].filled_quantity == 40


def test_broker_refuses() -> None:
    """A refusal by the broker closes the order and says why."""
    orders = table()
    submitted(orders)
    effects = orders.on_submitted(SubmitRefused(CLIENT, "insufficient buying power"), NOW)
    assert (told(effects), closes(effects)[0].reason) == ([OrderRejected], "insufficient buying power")


def test_unanswered_submission_is_doubtful_until_looked_up() -> None:
    """Nobody knows whether the order is at the broker: it stays open until the broker has been asked."""
    orders = table()
    submitted(orders)
    assert (orders.doubtful(), orders.to_look_up()) == ([], [])
    assert notices(orders.on_submitted(SubmitUnanswered(CLIENT, "timeout"), NOW)) == ["submit-unanswered"]
    assert [order.client_order_id for order in orders.doubtful()] == orders.to_look_up() == [CLIENT]
    soon = orders.on_snapshot(Snapshot(NOW, (), (), (CLIENT,)), NOW)
    assert (soon, len(orders.doubtful())) == ([], 1)
    later = orders.on_snapshot(Snapshot(NOW, (), (), (CLIENT,)), NOW, {CLIENT})
    assert closes(later)[0].reason == "the broker never got it"
    assert orders.doubtful() == []


def test_order_given_up_and_yet_there_is_canceled() -> None:
    """An order that shows up after all has no reservation any more: it is canceled, and its fills are booked."""
    orders = table()
    submitted(orders)
    orders.on_submitted(SubmitUnanswered(CLIENT, "timeout"), NOW)
    orders.on_snapshot(Snapshot(NOW, (), (), (CLIENT,)), NOW, {CLIENT})
    effects = orders.on_update(said("new"))
    assert [type(effect) for effect in effects if isinstance(effect, Cancel)] == [Cancel]
    assert len(reports(orders.on_update(said("partial_fill", 40, 40)))) == 1


def test_known_order_is_never_dropped_for_missing() -> None:
    """That the broker does not find an order it had is told, and the order stays."""
    orders = table()
    submitted(orders)
    orders.on_submitted(SubmitAnswered(said("new")), NOW)
    effects = orders.on_snapshot(Snapshot(NOW, (), (), (CLIENT,)), NOW, {CLIENT})
    assert notices(effects) == ["order-missing"]
    assert len(orders.open_orders()) == 1


def test_fill_missed_by_a_restart_is_booked() -> None:
    """An intent from disk whose order id was never heard is matched to its fills through the order list."""
    (save, _) = submitted(table())
    assert isinstance(save, Save)
    orders = table()
    orders.restore(save.order, ())
    orders.restore_sequence("IBM", 4)
    activity = msgspec.structs.replace(said("fill", 100, 100, "x1"), client_order_id="", quantity=None)
    effects = orders.on_snapshot(Snapshot(NOW, (said("fill", 100),), (activity,)), NOW)
    assert [(report.symbol_sequence, report.reservation_id) for report in reports(effects)] == [(5, "r-1"), (6, "r-1")]


def test_restored_fill_is_not_booked_again() -> None:
    """What was booked before a restart is known by its keys."""
    first = table()
    submitted(first)
    effects = first.on_update(said("partial_fill", 40, 40, "x1"))
    (order,) = [effect.order for effect in effects if isinstance(effect, Save)]
    again = table()
    again.restore(order, ("x1", "=40"))
    assert reports(again.on_update(said("partial_fill", 40, 40, "x1"))) == []


@pytest.mark.parametrize(
    ("event", "what"),
    [("trade_bust", "unknown-event"), ("rejected", "illegal-transition")],
)
def test_what_does_not_fit_is_noticed(event: str, what: str) -> None:
    """An unknown kind, and a move the table forbids, change nothing and are told."""
    orders = table()
    submitted(orders)
    orders.on_update(said("partial_fill", 40, 40))
    before = orders.open_orders()
    effects = orders.on_update(said(event))
    assert (notices(effects), len(effects), orders.open_orders()) == ([what], 1, before)


def test_cancel_open_names_what_can_be_canceled() -> None:
    """Orders that the broker has and that are neither ended nor being canceled."""
    orders = table()
    for number in (1, 2, 3, 4):
        submitted(orders, number)
    orders.on_update(said("new", number=1))
    orders.on_update(said("pending_cancel", number=2))
    orders.on_update(said("canceled", number=3))
    assert [order.order_id for order in orders.cancelable()] == ["b-1"]


def test_closed_orders_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; but while a signal is valid its order is kept, to know a duplicate by."""
    monkeypatch.setattr("tradingmesh.core.orders.known.CLOSED_KEPT", 2)
    orders = table()
    for number in (1, 2, 3):
        submitted(orders, number)
        orders.on_update(said("canceled", number=number))
    orders.forget(NOW)
    assert orders.knows("", "b-1")
    submitted(orders, 4)
    orders.on_update(said("canceled", number=4))
    orders.forget(NOW + 10_001)
    assert not orders.knows("", "b-1")
    assert orders.knows("", "b-4")


def _life(slices: list[int], number: int, *, cancel: bool) -> list[OrderUpdate]:
    """What a well-behaved broker says of one order of 100."""
    updates = [said("accepted", number=number), said("new", number=number)]
    filled = 0
    for index, size in enumerate(slices):
        filled += size
        updates.append(
            said("fill" if filled == 100 else "partial_fill", filled, size, f"{number}-{index}", number=number)
        )
    if filled < 100 and cancel:
        updates.append(said("canceled", filled, number=number))
    return updates


@st.composite
def lives(draw: st.DrawFn) -> list[list[OrderUpdate]]:
    """The lives of one to four orders."""
    count = draw(st.integers(1, 4))
    made = []
    for number in range(1, count + 1):
        cuts = sorted(draw(st.sets(st.integers(1, 100), max_size=5)))
        sizes = [high - low for low, high in zip([0, *cuts], cuts, strict=False)]
        made.append(_life(sizes, number, cancel=draw(st.booleans())))
    return made


@settings(max_examples=150)
@given(lives(), st.data())
def test_every_fill_takes_effect_once(made: list[list[OrderUpdate]], data: st.DataObject) -> None:
    """Whatever is lost, doubled or out of order on the stream: after one reconciliation the books are the broker's."""
    orders = table()
    for number in range(1, len(made) + 1):
        submitted(orders, number)
    everything = [update for life in made for update in life]
    heard = data.draw(st.lists(st.sampled_from(everything), max_size=2 * len(everything)))
    effects: list[Effect] = []
    for update in heard:
        effects += orders.on_update(update)
    fills = [msgspec.structs.replace(u, client_order_id="") for u in everything if u.execution is not None]
    lasts = [msgspec.structs.replace(life[-1], execution=None) for life in made]
    snapshot = Snapshot(NOW, tuple(lasts), tuple(data.draw(st.permutations(fills))))
    effects += orders.on_snapshot(snapshot, NOW)
    effects += orders.on_snapshot(snapshot, NOW)
    got = reports(effects)
    assert [report.symbol_sequence for report in got] == list(range(1, len(got) + 1))
    booked = [report.body.fill_id for report in got if isinstance(report.body, Fill)]
    assert sorted(booked) == sorted(u.execution.fill_id for u in fills if u.execution)
    ended = [life[-1].client_order_id for life in made if life[-1].event in ("fill", "canceled")]
    assert sorted(closed.client_order_id for closed in closes(effects)) == sorted(ended)
    assert orders.doubtful() == []
    assert notices(effects) == []
