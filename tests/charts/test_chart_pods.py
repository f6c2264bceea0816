"""How pods live: who they are, how their health is asked, in which order they end, what they keep."""

import pytest

from tests.charts.rendering import (
    UMBRELLA,
    Object,
    component_of,
    container,
    of_kind,
    render,
    spec_values,
    workloads,
)
from tradingmesh.cli.up_plan import STOP_ORDER
from tradingmesh.contract import Component
from tradingmesh.market_data_store.main import DRAIN_WITHIN_S
from tradingmesh.runtime.admin import HUNG_AFTER_S

KEEPING = {Component.RISK_MANAGER, Component.EXECUTION_ENGINE, Component.MARKET_DATA_STORE}
SCALING = {Component.FILL_PROCESSOR}
DRAIN_S = {
    Component.EXECUTION_ENGINE: 4,
    Component.FILL_PROCESSOR: 2,
    Component.MARKET_DATA_STORE: int(DRAIN_WITHIN_S),
}
"""How long a component takes to end once it has SIGTERM; the others are done within a second."""


def system(spec: Object | None = None, **others: Object) -> dict[str, Object]:
    return workloads(render(UMBRELLA, spec_values(spec or {}) | others))


@pytest.mark.parametrize("component", Component)
def test_who_keeps_something_has_a_volume(component: Component) -> None:
    """A StatefulSet with a claim that outlives it, and its data there; nobody else has one."""
    workload = system()[component]
    assert workload["kind"] == ("StatefulSet" if component in KEEPING else "Deployment")
    mounts = {mount["name"]: mount["mountPath"] for mount in container(workload)["volumeMounts"]}
    assert ("data" in mounts) == (component in KEEPING)
    if component in KEEPING:
        [claim] = workload["spec"]["volumeClaimTemplates"]
        assert claim["spec"] == {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "10Gi"}},
        }
        kept = workload["spec"]["persistentVolumeClaimRetentionPolicy"]
        assert kept == {"whenDeleted": "Retain", "whenScaled": "Retain"}
        assert workload["spec"]["serviceName"] == workload["metadata"]["name"]


def test_a_volume_is_as_large_as_the_manifest_says() -> None:
    """`persistence.size` for all, a component's own before it, and a storage class where one is named."""
    own: Object = {"risk-manager": {"persistence": {"size": "1Gi", "storageClassName": "fast"}}}
    found = system({"persistence": {"size": "5Gi"}}, **own)
    sizes = {one: found[one]["spec"]["volumeClaimTemplates"][0]["spec"] for one in KEEPING}
    assert sizes[Component.RISK_MANAGER]["resources"]["requests"]["storage"] == "1Gi"
    assert sizes[Component.RISK_MANAGER]["storageClassName"] == "fast"
    assert sizes[Component.MARKET_DATA_STORE]["resources"]["requests"]["storage"] == "5Gi"


def test_claims_carry_nothing_that_changes() -> None:
    """They cannot be changed later: a version among their labels would block every upgrade."""
    before, after = system(), workloads(render(UMBRELLA, spec_values({}, image={"tag": "9.9.9"})))
    for component in KEEPING:
        claims = [found[component]["spec"]["volumeClaimTemplates"] for found in (before, after)]
        assert claims[0] == claims[1]


def test_without_a_volume_there_is_an_empty_one() -> None:
    """For a trial on a cluster without storage."""
    found = system(**{"risk-manager": {"persistence": {"enabled": False}}})[Component.RISK_MANAGER]
    assert "volumeClaimTemplates" not in found["spec"]
    volumes = {one["name"]: one for one in found["spec"]["template"]["spec"]["volumes"]}
    assert volumes["data"] == {"name": "data", "emptyDir": {"sizeLimit": "10Gi"}}


@pytest.mark.parametrize("component", Component)
def test_only_what_scales_overlaps_when_it_is_rolled(component: Component) -> None:
    """Two feeds would take the stream from each other, and two signal generators would signal twice."""
    workload = system()[component]["spec"]
    if component in SCALING:
        assert workload["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        }
    elif component in KEEPING:
        assert (workload["podManagementPolicy"], workload["replicas"]) == ("Parallel", 1)
    else:
        assert (workload["strategy"], workload["replicas"]) == ({"type": "Recreate"}, 1)


@pytest.mark.parametrize(
    ("spec", "own", "replicas"),
    [({}, {}, 2), ({"fillProcessors": {"replicas": 5}}, {}, 5), ({}, {"replicas": 7}, 7), ({}, {"replicas": 0}, 0)],
    ids=["usual", "manifest", "operator", "none"],
)
def test_fill_processors_are_as_many_as_asked_for(spec: Object, own: Object, replicas: int) -> None:
    """By the manifest; by the chart's own value where somebody decides otherwise, as autoscaling does."""
    assert system(spec, **{"fill-processor": own})[Component.FILL_PROCESSOR]["spec"]["replicas"] == replicas


def test_fill_processors_keep_apart_and_go_one_by_one() -> None:
    """Over the nodes where it is possible; a drained node takes one of them at a time."""
    objects = render(UMBRELLA, spec_values({}))
    template = workloads(objects)[Component.FILL_PROCESSOR]["spec"]["template"]
    [spread] = template["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    [budget] = of_kind(objects, "PodDisruptionBudget")
    assert component_of(budget) == Component.FILL_PROCESSOR
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def stop_after_s(workload: Object) -> int:
    told = container(workload).get("lifecycle")
    return int(told["preStop"]["sleep"]["seconds"]) if told else 0


def test_who_makes_work_ends_before_who_does_it() -> None:
    """All told at once, as when a namespace is drained, each is done before the next gets its SIGTERM."""
    found = system()
    done_s = 0
    for group in STOP_ORDER:
        begins_s = min(stop_after_s(found[component]) for component in group)
        assert begins_s >= done_s, group
        # The store takes nobody's work: who comes after it need not wait for its files.
        drains = [stop_after_s(found[one]) + DRAIN_S.get(one, 1) for one in group if one != "market-data-store"]
        done_s = max(drains)


@pytest.mark.parametrize("component", Component)
def test_there_is_time_to_drain(component: Component) -> None:
    """The kubelet kills only who takes far longer than it should."""
    workload = system()[component]
    grace_s = workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace_s >= 2 * (stop_after_s(workload) + DRAIN_S.get(component, 1))


@pytest.mark.parametrize("component", Component)
def test_health_is_asked_on_the_admin_port(component: Component) -> None:
    """Liveness is the loop's, readiness the service's; a hung loop is started anew within half a minute."""
    told = container(system()[component])
    paths = {probe: told[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe: at["path"] for probe, at in paths.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {at["port"] for at in paths.values()} == {"http-admin"}
    live = told["livenessProbe"]
    restart_s = HUNG_AFTER_S + live["periodSeconds"] * live["failureThreshold"] + live["timeoutSeconds"]
    assert 10 < restart_s < 30
    start = told["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] >= (600 if component == "risk-manager" else 60)


def test_labels_select_what_they_should_for_ever() -> None:
    """Selectors cannot be changed: they have neither version nor chart in them."""
    for component, workload in system().items():
        selector = workload["spec"]["selector"]["matchLabels"]
        assert selector == {"app.kubernetes.io/name": component, "app.kubernetes.io/instance": "demo"}
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()
        assert set(labels) == {f"app.kubernetes.io/{word}" for word in ("name", "instance", "part-of", "version")}


def test_a_new_chart_restarts_nobody() -> None:
    """No pod template names the version of a chart: an operator that is upgraded leaves running systems alone."""
    for component, workload in system().items():
        assert "helm.sh/chart" in workload["metadata"]["labels"]
        assert "helm.sh/chart" not in str(workload["spec"]["template"]), component
        assert workload["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_what_a_component_is_given_reaches_its_pod() -> None:
    """Every value of a component's own chart that is about its pod."""
    own: Object = {
        "podAnnotations": {"team": "a"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "x", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "extraEnv": [{"name": "MALLOC_ARENA_MAX", "value": "2"}],
        "extraVolumes": [{"name": "tapes", "configMap": {"name": "tapes"}}],
        "extraVolumeMounts": [{"name": "tapes", "mountPath": "/tapes"}],
        "logLevel": "DEBUG",
        "image": "mine/own:1",
        "resources": {"limits": {"memory": "1Gi"}},
        "startupTimeoutSeconds": 7,
        "terminationGracePeriodSeconds": 99,
    }
    template = system(**{"alpaca-simulator": own})[Component.ALPACA_SIMULATOR]["spec"]["template"]
    spec, [told] = template["spec"], template["spec"]["containers"]
    assert template["metadata"]["annotations"]["team"] == "a"
    assert [spec[key] for key in ("nodeSelector", "tolerations", "affinity")] == [
        own[key] for key in ("nodeSelector", "tolerations", "affinity")
    ]
    assert own["extraEnv"][0] in told["env"]
    assert {"name": "TRADINGMESH_LOG_LEVEL", "value": "DEBUG"} in told["env"]
    assert own["extraVolumes"][0] in spec["volumes"]
    assert own["extraVolumeMounts"][0] in told["volumeMounts"]
    assert (told["image"], told["resources"]["limits"]["memory"]) == ("mine/own:1", "1Gi")
    assert told["resources"]["requests"]["memory"] == "256Mi"
    assert (told["startupProbe"]["failureThreshold"], spec["terminationGracePeriodSeconds"]) == (7, 99)


def test_images_are_told_once_for_all() -> None:
    """Repository, tag, policy and secrets under `global.image`."""
    image = {"repository": "registry.example:5000/tm", "tag": "1.2.3", "pullPolicy": "Never", "pullSecrets": ["key"]}
    for component, workload in workloads(render(UMBRELLA, spec_values({}, image=image))).items():
        assert container(workload)["image"] == f"registry.example:5000/tm/{component}:1.2.3"
        assert container(workload)["imagePullPolicy"] == "Never"
        template = workload["spec"]["template"]
        assert template["spec"]["imagePullSecrets"] == [{"name": "key"}]
        assert template["metadata"]["labels"]["app.kubernetes.io/version"] == "1.2.3"


def test_prometheus_finds_everybody() -> None:
    """By annotations always; by monitors of either kind where they are asked for."""
    for workload in system().values():
        annotations = workload["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == "9090"
        assert annotations["prometheus.io/path"] == "/metrics"
    assert of_kind(render(UMBRELLA, spec_values({})), "PodMonitor", "ServiceMonitor") == []
    told = {"podMonitor": True, "serviceMonitor": True, "labels": {"release": "prometheus"}, "interval": "5s"}
    monitors = of_kind(render(UMBRELLA, spec_values({}, monitoring=told)), "PodMonitor", "ServiceMonitor")
    assert len(monitors) == 2 * len(Component)
    for monitor in monitors:
        [scraped] = monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"]
        assert scraped == {"port": "http-admin", "path": "/metrics", "interval": "5s"}
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        assert monitor["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == component_of(monitor)


def test_the_manifest_can_ask_for_service_monitors() -> None:
    """`observability.serviceMonitor`, as the operator hands it on."""
    found = render(UMBRELLA, spec_values({"observability": {"serviceMonitor": True}}))
    assert len(of_kind(found, "ServiceMonitor")) == len(Component)
