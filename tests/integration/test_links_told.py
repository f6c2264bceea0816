"""A component tells of the links that it lost: a line in its log, and an event that reaches the collector."""

from collections.abc import Callable

import structlog
import zmq

from tradingmesh.contract import Channel, Component
from tradingmesh.core.events import ComponentStarted, LinkLost
from tradingmesh.metrics_collector.main import build
from tradingmesh.runtime.component import Context


def test_a_lost_link_is_told(make_context: Callable[..., Context], until: Callable[..., None]) -> None:
    """Once, with channel and peer, by the side that stays; the collector counts it."""
    collector = make_context(Component.METRICS_COLLECTOR, {})
    engine = make_context(Component.EXECUTION_ENGINE, {})
    generator = make_context(Component.SIGNAL_GENERATOR, {})
    build(collector)
    orders = generator.sockets.push(Channel.ORDERS)
    engine.sockets.pull(Channel.ORDERS)
    outlet = engine.sockets.pub(Channel.EVENTS)
    told = engine.events.bus.subscribe(LinkLost)

    def heard(type_: type) -> int:
        engine.tend_links()
        engine.events.forward(outlet)
        labels = {"type": type_.__name__, "source": "execution-engine"}
        return collector.metrics.counter("system_events", **labels).value

    def joined() -> bool:
        engine.events.emit(ComponentStarted, instance="execution-engine", version="1")
        return bool(heard(ComponentStarted)) and bool(orders.poll(0, zmq.POLLOUT))

    until(joined, collector.loop)
    with structlog.testing.capture_logs() as lines:
        orders.close()
        until(lambda: heard(LinkLost), collector.loop)
    [event] = told.drain()
    assert isinstance(event, LinkLost)
    assert (event.instance, event.channel, event.lost) == ("execution-engine", "orders", 1)
    [line] = [line for line in lines if line["event"] == "link lost"]
    assert (line["log_level"], line["channel"], line["lost"]) == ("warning", "orders", 1)
    assert heard(LinkLost) == 1


def test_a_command_that_was_answered_is_no_lost_link(
    make_context: Callable[..., Context], until: Callable[..., None]
) -> None:
    """Its connection is counted, and nobody is told."""
    manager = make_context(Component.RISK_MANAGER, {})
    command = make_context(Component.EXECUTION_ENGINE, {})
    manager.sockets.router(Channel.CONTROL)
    asker = command.sockets.req(Channel.CONTROL)
    told = manager.events.bus.subscribe(LinkLost)

    def counted(what: str) -> int:
        manager.tend_links()
        return manager.metrics.counter(what, channel="control").value

    until(lambda: counted("links_made"), manager.loop)
    asker.close()
    until(lambda: counted("links_lost"), manager.loop)
    assert not list(told.drain())
