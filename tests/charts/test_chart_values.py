"""A value that is wrong is refused before anything is rendered, and the refusal names it."""

from typing import Any

import pytest

from tests.charts.rendering import OPERATOR, UMBRELLA, HelmError, Object, of_kind, render, spec_values, workloads
from tradingmesh.contract import Component


def at(path: str, value: Any) -> Object:
    """Values with one of them set."""
    *heads, last = path.split("/")
    found: Object = {last: value}
    for head in reversed(heads):
        found = {head: found}
    return found


BAD: list[tuple[str, str, Any, str]] = [
    ("risk-manager", "replicas", 2, "maximum: got 2, want 1"),
    ("risk-manager", "replicas", "one", "want integer"),
    ("risk-manager", "replica", 1, "replica"),
    ("risk-manager", "logLevel", "info", "must be one of 'DEBUG'"),
    ("risk-manager", "resources/limit/cpu", "1", "limit"),
    ("risk-manager", "resources/limits/memory", "lots", "'lots' does not match pattern"),
    ("risk-manager", "persistence/size", "10GB", "'10GB' does not match pattern"),
    ("risk-manager", "persistence/storageClass", "fast", "storageClass"),
    ("risk-manager", "image", "mine own", "'mine own' does not match pattern"),
    ("risk-manager", "startupTimeoutSeconds", 0, "minimum: got 0"),
    ("risk-manager", "terminationGracePeriodSeconds", "1m", "want integer"),
    ("risk-manager", "extraEnv", [{"value": "x"}], "missing property 'name'"),
    ("risk-manager", "extraVolumeMounts", [{"name": "x"}], "missing property 'mountPath'"),
    ("risk-manager", "topologySpread", [{"topologyKey": "zone"}], "missing properties 'maxSkew', 'whenUnsatisfiable'"),
    ("feature-engine", "persistence/enabled", False, "persistence"),
    ("fill-processor", "replicas", 65, "maximum: got 65, want 64"),
    ("risk-manager", "global/system/name", "Demo", "'Demo' does not match pattern"),
    ("risk-manager", "global/system/name", "a" * 35, "maxLength: got 35, want 34"),
    ("risk-manager", "global/system/spec/mode", "real", "must be one of 'simulated', 'paper', 'live'"),
    ("risk-manager", "global/system/spec/symbols", [], "minItems: got 0, want 1"),
    ("risk-manager", "global/system/spec/endpoints/fills/port", 70_000, "maximum: got 70,000"),
    ("risk-manager", "global/system/sped", {}, "sped"),
    ("risk-manager", "global/image/tag", "a b", "'a b' does not match pattern"),
    ("risk-manager", "global/image/pullPolicy", "Sometimes", "must be one of 'Always'"),
    ("risk-manager", "global/networkPolicy/postgresPort", 0, "minimum: got 0"),
    ("risk-manager", "global/monitoring/interval", "soon", "'soon' does not match pattern"),
    ("risk-manager", "global/controlTokenSecret", "My Secret", "'My Secret' does not match pattern"),
    (UMBRELLA, "riskManager/replicas", 0, "riskManager"),
    (UMBRELLA, "risk-manager/replicas", 3, "maximum: got 3, want 1"),
    (UMBRELLA, "global/system/generation", -1, "minimum: got -1"),
    (UMBRELLA, "global/system/spec/riskLimit", {}, "riskLimit"),
    (UMBRELLA, "global/system/spec/riskLimits/maxOrderQuantity", 0, "minimum: got 0"),
    (UMBRELLA, "global/system/spec/riskLimits/maxOrderNotional", "much", "'much' does not match pattern"),
    (UMBRELLA, "global/system/spec/trading", "Stopped", "must be one of 'Active', 'Reducing', 'Halted'"),
    (UMBRELLA, "global/system/spec/circuitBreaker/recoveryPeriod", "5 min", "'5 min' does not match pattern"),
    (UMBRELLA, "global/system/spec/symbols", ["IBM", "IBM"], "items at 0 and 1 are equal"),
    (UMBRELLA, "global/system/spec/symbols", ["ibm"], "'ibm' does not match pattern"),
    (UMBRELLA, "global/system/spec/endpoints/fills/prt", 1, "prt"),
    (UMBRELLA, "global/system/spec/strategies", [{"name": "m", "symbols": ["IBM"]}], "missing property 'uses'"),
    (UMBRELLA, "global/system/spec/components", {}, "components"),
    (OPERATOR, "watchNamespaces", ["Trading"], "'Trading' does not match pattern"),
    (OPERATOR, "watchNamespaces", ["a", "a"], "not unique|items at 0 and 1 are equal"),
    (OPERATOR, "lease/durationSeconds", 1, "minimum: got 1"),
    (OPERATOR, "replicas", 2, "replicas"),
    (OPERATOR, "image/repositori", "x", "repositori"),
    (OPERATOR, "networkPolicy/apiServerPorts", [0], "minimum: got 0"),
]


@pytest.mark.parametrize(("chart", "path", "value", "complaint"), BAD, ids=lambda part: str(part)[:40])
def test_a_wrong_value_is_named(chart: str, path: str, value: Any, complaint: str) -> None:
    """Helm says which value, and what it should have been."""
    with pytest.raises(HelmError, match=complaint) as refusal:
        render(chart, at(path, value))
    told = str(refusal.value).partition("chart(s):")[2]
    assert any(word in told for word in path.split("/"))
    assert "don't meet the specifications of the schema" in str(refusal.value)


@pytest.mark.parametrize("chart", [*Component, UMBRELLA, OPERATOR])
def test_no_unknown_value_is_let_through(chart: str) -> None:
    """A misspelt value would otherwise do nothing without a word."""
    with pytest.raises(HelmError, match="additional properties 'nosuch' not allowed"):
        render(chart, {"nosuch": 1})


def test_a_chart_around_these_may_have_globals_of_its_own() -> None:
    """`global` is shared with whatever is installed beside them."""
    assert render("risk-manager", {"global": {"ours": {"colour": "red"}}})


def test_real_trading_needs_a_secret() -> None:
    """Paper and live without one would start pods that wait for ever: the message says what is missing."""
    for chart in ("market-data-feed", "execution-engine"):
        with pytest.raises(
            HelmError, match=r"spec\.broker\.credentialsSecretRef: mode paper needs the name of a secret"
        ):
            render(chart, at("global/system/spec", {"mode": "paper", "broker": {"kind": "alpaca"}}))


@pytest.mark.parametrize("release", ["a" * 35, "1st", "a.b"])
@pytest.mark.parametrize("chart", ["risk-manager", UMBRELLA])
def test_a_release_that_is_no_name_for_a_system_is_told_so(chart: str, release: str) -> None:
    """Helm takes longer names than Kubernetes has room for behind them; a name of its own helps."""
    with pytest.raises(HelmError, match=rf'global\.system\.name: "{release}": a system.s name has at most 34'):
        render(chart, release=release)
    assert render(chart, at("global/system/name", "short"), release=release)


def test_unix_sockets_do_not_reach_other_pods() -> None:
    """`transport: ipc` is for one machine."""
    with pytest.raises(HelmError, match=r"spec\.endpoints\.transport: ipc joins processes of one machine"):
        render(UMBRELLA, spec_values({"endpoints": {"transport": "ipc"}}))


@pytest.mark.parametrize("component", Component)
def test_a_component_can_be_left_out(component: Component) -> None:
    """`enabled: false`: nothing of it is rendered, the others stay as they are."""
    usual = render(UMBRELLA, spec_values({}))
    without = render(UMBRELLA, spec_values({}) | {component.value: {"enabled": False}})
    of_it = [one for one in usual if one["metadata"]["labels"]["app.kubernetes.io/name"] == component]
    assert of_it
    assert [one for one in usual if one not in of_it] == without


@pytest.mark.parametrize("component", Component)
def test_a_component_alone_is_whole(component: Component) -> None:
    """With its own manifest and, for the risk manager, its own token: `helm install risk charts/risk-manager`."""
    objects = render(component, release="my")
    kinds = sorted(one["kind"] for one in objects)
    assert list(workloads(objects)) == [component]
    extra = (["Secret"] if component == "risk-manager" else []) + (
        ["PodDisruptionBudget"] if component == "fill-processor" else []
    )
    workload = workloads(objects)[component]
    assert kinds == sorted(["ConfigMap", "NetworkPolicy", "Service", "ServiceAccount", workload["kind"], *extra])
    [config] = of_kind(objects, "ConfigMap")
    volumes = {one["name"]: one for one in workload["spec"]["template"]["spec"]["volumes"]}
    assert volumes["system"]["configMap"]["name"] == config["metadata"]["name"] == f"my-{component}"


def test_a_simulator_alone_is_for_mode_simulated() -> None:
    """In another mode its chart renders nothing: whoever trades real money has no use for it."""
    spec = {"mode": "paper", "broker": {"kind": "alpaca", "credentialsSecretRef": {"name": "alpaca"}}}
    assert render("alpaca-simulator", spec_values(spec)) == []
