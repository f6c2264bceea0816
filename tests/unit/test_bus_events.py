"""The event bus in a process, and its outlet: by type, bounded, never waiting, and what is dropped is counted."""

from typing import get_args

import pytest
import zmq

from tradingmesh.adapters.zmq_messages import read
from tradingmesh.core.bus import CAPACITY, EventBus
from tradingmesh.core.events import ComponentStarted, ComponentStopped, EventMetadata, MarketData, SystemEvent
from tradingmesh.core.market import Trade
from tradingmesh.runtime.events import Events
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.wire.messages import SYSTEM_EVENT


def started(name: str) -> ComponentStarted:
    return ComponentStarted(metadata=EventMetadata(name, 1, "c", ""), instance=name, version="1")


def stopped(name: str) -> ComponentStopped:
    return ComponentStopped(metadata=EventMetadata(name, 1, "c", ""), instance=name)


def test_who_subscribes_hears_its_types_in_order() -> None:
    """Each event once for each subscription, and only of the types that were asked for."""
    bus = EventBus()
    both, one = bus.subscribe(ComponentStarted, ComponentStopped), bus.subscribe(ComponentStopped)
    first, second, third = started("a"), stopped("b"), started("c")
    for event in (first, second, third):
        bus.publish(event)
    assert list(both.drain()) == [first, second, third]
    assert list(one.drain()) == [second]
    assert list(both.drain()) == []


def test_what_was_published_before_is_not_heard() -> None:
    """A subscription begins when it is made."""
    bus = EventBus()
    bus.publish(started("a"))
    assert len(bus.subscribe(ComponentStarted)) == 0


def test_market_data_is_heard_by_type_as_well() -> None:
    """The one event that never leaves the process."""
    bus = EventBus()
    heard = bus.subscribe(MarketData)
    tick = MarketData(metadata=EventMetadata("m", 1, "c", ""), trade=Trade("IBM", 1, 1, 1))
    bus.publish(tick)
    assert list(heard.drain()) == [tick]


@pytest.mark.parametrize("capacity", [CAPACITY, 3])
def test_a_full_subscription_drops_and_counts(capacity: int) -> None:
    """1000 unless said otherwise; the newest are dropped, others are not affected, and there is room again later."""
    bus = EventBus()
    slow = bus.subscribe(ComponentStarted, capacity=capacity)
    quick = bus.subscribe(ComponentStarted, capacity=capacity + 5)
    events = [started(str(number)) for number in range(capacity + 5)]
    for event in events:
        bus.publish(event)
    assert slow.dropped == 5
    assert quick.dropped == 0
    assert list(slow.drain()) == events[:capacity]
    assert len(quick) == capacity + 5
    bus.publish(events[0])
    assert len(slow) == 1


def test_a_drain_gives_what_came_meanwhile() -> None:
    """An event published by who takes one is not lost."""
    bus = EventBus()
    heard = bus.subscribe(ComponentStarted)
    bus.publish(started("a"))
    taken = []
    for event in heard.drain():
        taken.append(event)
        if len(taken) == 1:
            bus.publish(started("b"))
    assert [event.metadata.event_id for event in taken] == ["a", "b"]


class Clock:
    def now_ns(self) -> int:
        return 42

    def monotonic_ns(self) -> int:
        return 42


class Outlet:
    """A socket that takes `room` messages, and then none."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sent: list[list[bytes]] = []

    def send_multipart(self, frames: list[bytes], flags: int) -> None:
        assert flags & zmq.NOBLOCK
        if len(self.sent) >= self.room:
            raise zmq.Again
        self.sent.append(frames)


def events_of(metrics: Metrics) -> Events:
    return Events(EventBus(), "risk-manager", "risk-manager-0", 7, Clock(), metrics)


def test_an_event_goes_out_with_its_metadata() -> None:
    """Whose it is, when it was, which trace it belongs to; ids never twice."""
    events, outlet = events_of(Metrics()), Outlet(10)
    for name in ("a", "b"):
        events.emit(ComponentStarted, trace_id="ab", instance=name, version="1")
    events.forward(outlet)  # type: ignore[arg-type] # all that it needs of a socket
    told = [read(SYSTEM_EVENT, frames)[1] for frames in outlet.sent]
    assert [event.instance for event in told if isinstance(event, ComponentStarted)] == ["a", "b"]
    assert {(event.metadata.component, event.metadata.timestamp_ns, event.metadata.trace_id) for event in told} == {
        ("risk-manager", 42, "ab")
    }
    assert len({event.metadata.event_id for event in told}) == 2
    assert events.sent.value == 2


def test_what_nobody_takes_is_counted() -> None:
    """A full socket, or more than a thousand in one turn: dropped, counted once, and the next turn begins anew."""
    events, outlet = events_of(Metrics()), Outlet(3)
    for number in range(CAPACITY + 7):
        events.emit(ComponentStarted, instance=str(number), version="1")
    events.forward(outlet)  # type: ignore[arg-type] # all that it needs of a socket
    assert events.sent.value == 3
    assert events.dropped.value == CAPACITY - 3 + 7
    events.forward(outlet)  # type: ignore[arg-type] # all that it needs of a socket
    assert events.sent.value + events.dropped.value == CAPACITY + 7


def test_the_outlet_hears_every_type() -> None:
    """No kind of event is left out on its way to the metrics-collector."""
    assert set(events_of(Metrics()).bus._by_type) == set(get_args(SystemEvent))
