"""The execution engine and the broker's account: where it begins, what it finds, and what it does until they agree."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.contract import Component
from tradingmesh.core.checks import Check, Refused
from tradingmesh.core.events import BrokerReconciled, ComponentError, EngineFenced
from tradingmesh.core.fills import Fill, OrderClosed
from tradingmesh.core.orders.doubts import SETTLED_AFTER_NS
from tradingmesh.core.orders.effects import (
    BrokerEvent,
    Held,
    Snapshot,
    StreamState,
    SubmitAnswered,
    SubmitUnanswered,
    Unreadable,
)
from tradingmesh.core.orders.record import Execution, OrderUpdate
from tradingmesh.core.signal import Side
from tradingmesh.core.standing import BrokerPosition, OpeningPosition, OrderWorking
from tradingmesh.execution_engine.engine import ExecutionEngine
from tradingmesh.testing.execution_peers import ExecutionPeers
from tradingmesh.testing.recording_broker import RecordingBroker
from tradingmesh.wire.messages import REPORT

MakeContext = Callable[..., Any]
Until = Callable[..., None]
SPEC = {"endpoints": {"riskCheck": {"timeout": "10s"}, "fills": {"redeliverAfter": "80ms"}}}
"""The test answers in time even where the machine stands still for a moment."""
CONTACT = 1_000_000_000
EMPTY = Snapshot(CONTACT, (), (), positions=(), cash=Decimal(1_000))


class SetClock:
    """A clock whose wall time is set by hand, and whose monotonic time goes on."""

    def __init__(self) -> None:
        self.ahead_ns = self.later_ns = 0

    def now_ns(self) -> int:
        return time.time_ns() + self.ahead_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() + self.later_ns


class Mesh(ExecutionPeers):
    """One engine over a broker of the test's; nothing happens but in `run_until`."""

    def __init__(self, make_context: MakeContext, until: Until, first: Snapshot | None = EMPTY) -> None:
        self._until = until
        self.broker = RecordingBroker()
        self.broker.snapshot = first
        self.clock = SetClock()
        self.context = make_context(Component.EXECUTION_ENGINE, dict(SPEC))._replace(clock=self.clock)
        self.outbox = Outbox(self.context.data_dir / "outbox.db", time.time_ns())
        self.events = self.context.events.bus.subscribe(BrokerReconciled, ComponentError, EngineFenced)
        self.engine = ExecutionEngine(self.context, self.broker, self.outbox)
        peers = (Component.SIGNAL_GENERATOR, Component.RISK_MANAGER, Component.FILL_PROCESSOR)
        generator, risk, processor = (make_context(component, dict(SPEC)).sockets for component in peers)
        super().__init__(generator, risk, processor, self.run_until)

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, self.context.loop)

    def in_sync(self) -> "Mesh":
        self.run_until(lambda: not self.engine.ready())
        return self

    def ask_again(self) -> int:
        """A reconnect, and so another reconciliation; returns since when the broker is asked."""
        asked = len(self.broker.asked)
        self.say(StreamState("lost"), StreamState(""))
        self.run_until(lambda: len(self.broker.asked) > asked)
        return self.broker.asked[-1][0]

    def say(self, *events: BrokerEvent) -> None:
        for event in events:
            self.broker.deliver(event)

    def told(self, type_: type) -> list[Any]:
        return [event for event in self.events.drain() if isinstance(event, type_)]

    def figures(self, kind: str, name: str) -> dict[str, float]:
        figures: dict[str, float] = self.context.metrics.snapshot()[kind].get(name, {})
        return figures

    def submitted(self, number: int = 1) -> str:
        before = len(self.broker.submitted)
        self.signal(number)
        self.answer(self.request())
        self.run_until(lambda: len(self.broker.submitted) > before)
        return f"tm-s-{number}-e{self.outbox.epoch}"

    def end(self) -> None:
        """The engine is gone, as by `kill -9`."""
        self.close()
        self.context.sockets.close()
        self.outbox.close()


def said(event: str, client: str, cumulative: int = 0, fill: int = 0, symbol: str = "IBM") -> OrderUpdate:
    return OrderUpdate(
        event=event,
        order_id=f"b-{client}",
        client_order_id=client,
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal(100),
        cumulative_quantity=Decimal(cumulative),
        timestamp_ns=CONTACT + 10 + cumulative,
        created_ns=CONTACT + 5,
        execution=Execution(f"x{client}{cumulative}", Decimal(fill), Decimal(10)) if fill else None,
    )


def account(cash: str = "1000", **positions: str) -> dict[str, Any]:
    held = tuple(Held(symbol, Decimal(quantity), Decimal(10)) for symbol, quantity in positions.items())
    return {"positions": held, "cash": Decimal(cash)}


def test_what_the_account_holds_is_where_it_begins(make_context: MakeContext, until: Until) -> None:
    """It is taken over once, at what it is worth; nothing heard before is booked; and the broker is asked again."""
    mesh = Mesh(make_context, until, None)
    mesh.run_until(lambda: mesh.broker.asked == [(0, [])])
    mesh.say(said("partial_fill", "hand", 40, 40))
    mesh.broker.snapshot = Snapshot(CONTACT + 1, (), (), **account("1000", IBM="-7.5"))
    mesh.say(Snapshot(CONTACT, (), (), **account("1000", IBM="-7.5")))
    body = mesh.report().body
    assert body == OpeningPosition("IBM", Decimal("-7.5"), Decimal(10), CONTACT)
    mesh.in_sync()
    assert [since for since, _ in mesh.broker.asked] == [0, CONTACT - 1_000]
    told = [REPORT.decode(parcel.payload).body for parcel in mesh.outbox.unacked()]
    assert told[0] == body
    behind = [one.quantity for one in told[1:] if isinstance(one, BrokerPosition)]
    assert (behind, len(told)) == ([Decimal("-7.5")] * 2, 3)
    mesh.end()
    again = Mesh(make_context, until, Snapshot(CONTACT + 2, (), (), **account("1000", IBM="-7.5"))).in_sync()
    assert isinstance(again.report().body, OpeningPosition)
    assert again.engine.status()["broker"]["differences"] == []
    bodies = [REPORT.decode(parcel.payload).body for parcel in again.outbox.unacked()]
    assert sum(isinstance(one, OpeningPosition) for one in bodies) == 1


def test_an_answer_longer_than_memory_brings_nothing_twice(
    make_context: MakeContext, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More closed orders than are kept in memory, all in one snapshot: each is recalled from disk, none adopted."""
    monkeypatch.setattr("tradingmesh.core.orders.known.CLOSED_KEPT", 2)
    mesh = Mesh(make_context, until).in_sync()
    fills = tuple(said("fill", f"hand-{number}", 100, 100) for number in range(6))
    ended = tuple(said("fill", f"hand-{number}", 100) for number in range(6))
    mesh.broker.snapshot = Snapshot(CONTACT + 1_000, ended, fills, **account("-5000", IBM="600"))
    mesh.ask_again()
    mesh.in_sync()
    assert [event.missed_fill for event in mesh.told(BrokerReconciled)] == [0, 6]
    mesh.ask_again()
    mesh.in_sync()
    (again,) = mesh.told(BrokerReconciled)
    assert (again.adopted, again.missed_fill, again.short, again.differences) == (0, 0, 0, ())
    mesh.run_until(lambda: len(mesh.engine._table._known._closed) == 2)


def test_an_answer_that_comes_very_late_brings_nothing_twice(
    make_context: MakeContext, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its order has been filled, closed and let go from memory meanwhile: it is recalled, not adopted."""
    monkeypatch.setattr("tradingmesh.core.orders.known.CLOSED_KEPT", 0)
    mesh = Mesh(make_context, until).in_sync()
    mesh.say(said("fill", "c-1", 100, 100))
    mesh.run_until(lambda: mesh.outbox.sequences() == {"IBM": 2} and not mesh.engine._table.knows("c-1"))
    mesh.say(SubmitAnswered(said("fill", "c-1", 100)))
    mesh.run_until(lambda: mesh.engine._table.knows("c-1"))
    assert mesh.outbox.sequences() == {"IBM": 2}


def test_what_was_found_is_told(make_context: MakeContext, until: Until) -> None:
    """As one event, as counts by kind and as gauges; what stays as it is, is no news."""
    mesh = Mesh(make_context, until).in_sync()
    (first,) = mesh.told(BrokerReconciled)
    assert (first.in_sync, first.missed_fill, first.differences) == (True, 0, ())
    hand = (said("partial_fill", "hand", 40), said("new", "other", symbol="KO"))
    fill = said("partial_fill", "hand", 40, 40)
    mesh.broker.snapshot = Snapshot(CONTACT + 1_000, hand, (fill,), **account("600", IBM="40"))
    mesh.ask_again()
    mesh.in_sync()
    (found,) = mesh.told(BrokerReconciled)
    assert (found.in_sync, found.adopted, found.missed_fill, found.short, found.differences) == (True, 2, 1, 0, ())
    mesh.ask_again()
    mesh.in_sync()
    assert [event.adopted for event in mesh.told(BrokerReconciled)] == [0]
    mesh.ask_again()
    mesh.in_sync()
    assert mesh.told(BrokerReconciled) == []
    assert mesh.figures("counters", "broker_differences") == {
        **dict.fromkeys(("kind=missing", "kind=short", "kind=unreadable", "kind=position"), 0),
        "kind=adopted": 2,
        "kind=missed_fill": 1,
    }
    assert mesh.figures("gauges", "broker_in_sync") == {"": 1}
    assert 0 <= mesh.figures("gauges", "broker_reconciled_age_seconds")[""] < 10
    assert mesh.context.metrics.snapshot()["latency_us"]["reconcile"]["count"] >= 4


def test_position_that_differs_is_an_alarm_and_holds_nothing_back(make_context: MakeContext, until: Until) -> None:
    """A split moves a position without a fill. It is asked twice, told once, shown until it is gone; orders go on."""
    mesh = Mesh(make_context, until).in_sync()
    mesh.told(BrokerReconciled)
    asked = len(mesh.broker.asked)
    mesh.broker.snapshot = Snapshot(CONTACT + 1_000, (), (), **account("1000", IBM="30"))
    mesh.ask_again()
    mesh.run_until(lambda: mesh.engine.status()["broker"]["differences"])
    assert len(mesh.broker.asked) == asked + 2
    (event,) = mesh.told(BrokerReconciled)
    assert event.differences == ("position IBM: the broker has 30, booked are 0",)
    assert mesh.engine.ready() == []
    assert mesh.figures("gauges", "broker_differing") == {"": 1}
    assert mesh.figures("counters", "broker_differences")["kind=position"] == 1
    mesh.broker.snapshot = msgspec.structs.replace(EMPTY, broker_ns=CONTACT + 2_000)
    mesh.ask_again()
    mesh.run_until(lambda: not mesh.engine.status()["broker"]["differences"])
    assert mesh.submitted()


def test_row_that_cannot_be_read_holds_its_symbol(make_context: MakeContext, until: Until) -> None:
    """Others trade; it is asked for again from the same time on, over restarts too, until it can be read."""
    mesh = Mesh(make_context, until).in_sync()
    row = Unreadable("IBM", "price: 'x' is not a number")
    mesh.broker.snapshot = msgspec.structs.replace(EMPTY, broker_ns=CONTACT + 10**12, unreadable=(row,))
    mesh.ask_again()
    mesh.in_sync()
    mesh.signal(1)
    refused = mesh.report().body
    assert isinstance(refused, OrderClosed)
    assert refused.reason == "the broker's word on IBM cannot be read: price: 'x' is not a number"
    assert mesh.engine.status()["broker"]["held_symbols"] == {"IBM": refused.reason}
    mesh.signal(2, symbol="BAC")
    mesh.answer(mesh.request())
    mesh.run_until(lambda: mesh.broker.submitted)
    assert mesh.ask_again() == CONTACT - 1_000
    mesh.broker.snapshot = msgspec.structs.replace(EMPTY, broker_ns=CONTACT + 10**12)
    mesh.ask_again()
    mesh.run_until(lambda: not mesh.engine.status()["broker"]["held_symbols"])
    mesh.say(SubmitAnswered(said("canceled", f"tm-s-2-e{mesh.outbox.epoch}", symbol="BAC")))
    mesh.run_until(lambda: not mesh.engine.status()["orders_posting"])
    assert mesh.ask_again() > CONTACT


def test_row_that_names_no_symbol_holds_everything(make_context: MakeContext, until: Until) -> None:
    """Nobody knows what it is about."""
    mesh = Mesh(make_context, until).in_sync()
    mesh.broker.snapshot = msgspec.structs.replace(EMPTY, unreadable=(Unreadable("", "None in {}"),))
    mesh.ask_again()
    mesh.run_until(lambda: any("cannot be read" in reason for reason in mesh.engine.ready()))
    assert mesh.broker.held == mesh.engine.ready()[0]


def test_fenced_off_for_good(make_context: MakeContext, until: Until) -> None:
    """One answer is enough: nothing is asked or sent any more, what waits is held back, and it is said everywhere."""
    mesh = Mesh(make_context, until).in_sync()
    client = mesh.submitted()
    mesh.signal(2)
    mesh.signal(3)
    reason = "fenced: execution engine of epoch 9 has taken over from that of epoch 8"
    mesh.answer(mesh.request(), Refused(Check.FENCED, reason))
    mesh.answer(mesh.request())  # approved, but it came too late
    mesh.run_until(lambda: mesh.engine.status()["orders_posting"] == 1 and mesh.engine.ready() == [reason])
    mesh.signal(4)
    mesh.run_until(lambda: len(list(mesh.outbox.unacked())) == 3)
    closed = [REPORT.decode(parcel.payload).body for parcel in mesh.outbox.unacked()]
    assert {body.reason for body in closed if isinstance(body, OrderClosed)} == {reason}
    assert [ready.order.client_order_id for ready in mesh.broker.submitted] == [client]
    assert (mesh.broker.held, mesh.engine.status()["fenced"]) == (reason, reason)
    assert mesh.figures("gauges", "engine_fenced") == {"": 1}
    assert [event.reason for event in mesh.told(EngineFenced)] == [reason]
    mesh.say(said("fill", client, 100, 100))  # what its order did is true all the same
    while not isinstance(mesh.report().body, Fill):  # those before it come again
        pass


def test_each_life_writes_with_a_higher_epoch_and_says_so(make_context: MakeContext, until: Until) -> None:
    """Also where the clock was set back; and a later life tells which reservations are in use."""
    first = Mesh(make_context, until).in_sync()
    first.signal(1)
    writers = [first.request().writer]
    first.end()
    second = Mesh(make_context, until).in_sync()
    second.submitted(2)
    second.end()
    third = Mesh(make_context, until).in_sync()
    third.signal(3)
    request = third.request()
    writers.append(request.writer)
    third.answer(request, Refused(Check.DUPLICATE, "duplicate"))
    third.report()
    assert {writer.outbox_epoch for writer in writers} == {third.outbox.epoch}
    assert writers[0].epoch < second.outbox.writer.epoch < writers[1].epoch
    assert {(start.writer_epoch, start.reservation_ids) for start in third.starts} == {
        (second.outbox.writer.epoch, ()),
        (writers[1].epoch, ("r-2",)),
    }
    third.end()
    backwards = Outbox(third.context.data_dir / "outbox.db", 1_000_000)
    assert backwards.writer.epoch == writers[1].epoch + 1


@pytest.mark.parametrize("ahead_s", [-300, 300])
def test_clock_that_is_set_neither_keeps_nor_hurries_an_order_in_doubt(
    make_context: MakeContext, until: Until, ahead_s: int
) -> None:
    """It is given up when its request must have ended, by a clock that nobody sets."""
    mesh = Mesh(make_context, until).in_sync()
    client = mesh.submitted()
    mesh.broker.snapshot = msgspec.structs.replace(EMPTY, missing=(client,))
    mesh.say(SubmitUnanswered(client, "timeout"))
    mesh.clock.ahead_ns = ahead_s * 10**9
    mesh.ask_again()
    mesh.in_sync()
    assert mesh.outbox.find("", client) is not None
    assert [order.status for order, _ in mesh.outbox.open_orders()] == ["intended"]
    mesh.run_until(lambda: mesh.engine._desk._doubts._since_ns)
    mesh.clock.later_ns = SETTLED_AFTER_NS
    closed = mesh.report().body
    assert isinstance(closed, OrderClosed)
    assert closed.reason == "the broker never got it"


def test_order_is_not_given_up_by_an_answer_that_is_older_than_its_doubt(
    make_context: MakeContext, until: Until
) -> None:
    """The broker looked for it when its request could still be on its way; only the answer took so long."""
    mesh = Mesh(make_context, until).in_sync()
    client = mesh.submitted()
    mesh.broker.snapshot = None
    mesh.say(SubmitUnanswered(client, "timeout"))
    mesh.run_until(lambda: mesh.engine._desk._doubts._since_ns)
    mesh.ask_again()
    mesh.clock.later_ns = SETTLED_AFTER_NS
    missing = msgspec.structs.replace(EMPTY, missing=(client,))
    mesh.say(missing)
    mesh.in_sync()
    assert [order.client_order_id for order in mesh.engine._table.open_orders()] == [client]
    mesh.broker.snapshot = missing
    closed = mesh.report().body
    assert isinstance(closed, OrderClosed)


def test_order_placed_elsewhere_is_told_to_the_ledger(make_context: MakeContext, until: Until) -> None:
    """When it is heard of, and its end when that comes."""
    mesh = Mesh(make_context, until).in_sync()
    mesh.say(said("new", "hand"))
    report = mesh.report()
    assert isinstance(report.body, OrderWorking)
    assert (report.reservation_id, report.body.open_quantity) == ("o-b-hand", Decimal(100))
    mesh.say(said("canceled", "hand"))
    end = mesh.report()
    while end == report:
        end = mesh.report()
    assert isinstance(end.body, OrderClosed)
    assert end.reservation_id == "o-b-hand"
