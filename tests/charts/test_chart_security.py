"""What a security scanner would ask of the charts, asked here, with the reason for each exception."""

import functools
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.charts.rendering import (
    CHARTS,
    NAMESPACE,
    OPERATOR,
    UMBRELLA,
    Object,
    component_of,
    container,
    environment,
    leaves,
    of_kind,
    render,
    spec_values,
    workloads,
)
from tradingmesh.contract import Component

PAPER: Object = {
    "mode": "paper",
    "broker": {"kind": "alpaca", "credentialsSecretRef": {"name": "alpaca"}},
    "persistence": {"postgres": {"urlSecretRef": {"name": "pg"}}},
}
EVERYBODY = [*Component, OPERATOR]
EXCEPTIONS = {
    "cpu limit": (set(EVERYBODY), "a throttled process shows as latency; requests share what there is"),
    "service account token": ({OPERATOR}, "it talks to the API server, the only one that does"),
    "key in plain text": (
        {Component.MARKET_DATA_FEED, Component.EXECUTION_ENGINE, Component.ALPACA_SIMULATOR},
        "a simulator without a secret: the key opens that simulator and nothing else",
    ),
    "open to every namespace": (set(EVERYBODY), "metrics and health, until adminFrom says who reads them"),
}
SECRET = re.compile(r"TOKEN|(?<!PULL_)SECRET|KEY|PASSWORD|URL")


@functools.cache
def objects() -> list[Object]:
    """Everything of a simulated system, and the operator."""
    return render(UMBRELLA, spec_values({})) + render(OPERATOR)


@functools.cache
def programs() -> dict[str, Object]:
    """Every Deployment and StatefulSet."""
    return workloads(objects())


def pod(name: str) -> Object:
    return dict(programs()[name]["spec"]["template"]["spec"])


def exceptions(kind: str, found: Callable[[str], bool]) -> None:
    """Who is found is exactly who has a reason: an exception that nobody needs any more is removed."""
    assert {name for name in programs() if found(name)} == EXCEPTIONS[kind][0], kind


def test_everybody_is_looked_at() -> None:
    """Nine components and the operator: a new one is judged as well."""
    assert set(programs()) == set(EVERYBODY)
    assert all(reason for _, reason in EXCEPTIONS.values())


@pytest.mark.parametrize("name", EVERYBODY)
def test_nobody_is_root(name: str) -> None:
    """A uid of its own, said in numbers, so that the kubelet can check it."""
    security = pod(name)["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["runAsGroup"] == 10001
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize("name", EVERYBODY)
def test_a_container_can_do_nothing_but_run(name: str) -> None:
    """No capabilities, no way to more rights, no writing outside its volumes."""
    security = container(programs()[name])["securityContext"]
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("name", EVERYBODY)
def test_nothing_of_the_host_is_used(name: str) -> None:
    """No host network, process ids, paths or ports."""
    spec = pod(name)
    assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & set(spec)
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"configMap", "emptyDir"}
    assert not any("hostPort" in port for port in container(programs()[name])["ports"])


@pytest.mark.parametrize("name", EVERYBODY)
def test_what_is_written_goes_to_bounded_volumes(name: str) -> None:
    """A folder for what is passing is there, and bounded; the manifest is read-only; HOME can be written to."""
    spec, told = pod(name), container(programs()[name])
    mounts = {mount["name"]: mount for mount in told["volumeMounts"]}
    sizes = [volume["emptyDir"]["sizeLimit"] for volume in spec["volumes"] if "emptyDir" in volume]
    assert sizes
    assert mounts["tmp"]["mountPath"] == environment(programs()[name])["HOME"] == "/tmp"  # noqa: S108 - in the pod
    assert all(mount["readOnly"] for mount in mounts.values() if mount["name"] == "system")


def test_no_token_but_the_operators() -> None:
    """Components do not know the API server; service accounts give no token by themselves."""
    exceptions("service account token", lambda name: pod(name)["automountServiceAccountToken"] is True)
    assert all(one["automountServiceAccountToken"] is False for one in of_kind(objects(), "ServiceAccount"))


@pytest.mark.parametrize("name", EVERYBODY)
def test_each_has_an_account_of_its_own(name: str) -> None:
    """So that rights given to one are given to one."""
    account = pod(name)["serviceAccountName"]
    [found] = [one for one in of_kind(objects(), "ServiceAccount") if one["metadata"]["name"] == account]
    assert component_of(found) == name
    assert pod(name)["enableServiceLinks"] is False


@pytest.mark.parametrize("name", EVERYBODY)
def test_memory_is_bounded_and_promised(name: str) -> None:
    """Requests for both, a limit for memory at least twice the request."""
    resources = container(programs()[name])["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    amounts = [int(resources[kind]["memory"].removesuffix("Mi")) for kind in ("requests", "limits")]
    assert 2 * amounts[0] <= amounts[1] <= 1024


def test_nobody_has_a_cpu_limit() -> None:
    """An exception for all, with its reason above."""
    exceptions("cpu limit", lambda name: "cpu" not in container(programs()[name])["resources"]["limits"])


@pytest.mark.parametrize("name", EVERYBODY)
def test_images_have_a_tag(name: str) -> None:
    """Never `latest`, nor none: what runs is known."""
    image = container(programs()[name])["image"]
    assert re.fullmatch(r"tradingmesh/[a-z-]+:[0-9]+\.[0-9]+\.[0-9]+", image)


def test_only_a_simulators_key_stands_in_the_open() -> None:
    """Everything else that looks like a secret is a reference to one."""

    def has_plain_secret(name: str) -> bool:
        told = environment(programs()[name]).items()
        return any(SECRET.search(key) and isinstance(value, str) for key, value in told)

    exceptions("key in plain text", has_plain_secret)
    for workload in workloads(render(UMBRELLA, spec_values(PAPER))).values():
        told = environment(workload).items()
        assert not [key for key, value in told if SECRET.search(key) and isinstance(value, str)]


def test_no_secret_is_in_a_config_map() -> None:
    """The manifest names secrets and holds none."""
    for config in of_kind(render(UMBRELLA, spec_values(PAPER)), "ConfigMap"):
        manifest = yaml.safe_load(config["data"]["system.yaml"])
        assert not [path for path, _ in leaves(manifest) if re.search(r"token|password|secret_?key$", path.lower())]


def test_the_only_secret_made_is_a_token_of_chance() -> None:
    """Forty letters and digits, other ones each time; and none where one is named."""
    tokens = []
    for release in ("one", "two"):
        [secret] = of_kind(render(UMBRELLA, {"global": {"controlTokenSecret": ""}}, release=release), "Secret")
        tokens.append(secret["data"]["token"])
    assert len(set(tokens)) == 2
    assert all(len(token) >= 53 for token in tokens)
    assert of_kind(objects(), "Secret") == []


def test_metrics_are_the_only_thing_open_to_all() -> None:
    """Every other way in names who may come."""

    def open_ports(name: str) -> list[Any]:
        [policy] = [one for one in of_kind(objects(), "NetworkPolicy") if component_of(one) == name]
        return [rule["ports"] for rule in policy["spec"]["ingress"] if "from" not in rule]

    exceptions("open to every namespace", lambda name: bool(open_ports(name)))
    for name in EVERYBODY:
        [[opened]] = open_ports(name)
        assert opened["port"] in (9090, "http-admin")


def test_everything_is_in_the_releases_namespace() -> None:
    """Nothing strays, and nothing of a system is of the whole cluster."""
    system = render(UMBRELLA, spec_values({}, monitoring={"podMonitor": True, "serviceMonitor": True}))
    assert {one["metadata"]["namespace"] for one in system} == {NAMESPACE}
    assert {one["apiVersion"].split("/")[0] for one in system} == {
        "v1",
        "apps",
        "policy",
        "networking.k8s.io",
        "monitoring.coreos.com",
    }


def test_charts_run_nothing_by_hooks() -> None:
    """A hook runs with rights and at times that nobody looks at."""
    texts = [path.read_text() for path in CHARTS.glob("*/templates/*")]
    assert len(texts) > 20
    assert not [text for text in texts if "helm.sh/hook" in text]
