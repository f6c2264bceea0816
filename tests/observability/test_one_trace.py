"""One tick's way through the real processes is one trace in Jaeger: from the feed to the ledger."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.observability.jaeger import Jaeger
from tests.observability.trading import TradingMesh
from tests.observability.way import assert_in_order, whole_trace
from tradingmesh.contract import Component


@pytest.fixture
def jaeger(tmp_path: Path) -> Iterator[Jaeger]:
    made = Jaeger(tmp_path / "jaeger")
    yield made
    made.close()


def _logged(mesh: TradingMesh, component: Component, event: str) -> set[str]:
    """The trace ids of what a component logged of an event."""
    lines = [json.loads(line) for name in mesh.instances(component) for line in mesh.log(name, 10**7).splitlines()]
    return {line["trace_id"] for line in lines if line["event"] == event}


@pytest.mark.timeout(300)
def test_from_tick_to_fill_is_one_trace(mesh: TradingMesh, jaeger: Jaeger) -> None:
    """Every span under the one that caused it, none before it; the logs of order and fill carry the trace's id.

    Shown to fail: without the span of the tick, without the trace in reports, with another report's place in the fill
    processor.
    """
    mesh.spec["observability"] = {"otlpEndpoint": jaeger.endpoint, "traceSampleRatio": "1"}
    mesh.spec["broker"]["simulator"]["ticksPerSecond"] = 20
    mesh.begin()
    trace_id, spans = whole_trace(jaeger)
    assert_in_order(spans)
    assert trace_id in _logged(mesh, Component.EXECUTION_ENGINE, "OrderPlaced")
    assert trace_id in _logged(mesh, Component.FILL_PROCESSOR, "OrderFilled")
