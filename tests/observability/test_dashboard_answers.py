"""Every panel of the dashboard shows something: a real Prometheus scrapes a real mesh, and each query is asked."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.observability.panels import unanswered
from tests.observability.program import wait
from tests.observability.prometheus import Prometheus, local
from tests.observability.trading import SYSTEM, TradingMesh
from tradingmesh.contract import Component
from tradingmesh.telemetry.dashboard import PANELS


@pytest.fixture
def traded(mesh: TradingMesh) -> TradingMesh:
    """It has traded."""
    mesh.spec["broker"]["simulator"]["ticksPerSecond"] = 50
    mesh.begin()
    return mesh


@pytest.fixture
def prometheus(traded: TradingMesh, tmp_path: Path) -> Iterator[Prometheus]:
    """It has scraped each process a few times."""
    made = Prometheus(tmp_path / "prometheus", local(traded.admin_ports()))
    scraped = count()
    wait(lambda: made.scraped() == len(traded.admin_ports()) and next(scraped) > 25, "all scraped")
    yield made
    made.close()


@pytest.mark.timeout(300)
def test_every_panel_has_data(prometheus: Prometheus) -> None:
    """Each query returns a series at least, each with a figure; those of troubles that did not happen return 0.

    Of a system that there is not, no query is answered.
    Shown to fail: with a renamed metric, and with alerts that are counted from the first one on only.
    """
    assert unanswered(prometheus, SYSTEM) == []
    assert len(unanswered(prometheus, "another")) == sum(len(panel.queries) for panel in PANELS)
    [missed] = prometheus.query(f'sum(tradingmesh_messages_missed_total{{system="{SYSTEM}"}})')
    assert missed["value"][1] == "0"
    up = prometheus.query(f'tradingmesh_component_info{{system="{SYSTEM}"}}')
    assert {one["metric"]["component"] for one in up} == set(Component)
