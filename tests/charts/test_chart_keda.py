"""KEDA's ScaledObject: only where the manifest asks for it and the cluster knows the kind."""

import pytest
import yaml

from tests.charts.rendering import UMBRELLA, HelmError, Object, completed, helm, of_kind, spec_values
from tests.cluster.api_server import ApiServer

KNOWS = "--api-versions=keda.sh/v1alpha1/ScaledObject"


def _rendered(autoscaling: Object | None, *options: str, chart: str = UMBRELLA) -> list[Object]:
    values = spec_values({"fillProcessors": {"replicas": 2, "autoscaling": autoscaling}} if autoscaling else {})
    told = helm("template", "demo", completed() / chart, "--values", "-", *options, stdin=yaml.safe_dump(values))
    return of_kind([one for one in yaml.safe_load_all(told) if one], "ScaledObject")


@pytest.mark.parametrize("chart", [UMBRELLA, "fill-processor"])
def test_it_takes_both_to_have_one(chart: str) -> None:
    """Of one system there is one, with the umbrella as with the component's chart alone."""
    assert len(_rendered({"scaler": "Keda"}, KNOWS, chart=chart)) == 1
    assert _rendered({"scaler": "Keda"}, chart=chart) == []
    assert _rendered({"scaler": "Operator"}, KNOWS, chart=chart) == []
    assert _rendered(None, KNOWS, chart=chart) == []


def test_what_is_not_said_is_as_the_operator_has_it() -> None:
    """The defaults of the spec's model."""
    [found] = _rendered({"scaler": "Keda"}, KNOWS)
    assert (found["spec"]["minReplicaCount"], found["spec"]["maxReplicaCount"]) == (1, 8)
    assert found["spec"]["triggers"][0]["metadata"]["targetValue"] == "200"
    assert _window(found) == 60


@pytest.mark.parametrize(
    ("said", "seconds"), [("500ms", 1), ("0s", 0), ("2s", 2), ("1.5m", 90), ("0.5h", 1800), ("2h", 3600)]
)
def test_its_window_is_in_whole_seconds(said: str, seconds: int) -> None:
    """Of any duration that a manifest may have; an hour is the most that Kubernetes takes."""
    [found] = _rendered({"scaler": "Keda", "stabilization": said}, KNOWS)
    assert _window(found) == seconds


def test_who_installs_without_keda_is_told(api_server: ApiServer, namespace: str) -> None:
    """In the notes after the installation; and whoever misspells it is refused."""
    values = yaml.safe_dump(spec_values({"fillProcessors": {"autoscaling": {"scaler": "Keda"}}}))
    install = ("install", "demo", completed() / UMBRELLA, "--namespace", namespace, "--dry-run=server", "--values", "-")
    assert "this cluster has no KEDA" in helm(*install, stdin=values, kubeconfig=api_server.kubeconfig)
    with pytest.raises(HelmError, match="scaler"):
        helm(*install, stdin=values.replace("Keda", "Kedda"), kubeconfig=api_server.kubeconfig)


def _window(found: Object) -> int:
    behavior = found["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    return int(behavior["scaleDown"]["stabilizationWindowSeconds"])
