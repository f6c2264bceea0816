"""Every panel of the dashboard shows something: a real Prometheus scrapes a real mesh, and each query is asked."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

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


def asked(expr: str) -> str:
    """The query as Grafana would ask it."""
    return expr.replace("$system", SYSTEM).replace("$__rate_interval", "3s")


@pytest.mark.timeout(300)
def test_every_panel_has_data(prometheus: Prometheus) -> None:
    """Each query returns a series at least, each with a figure; those of troubles that did not happen return 0.

    Shown to fail: with a renamed metric, and with a counter that is made when the first one is counted.
    """
    empty, odd = [], []
    for panel in PANELS:
        for query in panel.queries:
            series = prometheus.query(asked(query.expr))
            if not series:
                empty.append((panel.title, query.expr))
            odd += [(panel.title, one) for one in series if one["value"][1] in ("NaN", "+Inf", "-Inf")]
    assert empty == []
    assert [one for one in odd if not one[0].startswith("Latency")] == []
    assert prometheus.query(asked('sum(tradingmesh_messages_missed_total{system="$system"})'))[0]["value"][1] == "0"
    up = {one["metric"]["component"] for one in prometheus.query(asked('tradingmesh_component_info{system="$system"}'))}
    assert up == set(Component)
