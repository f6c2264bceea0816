"""Alerts fire while a real mesh is in the trouble that they are for, and end with it.

The rules are those of manifests/alerts.yaml with each window and each `for` thirty times shorter: five minutes are ten
seconds. A feed is stale after two seconds instead of sixty. One mesh and one Prometheus serve all the tests here.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.observability.program import wait
from tests.observability.prometheus import Prometheus, local
from tests.observability.rules import shortened, write_rules
from tests.observability.trading import TradingMesh
from tradingmesh.contract import Component

FACTOR = 30
pytestmark = pytest.mark.timeout(300)


class Watched(NamedTuple):
    """A mesh that trades, and the Prometheus that watches it."""

    mesh: TradingMesh
    prometheus: Prometheus

    def fires(self, alert: str) -> bool:
        """Whether it does now."""
        return f"TradingMesh{alert}" in self.prometheus.firing()

    def in_trouble(self, alert: str, begin: Callable[[], object], end: Callable[[], object]) -> None:
        """The alert is quiet, fires once the trouble began, and is quiet again after its end."""
        wait(lambda: not self.fires(alert), f"{alert} quiet before")
        try:
            begin()
            wait(lambda: self.fires(alert), f"{alert} firing")
        finally:
            end()
        wait(lambda: not self.fires(alert), f"{alert} quiet again")

    def faults(self, *inject: dict[str, Any]) -> None:
        """What goes wrong at the broker from now on."""
        self.mesh.broker("PUT", "/simulator/faults", {"inject": list(inject)})


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    (folder / "mesh").mkdir()
    mesh = TradingMesh(folder / "mesh", int(request.config.option.seed))
    mesh.spec["endpoints"]["riskCheck"]["timeout"] = "200ms"
    mesh.spec["broker"]["commissionPerShare"] = "1"
    try:
        mesh.begin()
        rules = write_rules(folder / "rules.yaml", *shortened(FACTOR, TradingMeshFeedStale="> 60:> 2"))
        prometheus = Prometheus(folder / "prometheus", local(mesh.admin_ports()), rules)
        try:
            wait(lambda: prometheus.scraped() == len(mesh.admin_ports()), "every process scraped")
            yield Watched(mesh, prometheus)
        finally:
            prometheus.close()
    finally:
        mesh.close()


def test_a_silent_market_data_stream(watched: Watched) -> None:
    """The broker says nothing more: the feed is stale, and is not once it speaks again."""
    silent = {"where": "market-data", "what": "mute"}
    watched.in_trouble("FeedStale", lambda: watched.faults(silent), watched.faults)


def test_an_order_stream_that_is_cut(watched: Watched) -> None:
    """Without it nobody knows what the broker does: out of sync, until it is back."""
    cut = {"where": "trade-updates", "what": "cut"}
    watched.in_trouble("BrokerOutOfSync", lambda: watched.faults(cut), watched.faults)


def test_fill_processors_that_stand_still(watched: Watched) -> None:
    """Fills wait and none is acknowledged; once they go on all is booked."""
    names = watched.mesh.instances(Component.FILL_PROCESSOR)

    def begin() -> None:
        for name in names:
            watched.mesh.pause(name)

    def end() -> None:
        for name in names:
            watched.mesh.carry_on(name)

    watched.in_trouble("FillBacklog", begin, end)


def test_a_risk_manager_that_stands_still(watched: Watched) -> None:
    """Every signal waits for its time and is refused."""
    risk = Component.RISK_MANAGER
    watched.in_trouble("RiskTimeouts", lambda: watched.mesh.pause(risk), lambda: watched.mesh.carry_on(risk))


def test_a_subscriber_that_misses_ticks(watched: Watched) -> None:
    """It stood still for longer than its queue holds, and knows what it missed."""
    name = Component.FEATURE_ENGINE
    mesh = watched.mesh

    def published() -> int:
        return mesh.counter(Component.MARKET_DATA_FEED, "messages_published")

    def stand_still() -> None:
        before = published()
        mesh.pause(name)
        try:
            mesh.wait(lambda: published() > before + 6_000)
        finally:
            mesh.carry_on(name)

    watched.in_trouble("GapRate", stand_still, lambda: None)


def test_a_component_that_is_killed(watched: Watched) -> None:
    """`kill -9`, and a start."""
    name = Component.MARKET_DATA_STORE
    watched.in_trouble("ComponentDown", lambda: watched.mesh.kill(name), lambda: watched.mesh.start(name))


def test_a_loss_beyond_the_limit(watched: Watched) -> None:
    """The breaker opens: commissions are more than any trade gains here. What the alert says names the system."""
    mesh = watched.mesh
    wait(lambda: not watched.fires("BreakerTripped"), "BreakerTripped quiet before")
    mesh.limit(maxDailyLoss="0.01")
    mesh.trade(20)
    said: dict[str, dict[str, str]] = {}

    def tripped() -> bool:
        said.update(watched.prometheus.firing())
        return "TradingMeshBreakerTripped" in said

    wait(tripped, "BreakerTripped firing")
    assert said["TradingMeshBreakerTripped"]["summary"] == "chaos: the circuit breaker is open, no order goes out"
