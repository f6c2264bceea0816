"""Every panel of the dashboard shows something: a real Prometheus scrapes a real mesh, and each query is asked."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.observability.panels import Asked, unanswered
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
    """It scrapes each process."""
    made = Prometheus(tmp_path / "prometheus", local(traded.admin_ports()))
    wait(lambda: made.scraped() == len(traded.admin_ports()), "all scraped")
    yield made
    made.close()


@pytest.mark.timeout(300)
def test_every_panel_has_data(prometheus: Prometheus) -> None:
    """Each query returns a series at least, each with a figure; those of troubles that did not happen return 0.

    A rate has one once its process was scraped twice, and a scrape may come late. Of a system that there is not, no
    query is answered.
    Shown to fail: with a renamed metric, and with alerts that are counted from the first one on only.
    """
    found: list[Asked] = []

    def answered() -> bool:
        found[:] = unanswered(prometheus, SYSTEM)
        return not found

    with contextlib.suppress(AssertionError):
        wait(answered, "every query answered")
    assert found == []
    assert len(unanswered(prometheus, "another")) == sum(len(panel.queries) for panel in PANELS)
    [aside] = prometheus.query(f'sum(last_over_time(tradingmesh_reports_set_aside_total{{system="{SYSTEM}"}}[1m]))')
    assert aside["value"][1] == "0"
    seen = prometheus.query(f'last_over_time(tradingmesh_component_info{{system="{SYSTEM}"}}[1m])')
    assert {one["metric"]["component"] for one in seen} == set(Component)
