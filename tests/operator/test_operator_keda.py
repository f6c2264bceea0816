"""KEDA scales the fill processors where the spec asks for it and the cluster has it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.api_server import ApiServer
from tests.cluster.waiting import until
from tests.operator.place import Place

pytestmark = pytest.mark.timeout(240)

NAME = "demo-fill-processor"
BOUNDS = {"minReplicas": 2, "maxReplicas": 6, "targetBacklog": 100, "stabilization": "1.5m"}
BY_KEDA = {"fillProcessors": {"replicas": 2, "autoscaling": {**BOUNDS, "scaler": "Keda"}}}
BY_OPERATOR = {"fillProcessors": {"replicas": 2, "autoscaling": BOUNDS}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_TEXT, _WHOLE = {"type": "string"}, {"type": "integer", "format": "int32"}
_WINDOW = _object(stabilizationWindowSeconds=_WHOLE)
_SPEC = _object(
    scaleTargetRef={**_object(apiVersion=_TEXT, kind=_TEXT, name=_TEXT), "required": ["name"]},
    pollingInterval=_WHOLE,
    minReplicaCount=_WHOLE,
    maxReplicaCount=_WHOLE,
    advanced=_object(horizontalPodAutoscalerConfig=_object(behavior=_object(scaleUp=_WINDOW, scaleDown=_WINDOW))),
    triggers={
        "type": "array",
        "items": {
            **_object(type=_TEXT, metricType=_TEXT, metadata={"type": "object", "additionalProperties": _TEXT}),
            "required": ["type", "metadata"],
        },
    },
)
SCALED_OBJECTS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "scaledobjects.keda.sh"},
    "spec": {
        "group": "keda.sh",
        "scope": "Namespaced",
        "names": {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": _object(spec={**_SPEC, "required": ["scaleTargetRef", "triggers"]}),
                },
            }
        ],
    },
}
"""Of KEDA's own definition the fields that are used here, as it has them."""


@pytest.fixture
def without_keda(operated: ApiServer) -> Iterator[ApiServer]:
    """A cluster without KEDA, in which a test may install its definition; it goes at the end."""
    yield operated
    operated.kubectl("delete", "crd", "scaledobjects.keda.sh", "--ignore-not-found", "--timeout=30s")


def _install(server: ApiServer) -> None:
    server.kubectl("create", "-f", "-", stdin=SCALED_OBJECTS)
    server.until_defined("scaledobjects.keda.sh")


def _keda_scales(place: Place, replicas: int) -> None:
    """Does what KEDA does: a HorizontalPodAutoscaler of the ScaledObject's target, for Kubernetes' own controller."""
    target = place.get("scaledobject", NAME)["spec"]["scaleTargetRef"]
    spec = {"scaleTargetRef": target, "minReplicas": replicas, "maxReplicas": 6}
    head = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": f"keda-hpa-{NAME}"}}
    place.kubectl("create", "-f", "-", stdin={**head, "spec": spec})


def _number(place: Place) -> int:
    return int(place.get("deployment", NAME)["spec"]["replicas"])


def test_keda_takes_over_when_it_is_installed_and_gives_back(without_keda: ApiServer, place: Place) -> None:
    """Before, somebody is told what to install; then it has the number; and it goes when the spec says so."""
    place.apply(BY_KEDA)
    place.until_reconciled()
    until(lambda: place.condition("Degraded")[:2] == ("True", "KedaMissing"), "what is missing", 60)
    assert "install KEDA" in until(lambda: place.events("Warning").get("KedaMissing", ""), "the Event")
    _install(without_keda)
    until(lambda: place.get("scaledobject", NAME), "the ScaledObject", 90)
    until(lambda: place.condition("Degraded")[0] == "False", "nothing missing", 60)
    _keda_scales(place, 5)
    until(lambda: _number(place) == 5, "five by KEDA's autoscaler", 90)
    place.apply({**BY_KEDA, "riskLimits.maxDailyLoss": "1"})
    place.until_reconciled()
    assert _number(place) == 5
    assert place.system()["spec"]["fillProcessors"]["replicas"] == 2
    place.apply(BY_OPERATOR)
    until(lambda: not place.get("scaledobject", NAME), "the ScaledObject gone", 60)


def test_its_object_says_what_the_spec_says(without_keda: ApiServer, place: Place) -> None:
    """Bounds, target and window of the spec; the backlog is read where the operator reads it."""
    _install(without_keda)
    place.apply(BY_KEDA)
    found = until(lambda: place.get("scaledobject", NAME), "the ScaledObject", 90)
    assert found["metadata"]["ownerReferences"][0]["name"] == "demo"
    url = f"http://demo-execution-engine.{place.namespace}:9090/configz"
    metadata = {"url": url, "valueLocation": "status.backlog", "targetValue": "100"}
    down = {"scaleUp": {"stabilizationWindowSeconds": 0}, "scaleDown": {"stabilizationWindowSeconds": 90}}
    assert found["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
        "pollingInterval": 5,
        "minReplicaCount": 2,
        "maxReplicaCount": 6,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": down}},
        "triggers": [{"type": "metrics-api", "metricType": "AverageValue", "metadata": metadata}],
    }
