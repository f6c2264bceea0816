"""What the charts put into the environment and the manifest is what the programs read."""

from typing import Any

import pytest
import yaml

from tests.charts.rendering import (
    UMBRELLA,
    Object,
    container,
    environment,
    named,
    render,
    samples,
    spec_values,
    system_values,
    workloads,
)
from tradingmesh.contract import Component, Mode
from tradingmesh.runtime.broker_urls import broker_urls
from tradingmesh.runtime.settings import Settings, load_settings, parse_manifest

SECRETS = {
    "TRADINGMESH_CONTROL_TOKEN": {Component.RISK_MANAGER},
    "TRADINGMESH_POSTGRES_URL": {Component.RISK_MANAGER},
    "APCA_API_KEY_ID": {Component.MARKET_DATA_FEED, Component.EXECUTION_ENGINE},
    "APCA_API_SECRET_KEY": {Component.MARKET_DATA_FEED, Component.EXECUTION_ENGINE},
}
PAPER: Object = {
    "mode": "paper",
    "broker": {"kind": "alpaca", "credentialsSecretRef": {"name": "alpaca"}},
    "persistence": {"postgres": {"urlSecretRef": {"name": "pg", "key": "dsn"}}},
}


def settings_of(workload: Object, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in environment(workload).items():
        monkeypatch.setenv(name, value if isinstance(value, str) else "from elsewhere")
    return load_settings()


@pytest.mark.parametrize("component", Component)
def test_the_environment_is_understood(component: Component, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable is one that the settings know: a misspelt one would be ignored without a word."""
    workload = workloads(render(UMBRELLA, spec_values({})))[component]
    known = {f"TRADINGMESH_{name.upper()}" for name in Settings.model_fields} | {"APCA_API_KEY_ID"}
    strangers = set(environment(workload)) - known - {"APCA_API_SECRET_KEY", "HOME", "PYTHONUNBUFFERED"}
    assert strangers == set()
    settings = settings_of(workload, monkeypatch)
    admin = {one["name"]: one["containerPort"] for one in container(workload)["ports"]}["http-admin"]
    assert (settings.admin_host, settings.admin_port) == ("0.0.0.0", admin)  # noqa: S104 - in a pod of its own
    assert settings.instance == "from elsewhere"
    assert container(workload)["command"] == ["tradingmesh", "run", component.value]


@pytest.mark.parametrize("component", [Component.MARKET_DATA_FEED, Component.EXECUTION_ENGINE])
def test_the_simulator_is_found(component: Component, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who talks to the broker is led to the Service of the simulator."""
    manifest = spec_values({})
    objects = render(UMBRELLA, manifest)
    settings = settings_of(workloads(objects)[component], monkeypatch)
    service = named(objects, "Service", "demo-alpaca-simulator")
    port = {one["name"]: one["port"] for one in service["spec"]["ports"]}["http-broker"]
    spec = parse_manifest(mounted(objects), source="test").spec
    assert broker_urls(settings, spec).trading == f"http://demo-alpaca-simulator:{port}"


def mounted(objects: list[Object], name: str = "demo-system") -> Any:
    """The manifest as the pods find it."""
    return yaml.safe_load(named(objects, "ConfigMap", name)["data"]["system.yaml"])


@pytest.mark.parametrize("sample", samples())
def test_the_mounted_manifest_is_the_one_that_was_given(sample: str) -> None:
    """Every field of every sample arrives as it was, and is a valid manifest."""
    given = samples()[sample]
    found = mounted(render(UMBRELLA, system_values(given)), f"{given['metadata']['name']}-system")
    spec = {name: said for name, said in given["spec"].items() if name != "components"}
    assert found["spec"] == {"mode": "simulated", **spec}
    assert parse_manifest(found, source=sample).spec == parse_manifest({**given, "spec": spec}, source=sample).spec


def test_big_numbers_stay_what_they_are() -> None:
    """Helm has every number as a float: none may come out as 1e+06, or rounded."""
    simulator = {"seed": 12_345_678, "cash": "100000000000000.05", "ticksPerSecond": 100_000}
    found = mounted(render(UMBRELLA, spec_values({"broker": {"simulator": simulator}})))
    assert found["spec"]["broker"]["simulator"] == simulator


def test_the_generation_is_in_the_manifest_and_restarts_nobody() -> None:
    """Programs acknowledge it; it counts up with every change, also a hot one."""
    before, after = (spec_values({}), spec_values({}))
    before["global"]["system"]["generation"] = 1
    after["global"]["system"]["generation"] = 2
    old, new = render(UMBRELLA, before), render(UMBRELLA, after)
    assert (mounted(old)["metadata"]["generation"], mounted(new)["metadata"]["generation"]) == (1, 2)
    assert workloads(old) == workloads(new)


@pytest.mark.parametrize(
    "hot",
    [
        {"riskLimits": {"maxOrderQuantity": "7"}},
        {"trading": "Halted"},
        {"circuitBreaker": {"reset": "Manual"}},
    ],
    ids=lambda hot: next(iter(hot)),
)
def test_what_is_hot_changes_the_manifest_alone(hot: Object) -> None:
    """Limits, the kill switch and the breaker's settings reach pods that go on running."""
    before, after = render(UMBRELLA, spec_values({})), render(UMBRELLA, spec_values(hot))
    changed = [one["kind"] for one, other in zip(before, after, strict=True) if one != other]
    assert changed == ["ConfigMap"]


@pytest.mark.parametrize(
    ("cold", "whom"),
    [
        ({"strategies": [{"name": "m", "uses": "x", "symbols": ["IBM"]}]}, {"signal-generator"}),
        ({"symbols": ["KO"]}, set(Component) - {"execution-engine", "fill-processor"}),
        (
            {"broker": {"commissionPerShare": "0.01"}},
            {"execution-engine", "fill-processor", "alpaca-simulator"},
        ),
        ({"broker": {"simulator": {"cash": "5"}}}, {"risk-manager", "alpaca-simulator"}),
        ({"persistence": {"postgres": {"urlSecretRef": {"name": "pg"}}}}, {"risk-manager"}),
        ({"observability": {"otlpEndpoint": "http://j:4318"}}, set(Component) - {"alpaca-simulator"}),
        ({"endpoints": {"fills": {"redeliverAfter": "1s"}}}, {"execution-engine", "fill-processor"}),
        ({"persistence": {"size": "20Gi"}}, set()),
        ({"observability": {"otlpEndpoint": ""}}, set()),
        ({"fillProcessors": {"replicas": 5}}, set()),
        ({"components": {"risk-manager": {"logLevel": "DEBUG"}}}, {"risk-manager"}),
    ],
    ids=str,
)
def test_a_change_restarts_exactly_who_reads_it(cold: Object, whom: set[str]) -> None:
    """The others' pod templates stay as they are."""
    before, after = workloads(render(UMBRELLA, spec_values({}))), workloads(render(UMBRELLA, spec_values(cold)))
    changed = {one for one in before if before[one]["spec"]["template"] != after[one]["spec"]["template"]}
    assert changed == whom


def test_secrets_go_to_who_needs_them_and_only_by_reference() -> None:
    """Keys, token and database URL are references to secrets, each in the pods that use it."""
    found = workloads(render(UMBRELLA, spec_values(PAPER)))
    for name, whom in SECRETS.items():
        having = {component: environment(one)[name] for component, one in found.items() if name in environment(one)}
        assert set(having) == whom, name
        assert all(set(value) == {"secretKeyRef"} for value in having.values())
    risk = environment(found[Component.RISK_MANAGER])
    assert risk["TRADINGMESH_POSTGRES_URL"] == {"secretKeyRef": {"name": "pg", "key": "dsn"}}
    assert risk["TRADINGMESH_POSTGRES_SCHEMA"] == "trading-demo"
    assert risk["TRADINGMESH_CONTROL_TOKEN"] == {"secretKeyRef": {"name": "control", "key": "token"}}


def test_a_simulator_may_have_a_secret_too() -> None:
    """Its keys are then that secret's, for all three who know them."""
    named_one = {"broker": {"credentialsSecretRef": {"name": "sim"}}}
    for component, workload in workloads(render(UMBRELLA, spec_values(named_one))).items():
        key = environment(workload).get("APCA_API_SECRET_KEY")
        expected = {"secretKeyRef": {"name": "sim", "key": "APCA_API_SECRET_KEY"}}
        assert key == (expected if component in ("market-data-feed", "execution-engine", "alpaca-simulator") else None)


@pytest.mark.parametrize("mode", Mode)
def test_the_simulator_runs_in_mode_simulated_only(mode: Mode) -> None:
    """Paper and live have none, nor anything of it."""
    spec = {} if mode is Mode.SIMULATED else {**PAPER, "mode": mode.value}
    objects = render(UMBRELLA, spec_values(spec))
    assert ("alpaca-simulator" in workloads(objects)) == (mode is Mode.SIMULATED)
    assert any("alpaca-simulator" in str(one) for one in objects) == (mode is Mode.SIMULATED)
