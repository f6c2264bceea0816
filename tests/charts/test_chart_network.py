"""Who may talk to whom: a small judge of NetworkPolicies compares what they let through with the channel table."""

from typing import Any

import pytest

from tests.charts.rendering import UMBRELLA, Object, component_of, of_kind, render, spec_values, workloads
from tradingmesh.contract import ADMIN_PORT, CHANNELS, PAGE_PORT, SIMULATOR_PORT, Channel, Component

Edge = tuple[str, str, int]
PAPER: Object = {"mode": "paper", "broker": {"kind": "alpaca", "credentialsSecretRef": {"name": "alpaca"}}}
CONTROL = CHANNELS[Channel.CONTROL].port


def labels_of(objects: list[Object]) -> dict[str, dict[str, str]]:
    return {one: load["spec"]["template"]["metadata"]["labels"] for one, load in workloads(objects).items()}


def policies(objects: list[Object]) -> dict[str, Object]:
    return {component_of(one): one["spec"] for one in of_kind(objects, "NetworkPolicy")}


def selects(peers: list[Any] | None, labels: dict[str, str]) -> bool:
    """Whether a peer list lets somebody of the same namespace through; no list lets everybody."""
    if peers is None:
        return True
    return any(peer["podSelector"]["matchLabels"].items() <= labels.items() for peer in peers)


def allowed(rules: list[Object], side: str, labels: dict[str, str], port: int) -> bool:
    return any(
        selects(rule.get(side), labels)
        and any(one["port"] == port and one["protocol"] == "TCP" for one in rule["ports"])
        for rule in rules
    )


def edges(objects: list[Object], ports: set[int]) -> set[Edge]:
    """Every connection between components that both sides let through."""
    labels, found = labels_of(objects), policies(objects)
    return {
        (one, other, port)
        for one in labels
        for other in labels
        for port in ports
        if allowed(found[one]["egress"], "to", labels[other], port)
        and allowed(found[other]["ingress"], "from", labels[one], port)
    }


def test_only_the_channels_connections_are_let_through() -> None:
    """Between components of a system there is each connection of the table, the simulator's two, and no other."""
    objects = render(UMBRELLA, spec_values({}))
    ports = {facts.port for facts in CHANNELS.values()} | {SIMULATOR_PORT, ADMIN_PORT, PAGE_PORT, 443, 5432}
    told = {(one.value, facts.binder.value, facts.port) for facts in CHANNELS.values() for one in facts.connects}
    broker = {
        (one.value, Component.ALPACA_SIMULATOR.value, SIMULATOR_PORT)
        for one in (Component.MARKET_DATA_FEED, Component.EXECUTION_ENGINE)
    }
    assert edges(objects, ports) == told | broker


def test_every_component_is_closed_both_ways() -> None:
    """Each has a policy for what comes in and what goes out, by the labels of its own pods."""
    objects = render(UMBRELLA, spec_values({}))
    assert set(policies(objects)) == set(Component)
    for component, spec in policies(objects).items():
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        selected = [one for one, labels in labels_of(objects).items() if selects([spec], labels)]
        assert selected == [component]


def test_another_system_in_the_namespace_is_kept_out() -> None:
    """Peers are told by the system, too."""
    ours = render(UMBRELLA, spec_values({}))
    theirs = labels_of(render(UMBRELLA, {"global": {"system": {"name": "other"}, "controlTokenSecret": "x"}}))
    for facts in CHANNELS.values():
        ingress = policies(ours)[facts.binder]["ingress"]
        assert not any(allowed(ingress, "from", labels, facts.port) for labels in theirs.values())


def test_commands_reach_control_from_pods_that_are_marked_for_it() -> None:
    """A Job of the operator carries the label; a component of the mesh may not halt trading."""
    objects = render(UMBRELLA, spec_values({}))
    ingress = policies(objects)["risk-manager"]["ingress"]
    client = {"app.kubernetes.io/instance": "demo", "tradingmesh.io/control-client": "true"}
    assert allowed(ingress, "from", client, CONTROL)
    assert not allowed(ingress, "from", {**client, "app.kubernetes.io/instance": "other"}, CONTROL)
    assert not any(allowed(ingress, "from", labels, CONTROL) for labels in labels_of(objects).values())
    assert not allowed(ingress, "from", client, CHANNELS[Channel.RISK_CHECK].port)


def outside(objects: list[Object]) -> dict[str, set[int]]:
    """The TCP ports to which a component may go anywhere, DNS aside."""
    found: dict[str, set[int]] = {}
    for component, spec in policies(objects).items():
        free = {port["port"] for rule in spec["egress"] if "to" not in rule for port in rule["ports"]}
        found[component] = free - {53}
    return {component: ports for component, ports in found.items() if ports}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {}),
        (PAPER, {"market-data-feed": {443}, "execution-engine": {443}}),
        (
            {**PAPER, "broker": {**PAPER["broker"], "tradingUrl": "http://gate:8080"}},
            {"market-data-feed": {443}, "execution-engine": {443, 8080}},
        ),
        ({"broker": {"dataStreamUrl": "wss://tape.example/v2/iex"}}, {"market-data-feed": {443}}),
        ({"persistence": {"postgres": {"urlSecretRef": {"name": "pg"}}}}, {"risk-manager": {5432}}),
        (
            {"observability": {"otlpEndpoint": "http://jaeger:4318"}},
            {one.value: {4318} for one in Component if one is not Component.ALPACA_SIMULATOR},
        ),
    ],
    ids=["simulated", "paper", "gateway", "tape", "postgres", "traces"],
)
def test_out_of_the_mesh_go_only_who_must(spec: Object, expected: dict[str, set[int]]) -> None:
    """The two that talk to Alpaca, the risk manager to its database, and whoever sends traces."""
    assert outside(render(UMBRELLA, spec_values(spec))) == expected


def test_everybody_may_ask_for_names() -> None:
    """DNS by UDP and TCP, or no peer would be found."""
    for spec in policies(render(UMBRELLA, spec_values({}))).values():
        dns = [rule["ports"] for rule in spec["egress"] if "to" not in rule and rule["ports"][0]["port"] == 53]
        assert dns == [[{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]]


def test_metrics_are_for_everybody_unless_said_otherwise() -> None:
    """`adminFrom` names who may read metrics and health."""
    stranger, prometheus = {"app": "other"}, {"app": "prometheus"}
    peers = [{"podSelector": {"matchLabels": prometheus}}]
    free = render(UMBRELLA, spec_values({}))
    closed = render(UMBRELLA, spec_values({}, networkPolicy={"adminFrom": peers}))
    for component in Component:
        assert allowed(policies(free)[component]["ingress"], "from", stranger, ADMIN_PORT)
        assert not allowed(policies(closed)[component]["ingress"], "from", stranger, ADMIN_PORT)
        assert allowed(policies(closed)[component]["ingress"], "from", prometheus, ADMIN_PORT)


def test_the_live_page_is_for_whom_it_is_opened() -> None:
    """Nobody else in the cluster sees the positions: who forwards the port needs no rule. No other is opened."""
    stranger, desk = {"app": "other"}, {"app": "desk"}
    peers = [{"podSelector": {"matchLabels": desk}}]
    usual = render(UMBRELLA, spec_values({}))
    opened = render(UMBRELLA, spec_values({}, networkPolicy={"pageFrom": peers}))
    collector = Component.METRICS_COLLECTOR
    for labels in (stranger, desk):
        assert not allowed(policies(usual)[collector]["ingress"], "from", labels, PAGE_PORT)
    assert not allowed(policies(opened)[collector]["ingress"], "from", stranger, PAGE_PORT)
    for component in Component:
        is_open = allowed(policies(opened)[component]["ingress"], "from", desk, PAGE_PORT)
        assert is_open == (component is collector)
        assert not allowed(policies(opened)[component]["ingress"], "from", desk, CHANNELS[Channel.EVENTS].port)


def test_policies_can_be_left_out() -> None:
    """Where the cluster has its own; and another PostgreSQL port is a value."""
    assert policies(render(UMBRELLA, spec_values({}, networkPolicy={"enabled": False}))) == {}
    postgres = {"persistence": {"postgres": {"urlSecretRef": {"name": "pg"}}}}
    found = outside(render(UMBRELLA, spec_values(postgres, networkPolicy={"postgresPort": 6432})))
    assert found == {"risk-manager": {6432}}
