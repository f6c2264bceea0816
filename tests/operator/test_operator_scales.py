"""The number of fill processors, by hand and by backlog, against the real API server."""

from typing import Any

import pytest

from tests.cluster.waiting import until
from tests.operator.place import Object, Place
from tests.operator.speaking_pod import SpeakingPod

pytestmark = pytest.mark.timeout(180)
AUTOSCALED = {"minReplicas": 1, "maxReplicas": 6, "targetBacklog": 100, "stabilization": "6s"}


def _replicas(place: Place) -> tuple[Any, Any]:
    """What the spec asks for, and what the Deployment is told."""
    told = place.get("deployment", "demo-fill-processor")
    return place.system()["spec"]["fillProcessors"]["replicas"], told["spec"]["replicas"]


def _autoscaler(name: str, target: Object, *, at_least: int) -> Object:
    """One of the cluster's own. Without metrics it only sees to its least number."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": target, "minReplicas": at_least, "maxReplicas": 8},
    }


def test_a_horizontal_pod_autoscaler_scales_the_system(place: Place) -> None:
    """Kubernetes' own controller reads the scale subresource and writes to it; nobody scales it back."""
    place.apply()
    place.until_reconciled()
    target = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "name": "demo"}
    place.kubectl("create", "-f", "-", stdin=_autoscaler("mine", target, at_least=4))
    until(lambda: _replicas(place) == (4, 4), "four", 90)
    told = {one["type"]: one["status"] for one in place.get("horizontalpodautoscaler", "mine")["status"]["conditions"]}
    assert told["AbleToScale"] == "True"
    until(
        lambda: place.get("horizontalpodautoscaler", "mine")["status"].get("currentReplicas") == 4,
        "that it sees four",
        60,
    )
    place.apply({"fillProcessors.autoscaling": AUTOSCALED})
    until(lambda: place.condition("Degraded")[:2] == ("True", "ScaledTwice"), "that two want to scale", 60)
    assert "HorizontalPodAutoscaler mine" in until(lambda: place.events().get("ScaledTwice", ""), "the Event")
    assert _replicas(place) == (4, 4)


def test_a_deployment_with_an_autoscaler_keeps_its_number(place: Place) -> None:
    """What a HorizontalPodAutoscaler has set is not put right."""
    place.apply()
    place.until_reconciled()
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "demo-fill-processor"}
    place.kubectl("create", "-f", "-", stdin=_autoscaler("mine", target, at_least=3))
    until(lambda: _replicas(place) == (2, 3), "three, of which the spec knows nothing", 90)
    place.apply({"riskLimits.maxDailyLoss": "3000"})
    place.until_reconciled()
    assert _replicas(place) == (2, 3)
    assert "PutRight" not in place.events()


def test_kubectl_scales(place: Place) -> None:
    """By the scale subresource; nobody scales it back."""
    place.apply()
    place.until_reconciled()
    assert _replicas(place) == (2, 2)
    place.kubectl("scale", "tsys/demo", "--replicas=4")
    until(lambda: _replicas(place) == (4, 4), "four", 60)
    until(lambda: "2 -> 4" in place.events().get("Scaled", ""), "the Event", 60)
    assert "PutRight" not in place.events()


def test_the_number_follows_the_backlog(place: Place) -> None:
    """Out at once, in after a quiet window, and an Event for each with the reason."""
    place.apply({"fillProcessors": {"replicas": 1, "autoscaling": AUTOSCALED}})
    place.until_reconciled()
    with SpeakingPod(place, "execution-engine", {"generation": 1, "status": {"backlog": 450}}) as engine:
        until(engine.run, "its pod", 60)
        until(lambda: _replicas(place) == (5, 5), "five for 450", 60)
        assert "1 -> 5: 450 fills wait" in until(lambda: place.events().get("Autoscaled", ""), "the Event", 60)
        engine.says["status"] = {"backlog": 90}
        until(lambda: _replicas(place) == (1, 1), "one for 90", 90)
