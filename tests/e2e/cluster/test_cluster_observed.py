"""What is told of a system in a cluster: to Prometheus by its pods' annotations, to Jaeger by OTLP, to people by logs.

Both run on the node, beside the cluster, and reach pods or are reached by them: with a cluster of somebody else's these
tests are skipped.
"""

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pytest

from tests.cluster.addresses import NODE
from tests.cluster.waiting import until
from tests.e2e.cluster.conftest import Figures, Made, stopwatch
from tests.e2e.cluster.trading import ENOUGH, Trading
from tests.observability.jaeger import Jaeger
from tests.observability.panels import unanswered
from tests.observability.prometheus import Prometheus, by_file, pod_targets
from tests.observability.rules import shortened, write_rules
from tests.observability.way import assert_in_order, whole_trace
from tradingmesh.contract import Component

pytestmark = pytest.mark.skipif(
    "E2E_KUBECONFIG" in os.environ, reason="Prometheus and Jaeger run on the cluster's node"
)
FACTOR = 30
"""Windows and `for` of the alerts are so many times shorter; a feed is stale after two seconds instead of sixty."""
SILENT = {"inject": [{"where": "market-data", "what": "mute"}]}


class Watched(NamedTuple):
    """A system, and who watches it."""

    trading: Trading
    prometheus: Prometheus
    jaeger: Jaeger
    find_pods: Callable[[], object]

    def scraped(self) -> bool:
        """Whether each of its pods is found, and answers."""
        self.find_pods()
        return self.prometheus.scraped() == len(self.trading.pods())

    def fires(self, alert: str) -> bool:
        """Whether the alert does now."""
        self.find_pods()
        return f"TradingMesh{alert}" in self.prometheus.firing()

    def in_trouble(self, alert: str, begin: Callable[[], object], end: Callable[[], object]) -> float:
        """The alert is quiet, fires once the trouble began, so many seconds later, and is quiet after its end."""
        until(lambda: not self.fires(alert), f"{alert} quiet before", 90)
        begin()
        with stopwatch() as since_s:
            until(partial(self.fires, alert), f"{alert} firing", 90)
            fired_s = since_s()
        end()
        until(lambda: not self.fires(alert), f"{alert} quiet again", 120)
        return fired_s


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    """At an address that pods reach."""
    made = Jaeger(tmp_path_factory.mktemp("traces") / "jaeger", listen=NODE)
    yield made
    made.close()


@pytest.fixture(scope="module")
def watched(made: Made, jaeger: Jaeger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A system that trades and traces every tick."""
    trading = made("watched")
    trading.spec["observability"] = {"otlpEndpoint": jaeger.endpoint, "traceSampleRatio": "1", "dashboards": True}
    trading.spec["broker"]["simulator"]["ticksPerSecond"] = 20
    trading.spec["broker"]["commissionPerShare"] = "1"
    trading.spec["riskLimits"]["maxDailyLoss"] = ENOUGH
    trading.apply()
    trading.wait_for("Ready", 240)
    until(lambda: trading.fills() > 0, "the first fill", 120)
    folder = tmp_path_factory.mktemp("watched")
    targets = folder / "pods.json"

    def find_pods() -> None:
        pods = trading.kube.json("--namespace", trading.namespace, "get", "pods")["items"]
        fresh = targets.with_suffix(".fresh")
        fresh.write_text(json.dumps(pod_targets(pods)))
        fresh.replace(targets)

    find_pods()
    rules = write_rules(folder / "rules.yaml", *shortened(FACTOR, TradingMeshFeedStale="> 60:> 2"))
    prometheus = Prometheus(folder / "prometheus", by_file(targets), rules)
    yield Watched(trading, prometheus, jaeger, find_pods)
    prometheus.close()


def test_every_pod_is_scraped_and_every_panel_has_data(watched: Watched) -> None:
    """By the annotations of the pods; no query of the dashboard is without an answer.

    A pod without its annotations is not found; a renamed metric leaves its panel empty.
    """
    until(watched.scraped, "every pod to be scraped", 90)
    until(lambda: not unanswered(watched.prometheus, watched.trading.name, "10s"), "every panel to have data", 60)


def test_grafana_is_handed_the_dashboard(watched: Watched) -> None:
    """As a ConfigMap that its sidecar finds by the label."""
    labelled = ("get", "configmap", "--selector", "grafana_dashboard=1", "-o", "jsonpath={.items[*].metadata.name}")
    assert watched.trading.kubectl(*labelled) == "watched-dashboard"


def test_from_tick_to_fill_is_one_trace(watched: Watched) -> None:
    """Across the pods, and the logs of order and fill carry its id. Without the span of the tick it has no root."""
    trace_id, spans = whole_trace(watched.jaeger)
    assert_in_order(spans)
    assert trace_id in _logged(watched.trading, Component.EXECUTION_ENGINE, "OrderPlaced")
    assert trace_id in _logged(watched.trading, Component.FILL_PROCESSOR, "OrderFilled")


def test_a_stale_feed_is_an_alert(watched: Watched, figures: Figures) -> None:
    """The broker goes silent, and speaks again. With a gauge that stands still it would stay quiet."""
    trading = watched.trading
    fired_s = watched.in_trouble(
        "FeedStale",
        lambda: trading._ask_broker([["PUT", "/simulator/faults", SILENT]]),
        lambda: trading._ask_broker([["DELETE", "/simulator/faults", None]]),
    )
    figures.note("alert_s", fired_s)


def test_a_component_that_is_gone_is_an_alert(watched: Watched, figures: Figures) -> None:
    """A pod is deleted, and finds no node until one is uncordoned: the next would answer too soon for an alert.

    A rule that only counted pods that do not answer would stay quiet, for there is none. (Seen to stay quiet where the
    next pod comes at once.)
    """
    kubectl = watched.trading.kubectl
    (pod,) = watched.trading.pods(Component.FEATURE_ENGINE)
    node = kubectl("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}")

    def gone() -> None:
        kubectl("cordon", node)
        kubectl("delete", "pod", pod, "--wait=false")

    try:
        figures.note("alert_s", watched.in_trouble("ComponentDown", gone, partial(kubectl, "uncordon", node)))
    finally:
        kubectl("uncordon", node)


def test_a_tripped_breaker_is_an_alert(watched: Watched, figures: Figures) -> None:
    """The day's loss passes its limit: no trade earns what its commission costs. It is the last of the tests here.

    (Seen to stay quiet where trades may win: nothing is lost then.)
    """
    until(lambda: not watched.fires("BreakerTripped"), "BreakerTripped quiet before", 90)
    watched.trading.patch({"riskLimits": {"maxDailyLoss": "0.01"}})
    said: dict[str, dict[str, str]] = {}

    def tripped() -> bool:
        watched.find_pods()
        said.update(watched.prometheus.firing())
        return "TradingMeshBreakerTripped" in said

    with stopwatch() as since_s:
        until(tripped, "BreakerTripped firing", 90)
        figures.note("alert_s", since_s())
    assert said["TradingMeshBreakerTripped"]["summary"] == "watched: the circuit breaker is open, no order goes out"


def _logged(trading: Trading, component: Component, event: str) -> set[str]:
    """The trace ids of what a component's pods logged of an event."""
    texts = [trading.kubectl("logs", pod) for pod in trading.pods(component)]
    lines = [json.loads(line) for text in texts for line in text.splitlines() if line.startswith("{")]
    return {line["trace_id"] for line in lines if line["event"] == event}
