"""Each port of the spec is where its channel's peers need it, and nowhere else."""

import random

import pytest
import yaml

from tests.charts.rendering import (
    NAMESPACE,
    UMBRELLA,
    Object,
    component_of,
    container,
    environment,
    leaves,
    named,
    of_kind,
    render,
    spec_values,
    workloads,
)
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.contract import CHANNELS, PAGE_PORT, Channel, Component, TradingSystemSpec, channels_of, endpoint_key
from tradingmesh_operator.charts.channels import PORT_NAMES

HASH = "tradingmesh.io/config-hash"
MESH = [one for one in Component if one is not Component.ALPACA_SIMULATOR]


def of_ports(ports: dict[Channel, int]) -> list[Object]:
    endpoints = {endpoint_key(channel): {"port": port} for channel, port in ports.items()}
    return render(UMBRELLA, spec_values({"endpoints": endpoints}))


def places(objects: list[Object], port: int) -> set[tuple[str, str, str]]:
    """Where a port is: kind, component, and the part of the object. The manifest itself is not looked at."""
    found = set()
    for one in objects:
        for path, value in leaves(one):
            if value == port and one["kind"] != "ConfigMap":
                found.add((one["kind"], component_of(one), path.split(".")[2].split("[")[0]))
    return found


def expected(channel: Channel, kinds: dict[str, str]) -> set[tuple[str, str, str]]:
    binder, _, connects = CHANNELS[channel]
    return {
        ("Service", binder.value, "ports"),
        (kinds[binder], binder.value, "template"),
        ("NetworkPolicy", binder.value, "ingress"),
        *(("NetworkPolicy", component.value, "egress") for component in connects),
    }


def test_every_port_is_where_it_belongs_and_nowhere_else(seed: int) -> None:
    """All ports are others than the usual ones, all at once."""
    drawn = random.Random(seed).sample(range(10_000, 65_536), len(Channel))  # noqa: S311 - a test, not a secret
    objects = of_ports(dict(zip(Channel, drawn, strict=True)))
    kinds = {component: one["kind"] for component, one in workloads(objects).items()}
    for channel, port in zip(Channel, drawn, strict=True):
        assert places(objects, port) == expected(channel, kinds), channel
    for facts in CHANNELS.values():
        assert places(objects, facts.port) == set()


def test_ports_that_are_not_told_are_the_contracts() -> None:
    """A manifest without endpoints has the usual ports, in the same places."""
    objects = of_ports({})
    kinds = {component: one["kind"] for component, one in workloads(objects).items()}
    for channel, facts in CHANNELS.items():
        assert places(objects, facts.port) == expected(channel, kinds), channel


@pytest.mark.parametrize("channel", Channel)
def test_another_port_restarts_exactly_who_uses_the_channel(channel: Channel) -> None:
    """Of all pod templates only those of binder and connecting components change."""
    before, after = workloads(of_ports({})), workloads(of_ports({channel: 7_001}))
    changed = {
        component
        for component in before
        if before[component]["spec"]["template"] != after[component]["spec"]["template"]
    }
    assert changed == {one.value for one in Component if channel in channels_of(one)}


@pytest.mark.parametrize("component", MESH)
def test_a_peer_is_found_where_it_listens(component: Component) -> None:
    """What the socket factory connects to is a Service of that name and port, before the pod that has it."""
    objects = of_ports({Channel.ORDERS: 7_002})
    told = environment(workloads(objects)[component])
    hosts = {Component(name): host for name, host in yaml.safe_load(told["TRADINGMESH_HOSTS"]).items()}
    spec = TradingSystemSpec.model_validate({"symbols": ["IBM"], "endpoints": {"orders": {"port": 7_002}}})
    sockets = SocketFactory(component, spec.endpoints, bind_host=told["TRADINGMESH_BIND_HOST"], hosts=hosts)
    try:
        for channel in channels_of(component):
            binder = CHANNELS[channel].binder
            host, _, port = sockets.address(channel, bind=binder is component).removeprefix("tcp://").rpartition(":")
            assert host == ("0.0.0.0" if binder is component else f"demo-{binder}")  # noqa: S104 - in a pod of its own
            service = named(objects, "Service", f"demo-{binder}")
            [of_channel] = [one for one in service["spec"]["ports"] if one["port"] == int(port)]
            assert of_channel["name"] == f"tcp-zmq-{PORT_NAMES[channel]}"
            assert {"name": of_channel["targetPort"], "containerPort": int(port)} in container(
                workloads(objects)[binder]
            )["ports"]
    finally:
        sockets.close()


def test_the_live_page_is_where_its_service_leads() -> None:
    """The metrics-collector alone has it, under the port that it is told of."""
    objects = of_ports({})
    for component, workload in workloads(objects).items():
        ports = {one["name"]: one["port"] for one in named(objects, "Service", f"demo-{component}")["spec"]["ports"]}
        told = environment(workload).get("TRADINGMESH_PAGE_PORT")
        if component == Component.METRICS_COLLECTOR:
            assert (ports["http-page"], told) == (PAGE_PORT, str(PAGE_PORT))
        else:
            assert ("http-page" in ports, told) == (False, None)


def test_nobody_is_told_of_peers_it_has_no_business_with() -> None:
    """Hosts are those of the channels that it connects to, and the broker's where it talks to it."""
    for component, workload in workloads(of_ports({})).items():
        told = yaml.safe_load(environment(workload).get("TRADINGMESH_HOSTS", "{}"))
        peers = {facts.binder for facts in CHANNELS.values() if component in facts.connects}
        broker = {Component.ALPACA_SIMULATOR} if component in ("market-data-feed", "execution-engine") else set()
        assert set(told) == peers | broker, component


def test_services_lead_to_the_pods_themselves() -> None:
    """Headless, to pods that are not ready too, and by labels that the pods have."""
    objects = of_ports({})
    services = of_kind(objects, "Service")
    assert len(services) == len(Component)
    for service in services:
        spec, workload = service["spec"], workloads(objects)[component_of(service)]
        assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert spec["selector"].items() <= labels.items()
        assert spec["selector"] == workload["spec"]["selector"]["matchLabels"]
        assert {one["name"] for one in spec["ports"]} == {one["name"] for one in container(workload)["ports"]}
        assert service["metadata"]["namespace"] == NAMESPACE
