"""What the integration tests of single services share: a context over ipc in a folder of the test's own."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.contract import Component, TradingSystemSpec
from tradingmesh.core.bus import EventBus
from tradingmesh.runtime.component import Context, WallClock
from tradingmesh.runtime.events import Events
from tradingmesh.runtime.loop import Loop
from tradingmesh.runtime.settings import Settings
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.telemetry.tracing import NoTracer

MakeContext = Callable[..., Context]


@pytest.fixture
def make_context(tmp_path: Path) -> Iterator[MakeContext]:
    """`make_context(component, spec, **settings)`: a context as a running component has, without process or admin."""
    made: list[Context] = []

    def make(component: Component, spec: dict[str, Any], epoch: int = 7, **settings: Any) -> Context:
        endpoints = {"transport": "ipc"} | spec.pop("endpoints", {})
        parsed = TradingSystemSpec.model_validate({"symbols": ["IBM", "BAC"], "endpoints": endpoints} | spec)
        metrics, clock = Metrics(component=component.value), WallClock()
        context = Context(
            component=component,
            settings=Settings(instance=component.value, data_dir=tmp_path, ipc_dir=tmp_path, **settings),
            spec=parsed,
            epoch=epoch,
            loop=Loop(),
            sockets=SocketFactory(component, parsed.endpoints, ipc_dir=tmp_path),
            metrics=metrics,
            events=Events(EventBus(), component.value, component.value, epoch, clock, metrics),
            tracer=NoTracer(),
            log=structlog.get_logger(),
            clock=clock,
        )
        made.append(context)
        return context

    yield make
    for context in made:
        context.sockets.close()


Until = Callable[..., None]


@pytest.fixture
def until() -> Until:
    """`until(condition, *loops)`: turns the loops until the condition holds; fails the test after ten seconds."""

    def turn(condition: Callable[[], object], *loops: Loop, deadline_s: float = 10.0) -> None:
        give_up_s = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < give_up_s, "the condition did not come to hold in time"
            for loop in loops:
                loop.turn(1)

    return turn
