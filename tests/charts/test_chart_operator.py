"""The operator's chart: its rights are those it needs and no others, and the resource it brings stays."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.charts.rendering import (
    NAMESPACE,
    OPERATOR,
    HelmError,
    Object,
    completed,
    container,
    environment,
    helm,
    named,
    of_kind,
    render,
    workloads,
)
from tests.cluster.api_server import ApiServer
from tests.cluster.waiting import until
from tradingmesh_operator.objects import CHILD_KINDS, OPTIONAL_KINDS, Kind
from tradingmesh_operator.settings import Settings

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:op-tradingmesh-operator"
EVERY_VERB = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
CHILD_VERBS = {"get", "list", "watch", "create", "patch", "delete"}
NEEDS: dict[str, set[str]] = {
    "tradingmesh.io/tradingsystems": {"get", "list", "watch", "patch"},
    "tradingmesh.io/tradingsystems/status": {"patch"},
    "tradingmesh.io/tradingsystems/finalizers": {"update"},
    "/pods": {"list", "watch", "patch"},
    "/secrets": {"get", "create"},
    "/events": {"create"},
    "autoscaling/horizontalpodautoscalers": {"list"},
}
NEVER = (
    "/pods/exec",
    "/nodes",
    "/persistentvolumeclaims",
    "/namespaces",
    "rbac.authorization.k8s.io/roles",
    "/secrets/x",
)


def plural_of(kind: Kind) -> str:
    return f"{kind.api_version.rpartition('/')[0]}/{kind.plural}"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server of its own: what is installed here is of the whole cluster, and stays."""
    server = ApiServer(tmp_path_factory.mktemp("operator-chart"))
    try:
        server.start()
        for name in (NAMESPACE, "other"):
            server.kubectl("create", "namespace", name)
        install(server, "op")
        yield server
    finally:
        server.close()


def install(server: ApiServer, release: str, *options: str, namespace: str = NAMESPACE) -> str:
    where = ("--namespace", namespace, *options)
    return helm("upgrade", "--install", release, completed() / OPERATOR, *where, kubeconfig=server.kubeconfig)


def of_one(namespace: str) -> tuple[str, ...]:
    """Options for an operator of one namespace that needs nothing of the whole cluster."""
    return ("--set", f"watchNamespaces={{{namespace}}}", "--set", "installCRD=false,aggregateRoles=false")


def may(server: ApiServer, account: str, asked: list[tuple[str, str]], namespace: str) -> dict[tuple[str, str], bool]:
    """Whether the server lets an account do each of (verb, group/resource) in a namespace, asked at once."""
    reviews = []
    for verb, where in asked:
        group, _, rest = where.partition("/")
        resource, _, part = rest.partition("/")
        attributes = {"verb": verb, "group": group, "resource": resource, "subresource": part, "namespace": namespace}
        reviews.append(
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {"user": account, "groups": ["system:serviceaccounts"], "resourceAttributes": attributes},
            }
        )
    items = {"apiVersion": "v1", "kind": "List", "items": reviews}
    told = server.kubectl("create", "-f", "-", "-o", "jsonpath={.status.allowed}{'\\n'}", stdin=items).stdout.split()
    return dict(zip(asked, (word == "true" for word in told), strict=True))


def granted(server: ApiServer, account: str, resources: list[str], namespace: str) -> dict[str, set[str]]:
    asked = list(itertools.product(EVERY_VERB, resources))
    found = may(server, account, asked, namespace)
    return {where: {verb for verb in EVERY_VERB if found[verb, where]} for where in resources}


def test_it_may_do_what_it_does_and_nothing_else(cluster: ApiServer) -> None:
    """Verb by verb for every kind that the operator writes or reads, in any namespace."""
    optional = [kind for kind in OPTIONAL_KINDS if kind.kind != "ScaledObject"]
    needs = NEEDS | {plural_of(kind): CHILD_VERBS for kind in (*CHILD_KINDS, *optional)}
    assert granted(cluster, ACCOUNT, list(needs), "other") == needs


def test_it_may_not_do_what_would_make_it_a_danger(cluster: ApiServer) -> None:
    """No shell in pods, no reading of all secrets, no rights to hand out, no volumes to delete."""
    assert not any(granted(cluster, ACCOUNT, list(NEVER), "other").values())
    reads_all = may(cluster, ACCOUNT, [("list", "/secrets"), ("watch", "/secrets")], "other")
    assert not any(reads_all.values())


def test_its_lease_is_in_its_own_namespace(cluster: ApiServer) -> None:
    """Its own, by name: nobody else's lease can be taken."""
    lease = "coordination.k8s.io/leases"
    assert granted(cluster, ACCOUNT, [lease], "other") == {lease: set()}
    assert granted(cluster, ACCOUNT, [lease], NAMESPACE) == {lease: {"create"}}
    command = ("auth", "can-i", "--as", ACCOUNT, "-n", NAMESPACE, "update")
    assert cluster.kubectl(*command, "leases/tradingmesh-operator").stdout.strip() == "yes"
    assert cluster.kubectl(*command, "leases/another", check=False).stdout.strip() == "no"


def test_the_lease_goes_with_the_release_that_brought_it(cluster: ApiServer) -> None:
    """A second release in the namespace shares it: it neither brings it nor takes it away."""
    install(cluster, "second", "--set", "installCRD=false")
    helm("uninstall", "second", "--namespace", NAMESPACE, kubeconfig=cluster.kubeconfig)
    owner = r"jsonpath={.metadata.annotations.meta\.helm\.sh/release-name}"
    told = cluster.kubectl("--namespace", NAMESPACE, "get", "lease/tradingmesh-operator", "-o", owner)
    assert told.stdout == "op"
    cluster.kubectl("create", "namespace", "third")
    install(cluster, "third", *of_one("third"), namespace="third")
    helm("uninstall", "third", "--namespace", "third", kubeconfig=cluster.kubeconfig)
    assert cluster.kubectl("--namespace", "third", "get", "leases", "-o", "name").stdout == ""


def test_who_may_view_or_edit_a_namespace_may_so_with_its_systems(cluster: ApiServer) -> None:
    """The cluster's own roles have grown: viewers look, editors change and scale."""
    systems, scale = "tradingmesh.io/tradingsystems", "tradingmesh.io/tradingsystems/scale"
    for role in ("view", "edit"):
        cluster.kubectl("create", "rolebinding", role, "-n", "other", f"--clusterrole={role}", f"--user={role}er")
    cluster.start_controllers()  # they aggregate
    wait_for_role(cluster)
    reads = {"get", "list", "watch"}
    assert granted(cluster, "viewer", [systems, scale], "other") == {systems: reads, scale: reads}
    writes = {"create", "update", "patch", "delete", "deletecollection"}
    assert granted(cluster, "editer", [systems, scale], "other") == {
        systems: reads | writes,
        scale: reads | {"update", "patch"},
    }


def wait_for_role(server: ApiServer) -> None:
    asked = [("get", "tradingmesh.io/tradingsystems"), ("create", "tradingmesh.io/tradingsystems")]
    until(lambda: may(server, "viewer", asked[:1], "other")[asked[0]], "the view role to grow")
    until(lambda: may(server, "editer", asked[1:], "other")[asked[1]], "the edit role to grow")


def test_an_operator_of_one_namespace_has_no_rights_in_others(cluster: ApiServer) -> None:
    """`watchNamespaces`: roles there, and of the whole cluster nothing."""
    cluster.kubectl("create", "namespace", "fifth")
    install(cluster, "narrow", *of_one("other"), namespace="fifth")
    account = "system:serviceaccount:fifth:narrow-tradingmesh-operator"
    needs = NEEDS | {plural_of(kind): CHILD_VERBS for kind in CHILD_KINDS}
    assert granted(cluster, account, list(needs), "other") == needs
    assert not any(granted(cluster, account, list(needs), NAMESPACE).values())
    assert not any(granted(cluster, account, ["apiextensions.k8s.io/customresourcedefinitions"], "").values())
    helm("uninstall", "narrow", "--namespace", "fifth", kubeconfig=cluster.kubeconfig)


def test_a_system_has_one_operator(cluster: ApiServer) -> None:
    """Two with a Lease each would each roll it to its own version, for ever: helm says who is there already."""
    cluster.kubectl("create", "namespace", "sixth")
    told = r"watchNamespaces: release op in namespace trading runs the TradingSystems of every namespace already"
    for options in ((), ("--set", "watchNamespaces={sixth}")):
        with pytest.raises(HelmError, match=told):
            install(cluster, "sixth", "--set", "installCRD=false", *options, namespace="sixth")
    install(cluster, "sixth", *of_one("sixth"), namespace="sixth")
    with pytest.raises(HelmError, match="release sixth in namespace sixth runs the TradingSystems of namespace sixth"):
        install(cluster, "op")
    helm("uninstall", "sixth", "--namespace", "sixth", kubeconfig=cluster.kubeconfig)
    install(cluster, "op")


def test_keda_is_asked_for() -> None:
    """Rights to ScaledObjects only with `keda: true`."""
    for keda in (False, True):
        role = named(render(OPERATOR, {"keda": keda}, release="op"), "ClusterRole", f"{NAMESPACE}-op-{OPERATOR}")
        groups = {group for rule in role["rules"] for group in rule["apiGroups"]}
        assert ("keda.sh" in groups) == keda


def test_rights_have_no_wildcards() -> None:
    """Each rule names its groups, resources and verbs."""
    roles = of_kind(render(OPERATOR, {"keda": True, "watchNamespaces": ["a"]}), "ClusterRole", "Role")
    assert len(roles) >= 4
    words = {word for role in roles for rule in role["rules"] for field in rule.values() for word in field}
    assert "*" not in words
    assert not words & {"impersonate", "escalate", "bind"}


def test_the_resource_stays_when_the_chart_goes(cluster: ApiServer) -> None:
    """With it every TradingSystem would go; an upgrade brings a new one, and a second release does not fight for it."""
    definition = "customresourcedefinition/tradingsystems.tradingmesh.io"
    assert cluster.kubectl("get", definition, "-o", "name").stdout.strip().endswith("tradingsystems.tradingmesh.io")
    cluster.kubectl("label", definition, "told=old")
    cluster.kubectl("create", "namespace", "fourth")
    with pytest.raises(HelmError, match=r"CustomResourceDefinition .* exists and cannot be imported"):
        install(cluster, "second", *of_one("fourth"), "--set", "installCRD=true", namespace="fourth")
    install(cluster, "second", *of_one("fourth"), namespace="fourth")
    for release, namespace in (("second", "fourth"), ("op", NAMESPACE)):
        told = helm("uninstall", release, "--namespace", namespace, kubeconfig=cluster.kubeconfig)
        assert ("tradingsystems.tradingmesh.io" in told) == (release == "op")
    assert cluster.kubectl("get", definition, "-o", "jsonpath={.metadata.labels.told}").stdout == "old"
    install(cluster, "op")


def test_the_environment_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable is one of the operator's settings: a misspelt one would be ignored without a word."""
    values: Object = {
        "watchNamespaces": ["a", "b"],
        "image": {"repository": "r/tm", "tag": "7", "pullPolicy": "Always", "pullSecrets": ["key"]},
        "lease": {"name": "mine", "durationSeconds": 20},
        "logLevel": "DEBUG",
    }
    told = environment(workloads(render(OPERATOR, values))[OPERATOR])
    prefix = "TRADINGMESH_OPERATOR_"
    known = {prefix + name.upper() for name in Settings.model_fields}
    assert {name for name in told if name.startswith("TRADINGMESH")} <= known
    for name, value in told.items():
        monkeypatch.setenv(name, value if isinstance(value, str) else "from-elsewhere")
    settings = Settings()
    assert settings.watch_namespaces == ["a", "b"]
    assert (settings.image_repository, settings.image_tag) == ("r/tm", "7")
    assert (settings.image_pull_policy, settings.image_pull_secrets) == ("Always", ["key"])
    assert (settings.lease, settings.lease_duration_s) == ("mine", 20)
    assert (settings.namespace, settings.instance, settings.log_level) == ("from-elsewhere", "from-elsewhere", "DEBUG")


def test_there_is_one_operator_at_a_time() -> None:
    """One replica, the old one gone before the new one comes, started anew when its heartbeat stops."""
    workload = workloads(render(OPERATOR))[OPERATOR]
    assert workload["spec"]["replicas"] == 1
    assert workload["spec"]["strategy"] == {"type": "Recreate"}
    told: Any = container(workload)
    assert told["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http-admin"}
    assert told["ports"] == [{"name": "http-admin", "containerPort": 9090}]


@pytest.mark.parametrize(
    ("release", "name"), [("op", f"op-{OPERATOR}"), (OPERATOR, OPERATOR), (f"my-{OPERATOR}", f"my-{OPERATOR}")]
)
def test_it_is_called_by_its_release(release: str, name: str) -> None:
    """Without saying the same twice."""
    [workload] = of_kind(render(OPERATOR, release=release), "Deployment")
    assert workload["metadata"]["name"] == name


def test_two_releases_do_not_meet_in_the_cluster() -> None:
    """What has no namespace has one in its name."""
    objects = [render(OPERATOR, {"installCRD": False}, release="op", namespace=one) for one in ("a", "b")]
    wide = [{one["metadata"]["name"] for one in found if "namespace" not in one["metadata"]} for found in objects]
    assert len(wide[0]) == 3
    assert not wide[0] & wide[1]


def test_what_is_optional_can_be_left_out() -> None:
    """Network policy, monitor, roles and definition."""
    usual = {one["kind"] for one in render(OPERATOR)}
    assert {"NetworkPolicy", "CustomResourceDefinition"} <= usual
    values = {"networkPolicy": {"enabled": False}, "installCRD": False, "monitoring": {"podMonitor": True}}
    other = {one["kind"] for one in render(OPERATOR, values)}
    assert usual - other == {"NetworkPolicy", "CustomResourceDefinition"}
    assert other - usual == {"PodMonitor"}
    roles = of_kind(render(OPERATOR, {"aggregateRoles": False}), "ClusterRole")
    assert len(roles) == 1
