"""The number of fill processors, by hand and by backlog, against the real API server."""

import json
from typing import Any

import pytest

from tests.cluster.waiting import until
from tests.operator.place import Place
from tests.operator.speaking_pod import SpeakingPod

pytestmark = pytest.mark.timeout(180)
AUTOSCALED = {"minReplicas": 1, "maxReplicas": 6, "targetBacklog": 100, "stabilization": "6s"}


def _replicas(place: Place) -> tuple[Any, Any]:
    """What the spec asks for, and what the Deployment is told."""
    found = json.loads(place.kubectl("get", "tsys/demo", "deployment/demo-fill-processor", "-o", "json"))["items"]
    return found[0]["spec"]["fillProcessors"]["replicas"], found[1]["spec"]["replicas"]


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
