"""What a person at kubectl sees and may do: explain, get, scale, status, and what cannot be changed."""

import json
from typing import Any

import pytest

from tests.cluster.api_server import ApiServer
from tests.cluster.waiting import until
from tests.operator.given import LIVE, PAPER, manifest
from tradingmesh_operator.crd.definition import definition

STATUS: dict[str, Any] = {
    "phase": "Running",
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "AllReady",
            "message": "",
            "lastTransitionTime": "2026-01-05T14:30:00Z",
        }
    ],
    "breaker": {"state": "Closed"},
    "endpoints": {"marketData": "tcp://demo-market-data-feed.default.svc:5555"},
    "components": [{"name": "risk-manager", "ready": True, "version": "0.1.0", "appliedGeneration": 1}],
    "fillProcessors": {"replicas": 2, "selector": "app.kubernetes.io/instance=demo", "backlog": 7},
}


def applied(server: ApiServer, namespace: str, changes: dict[str, Any] | None = None) -> str:
    """What `kubectl apply` says to that manifest: what it did, or why it was refused."""
    content = manifest(changes)
    done = server.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", stdin=content, check=False)
    return done.stdout + done.stderr


def stored(server: ApiServer, namespace: str) -> Any:
    """The resource as it is kept."""
    return json.loads(server.kubectl("get", "tsys", "demo", "-n", namespace, "-o", "json").stdout)


def tell(server: ApiServer, namespace: str, status: dict[str, Any], *, check: bool = True) -> str:
    """Writes status as the operator does."""
    patch = ("patch", "tsys", "demo", "-n", namespace, "--subresource=status", "--type=merge", "-p")
    return server.kubectl(*patch, json.dumps({"status": status}), check=check).stderr


@pytest.fixture
def demo(tradingsystems: ApiServer, namespace: str) -> str:
    """A namespace in which there is a TradingSystem `demo`."""
    assert "serverside-applied" in applied(tradingsystems, namespace)
    return namespace


@pytest.mark.parametrize(
    ("path", "sentences"),
    [
        ("riskLimits", ["The pre-trade limits.", "A loss of the day beyond it opens the circuit breaker."]),
        ("riskLimits.maxDailyLoss", ["A whole number, or one in quotes."]),
        ("trading", ["Active", "Reducing", "Halted", "The kill switch, in force within seconds"]),
        ("symbols", ["<[]string>", "What may be traded"]),
        ("endpoints.fills.redeliverAfter", ["A fill that nobody has acknowledged by then is sent again"]),
        ("strategies.uses", ["module:Class"]),
        ("components.risk-manager.resources", ["What a pod is promised."]),
    ],
)
def test_explain_reads_well(tradingsystems: ApiServer, path: str, sentences: list[str]) -> None:
    """Each field says what it is for."""
    explain = ("explain", f"tradingsystem.spec.{path}")
    done = until(lambda: tradingsystems.kubectl(*explain, check=False).stdout, "the schema is published")
    told = " ".join(done.split())
    for sentence in sentences:
        assert sentence in told


def test_the_columns_say_how_it_is(tradingsystems: ApiServer, demo: str) -> None:
    """One line a system; by its short name, and in the categories."""
    tell(tradingsystems, demo, STATUS)
    lines = tradingsystems.kubectl("get", "tsys", "-n", demo).stdout.splitlines()
    assert lines[0].split() == ["NAME", "MODE", "TRADING", "BREAKER", "READY", "FILLS", "AGE"]
    assert lines[1].split()[:6] == ["demo", "simulated", "Active", "Closed", "True", "2"]
    wide = tradingsystems.kubectl("get", "tradingmesh", "-n", demo, "-o", "wide").stdout.split()
    assert {"BACKLOG", "7", "Running", "AllReady"} <= set(wide)
    assert "tradingsystem.tradingmesh.io/demo" in tradingsystems.kubectl("get", "all", "-n", demo, "-o", "name").stdout


def test_waiting_for_ready_works(tradingsystems: ApiServer, demo: str) -> None:
    """By the condition, as for any resource."""
    wait = ("wait", "--for=condition=Ready", "tsys/demo", "-n", demo)
    assert "timed out" in tradingsystems.kubectl(*wait, "--timeout=1s", check=False).stderr
    tell(tradingsystems, demo, STATUS)
    assert "condition met" in tradingsystems.kubectl(*wait, "--timeout=20s").stdout


def test_scaling_changes_the_number_of_fill_processors(tradingsystems: ApiServer, demo: str) -> None:
    """`kubectl scale`, and whoever else knows the scale subresource, as an autoscaler does."""
    tell(tradingsystems, demo, STATUS)
    tradingsystems.kubectl("scale", "tsys", "demo", "-n", demo, "--replicas=4")
    assert stored(tradingsystems, demo)["spec"]["fillProcessors"]["replicas"] == 4
    path = f"/apis/tradingmesh.io/v1alpha1/namespaces/{demo}/tradingsystems/demo/scale"
    scale = json.loads(tradingsystems.kubectl("get", "--raw", path).stdout)
    assert scale["spec"] == {"replicas": 4}
    assert scale["status"] == {"replicas": 2, "selector": "app.kubernetes.io/instance=demo"}


@pytest.mark.parametrize("replicas", ["0", "65"])
def test_scaling_has_bounds(tradingsystems: ApiServer, demo: str, replicas: str) -> None:
    """The schema's own: with no fill processor nothing would be booked."""
    done = tradingsystems.kubectl("scale", "tsys", "demo", "-n", demo, f"--replicas={replicas}", check=False)
    assert "spec.fillProcessors.replicas" in done.stderr


def test_what_is_not_said_is_filled_in(tradingsystems: ApiServer, demo: str) -> None:
    """With what the models have: a person sees what holds."""
    spec = stored(tradingsystems, demo)["spec"]
    assert spec["trading"] == "Active"
    assert spec["onDelete"] == "CancelOrders"
    assert spec["endpoints"]["fills"] == {
        "port": 5557,
        "sendHighWaterMark": 1000,
        "receiveHighWaterMark": 1000,
        "linger": "100ms",
        "redeliverAfter": "500ms",
    }
    assert spec["circuitBreaker"] == {"recoveryPeriod": "5m", "stableFor": "30s", "reset": "Automatic"}


def test_a_limit_that_is_not_set_stays_unset(tradingsystems: ApiServer, demo: str) -> None:
    """There is no default for a limit: unset it refuses every order, and that shows."""
    limits = stored(tradingsystems, demo)["spec"]["riskLimits"]
    assert limits == {"maxOrderQuantity": 100, "maxPositionQuantity": "200", "duplicateWindow": "1s"}


def test_status_and_spec_are_written_apart(tradingsystems: ApiServer, demo: str) -> None:
    """Who applies a manifest changes no status; who writes status changes no spec, and no generation."""
    tell(tradingsystems, demo, STATUS)
    generation = stored(tradingsystems, demo)["metadata"]["generation"]
    tell(tradingsystems, demo, {"phase": "Degraded"})
    assert stored(tradingsystems, demo)["metadata"]["generation"] == generation
    applied(tradingsystems, demo, {"riskLimits.maxDailyLoss": "10"})
    kept = stored(tradingsystems, demo)
    assert kept["metadata"]["generation"] == generation + 1
    assert kept["status"]["phase"] == "Degraded"
    assert kept["status"]["components"] == STATUS["components"]


def test_a_status_that_is_none_is_refused(tradingsystems: ApiServer, demo: str) -> None:
    """The operator is held to its own words."""
    assert "status.phase" in tell(tradingsystems, demo, {"phase": "Wonderful"}, check=False)
    assert "status.breaker.state" in tell(tradingsystems, demo, {"breaker": {"state": "Ajar"}}, check=False)


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        (LIVE, PAPER, "spec.mode"),
        ({}, PAPER, "spec.broker.kind"),
        ({}, {"persistence.size": "20Gi"}, "spec.persistence.size"),
        ({}, {"persistence.postgres.urlSecretRef.name": "pg"}, "spec.persistence.postgres"),
        ({"persistence.postgres.urlSecretRef.name": "pg"}, {}, "spec.persistence.postgres"),
    ],
)
def test_what_cannot_be_changed_is_refused(
    tradingsystems: ApiServer, namespace: str, before: dict[str, Any], after: dict[str, Any], field: str
) -> None:
    """It would be another system: other money, another journal, other volumes."""
    assert "serverside-applied" in applied(tradingsystems, namespace, before)
    told = applied(tradingsystems, namespace, after)
    assert field in told
    assert "cannot be" in told


@pytest.mark.parametrize(
    "after",
    [
        {"trading": "Halted"},
        {"riskLimits.maxDailyLoss": "1"},
        {"endpoints.fills.port": 6000},
        {"symbols": ["IBM", "BAC", "KO"]},
        {"onDelete": "Flatten"},
        {"fillProcessors.autoscaling": {}},
    ],
)
def test_what_can_be_changed_is(tradingsystems: ApiServer, demo: str, after: dict[str, Any]) -> None:
    """All else: hot, or by rolling who uses it."""
    assert "serverside-applied" in applied(tradingsystems, demo, after)


def test_two_who_apply_own_a_strategy_each(tradingsystems: ApiServer, demo: str) -> None:
    """Strategies are known by name, and symbols are a set: server-side apply adds to both."""
    other = manifest({"strategies": [{"name": "mine", "uses": "a:B", "symbols": ["KO"]}], "symbols": ["KO"]})
    del other["spec"]["riskLimits"], other["spec"]["mode"]
    tradingsystems.kubectl("apply", "--server-side", "--field-manager=me", "-n", demo, "-f", "-", stdin=other)
    spec = stored(tradingsystems, demo)["spec"]
    assert [one["name"] for one in spec["strategies"]] == ["momentum", "mine"]
    assert spec["symbols"] == ["IBM", "BAC", "KO"]


def test_a_newer_definition_takes_the_place_of_an_older_one(tradingsystems: ApiServer, namespace: str) -> None:
    """As an upgrade of the chart brings it: what is stored stays, and has the new field's default."""
    older = definition()
    schema = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"]["onDelete"]
    install = ("apply", "--server-side", "--field-manager=kubectl", "-f", "-")
    tradingsystems.kubectl(*install, stdin=older)
    until(
        lambda: "applied" not in applied(tradingsystems, namespace, {"onDelete": "Leave"}), "the older one is in force"
    )
    applied(tradingsystems, namespace)
    before = stored(tradingsystems, namespace)
    tradingsystems.kubectl(*install, stdin=definition())
    after = until(lambda: stored(tradingsystems, namespace)["spec"].get("onDelete"), "the newer one is in force")
    assert after == "CancelOrders"
    assert stored(tradingsystems, namespace)["metadata"]["uid"] == before["metadata"]["uid"]
    until(lambda: "applied" in applied(tradingsystems, namespace, {"onDelete": "Leave"}), "the new field is taken")
