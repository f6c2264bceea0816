"""The charts before a real API server: what they render is admitted, and helm installs, upgrades and uninstalls it."""

import json
from base64 import b64decode

import pytest

from tests.charts.rendering import (
    OPERATOR,
    UMBRELLA,
    HelmError,
    Object,
    completed,
    container,
    helm,
    of_kind,
    render,
    samples,
    spec_values,
    system_values,
    workloads,
)
from tests.cluster.api_server import ApiServer
from tests.cluster.waiting import until
from tradingmesh.contract import Component

EVERYTHING: Object = {
    "mode": "live",
    "acknowledgeLiveTrading": True,
    "broker": {"kind": "alpaca", "credentialsSecretRef": {"name": "alpaca"}},
    "persistence": {"size": "1Gi", "postgres": {"urlSecretRef": {"name": "pg"}}},
    "observability": {"otlpEndpoint": "http://jaeger:4318"},
}
LONGEST = "a" * 34


def admitted(server: ApiServer, objects: list[Object]) -> str:
    """What the server says to each in a server-side apply that changes nothing; unknown fields are refused."""
    items = {"apiVersion": "v1", "kind": "List", "items": objects}
    dry_run = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    return server.kubectl(*dry_run, stdin=items).stdout


@pytest.mark.parametrize("sample", samples())
def test_every_sample_is_admitted(api_server: ApiServer, namespace: str, sample: str) -> None:
    """Every object that the umbrella makes of a sample, by server-side apply, with no field unknown."""
    objects = render(UMBRELLA, system_values(samples()[sample]), namespace=namespace)
    told = admitted(api_server, objects).splitlines()
    assert len(told) == len(objects) > 30
    assert all(line.endswith("serverside-applied (server dry run)") for line in told)


@pytest.mark.parametrize("component", Component)
def test_every_chart_alone_is_admitted(api_server: ApiServer, namespace: str, component: Component) -> None:
    """Installed by itself, with nothing said."""
    objects = render(component, release="my", namespace=namespace)
    assert len(admitted(api_server, objects).splitlines()) == len(objects) >= 5


def test_everything_at_once_is_admitted(api_server: ApiServer, namespace: str) -> None:
    """Live, PostgreSQL, traces, a name as long as it may be, and every value of a component."""
    values = spec_values(EVERYTHING, image={"pullSecrets": ["key"]}, networkPolicy={"adminFrom": [{"podSelector": {}}]})
    values["global"]["system"]["name"] = LONGEST
    for component in Component:
        values[component.value] = {
            "podAnnotations": {"team": "a"},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "x", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {}},
            "topologySpread": [{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}],
            "extraEnv": [{"name": "A", "value": "b"}],
            "extraVolumes": [{"name": "more", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        }
    objects = render(UMBRELLA, values, namespace=namespace)
    assert len(admitted(api_server, objects).splitlines()) == len(objects)
    names = [one["metadata"]["name"] for one in of_kind(objects, "StatefulSet")]
    assert max(map(len, names)) <= 52
    assert max(len(one["metadata"]["name"]) for one in of_kind(objects, "Service")) <= 63


def test_the_server_refuses_what_is_wrong(api_server: ApiServer, namespace: str) -> None:
    """It can fail: a field that nobody knows, and a port that is none."""
    [service] = of_kind(render("risk-manager", namespace=namespace), "Service")
    service["spec"]["clusterIp"] = "None"
    with pytest.raises(RuntimeError, match="clusterIp"):
        admitted(api_server, [service])
    del service["spec"]["clusterIp"]
    service["spec"]["ports"][0]["port"] = 70_000
    with pytest.raises(RuntimeError, match="70000"):
        admitted(api_server, [service])


def test_pods_are_admitted_where_only_the_restricted_are(api_server: ApiServer, namespace: str) -> None:
    """A namespace that enforces pod security `restricted` takes each pod, the operator's too."""
    api_server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    objects = render(UMBRELLA, spec_values({}), namespace=namespace) + render(OPERATOR, namespace=namespace)
    accounts = of_kind(objects, "ServiceAccount")
    api_server.kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": accounts})
    pods = [pod_of(name, workload, namespace) for name, workload in workloads(objects).items()]
    made = api_server.kubectl(
        "create", "--dry-run=server", "-o", "name", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": pods}
    )
    assert len(made.stdout.split()) == len(pods) == len(Component) + 1
    assert "would violate" not in made.stderr


def pod_of(name: str, workload: Object, namespace: str) -> Object:
    template = workload["spec"]["template"]
    spec = template["spec"]
    for claim in workload["spec"].get("volumeClaimTemplates", []):
        volume = claim["metadata"]["name"]
        spec["volumes"].append({"name": volume, "persistentVolumeClaim": {"claimName": volume}})
    metadata = {**template["metadata"], "name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_installing_and_upgrading_keeps_the_token(api_server: ApiServer, namespace: str) -> None:
    """`helm install`, `helm upgrade` with another limit, `helm uninstall`: as a person does without the operator."""
    where = ("--namespace", namespace)
    notes = helm("install", "my", completed() / UMBRELLA, *where, kubeconfig=api_server.kubeconfig)
    assert "exec my-risk-manager-0 -- tradingmesh halt" in notes
    token = token_of(api_server, namespace)
    changed = ("--reuse-values", "--set", "global.system.spec.trading=Halted")
    helm("upgrade", "my", completed() / UMBRELLA, *changed, *where, kubeconfig=api_server.kubeconfig)
    assert token_of(api_server, namespace) == token
    assert len(b64decode(token)) == 40
    config = api_server.kubectl("get", "configmap", "my-system", "-n", namespace, "-o", "json").stdout
    assert "trading: Halted" in json.loads(config)["data"]["system.yaml"]
    helm("uninstall", "my", *where, kubeconfig=api_server.kubeconfig)
    # Where controllers run, pods go after their owners.
    until(lambda: not _left(api_server, namespace), "nothing left", 60)


def _left(server: ApiServer, namespace: str) -> set[str]:
    told = server.kubectl("get", "all,configmaps,secrets,networkpolicies,pdb", "-n", namespace, "-o", "name").stdout
    return set(told.split()) - {"configmap/kube-root-ca.crt"}


def token_of(server: ApiServer, namespace: str) -> str:
    secret = server.kubectl("get", "secret", "my-control", "-n", namespace, "-o", "json").stdout
    return str(json.loads(secret)["data"]["token"])


@pytest.mark.parametrize("component", Component)
def test_notes_say_how_to_look_at_it(api_server: ApiServer, namespace: str, component: Component) -> None:
    """What helm prints after an installation has commands that name what was installed."""
    dry_run = ("install", "my", completed() / component, "--namespace", namespace, "--dry-run=server")
    notes = helm(*dry_run, kubeconfig=api_server.kubeconfig).rpartition("NOTES:")[2]
    kind = workloads(render(component, release="my"))[component]["kind"].lower()
    assert f"kubectl --namespace {namespace} rollout status {kind}/my-{component}" in notes
    assert "{{" not in notes
    assert "<no value>" not in notes


def test_two_charts_alone_make_one_system(api_server: ApiServer, namespace: str) -> None:
    """Under one system's name, each with its own release: nothing of theirs collides, and they find each other."""
    named = ("--set", "global.system.name=demo", "--namespace", namespace)
    for release, component in (("risk", Component.RISK_MANAGER), ("engine", Component.EXECUTION_ENGINE)):
        helm("install", release, completed() / component, *named, kubeconfig=api_server.kubeconfig)
    services = api_server.kubectl("get", "services", "-n", namespace, "-o", "name").stdout.split()
    assert {"service/demo-risk-manager", "service/demo-execution-engine"} <= set(services)
    engine = workloads(render(Component.EXECUTION_ENGINE, {"global": {"system": {"name": "demo"}}}, release="engine"))
    hosts = {one["name"]: one.get("value", "") for one in container(engine[Component.EXECUTION_ENGINE])["env"]}
    assert '"risk-manager":"demo-risk-manager"' in hosts["TRADINGMESH_HOSTS"]


def test_an_old_cluster_is_told_so() -> None:
    """A drain needs the sleep of Kubernetes 1.30: before that helm refuses."""
    assert helm("template", "demo", completed() / UMBRELLA, "--kube-version", "1.30.0")
    with pytest.raises(HelmError, match=r"requires kubeVersion: >=1\.30"):
        helm("template", "demo", completed() / UMBRELLA, "--kube-version", "1.29.9")
