"""The life of a TradingSystem against a real API server, driven by kubectl as a user would."""

import json
import signal
import time

import pytest

from tests.charts.rendering import render, system_values
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import until
from tests.operator.given import manifest
from tests.operator.place import OF_DEMO, Place

pytestmark = pytest.mark.timeout(180)

WORKLOAD = "deployment/demo-signal-generator"
PUT_RIGHT_S = 5.0


def test_apply_makes_every_child(place: Place) -> None:
    """All that the chart renders is there, owned by the system, and the token besides."""
    place.apply()
    place.until_reconciled()
    rendered = render("trading-system", system_values(manifest()))
    expected = {f"{one['kind']}/{one['metadata']['name']}" for one in rendered} | {"Secret/demo-control"}
    assert place.children() == expected
    owner = place.get("service", "demo-risk-manager")["metadata"]["ownerReferences"][0]
    assert owner["uid"] == place.system()["metadata"]["uid"]
    assert owner["controller"] is owner["blockOwnerDeletion"] is True


def test_a_system_gets_ready(place: Place) -> None:
    """`kubectl wait --for=condition=Ready` is what people wait with."""
    place.apply()
    place.until_reconciled()
    # At first the Deployments' own controller has not looked yet, and the system is told to be rolling out.
    until(lambda: place.condition("Ready")[:2] == ("False", "ComponentsNotReady"), "the components that are missing")
    place.until_ready()
    assert "condition met" in place.kubectl("wait", "--for=condition=Ready", "tsys/demo", "--timeout=20s")
    assert until(lambda: place.events().get("Ready"), "the Event")


def test_what_is_edited_by_hand_is_put_right(place: Place) -> None:
    """Within five seconds, whether a field was changed or an object deleted; and somebody is told.

    The best of three counts: where the machine stands still, one is late, and not by the operator.
    """
    place.apply()
    place.until_reconciled()
    took_s: list[float] = []
    while len(took_s) < 3 and min(took_s, default=PUT_RIGHT_S + 1) > PUT_RIGHT_S:
        took_s.append(_put_right_after_s(place))
    assert min(took_s) <= PUT_RIGHT_S, took_s
    assert "evil" not in json.dumps(place.get("deployment", "demo-signal-generator")["spec"])
    until(lambda: "kubectl-" in place.events().get("PutRight", ""), "the Event")


def _put_right_after_s(place: Place) -> float:
    """How long after four edits everything is as it was."""
    edits = (
        ("set", "image", WORKLOAD, "signal-generator=evil:1"),
        ("delete", "service", "demo-risk-manager"),
        ("patch", "configmap", "demo-system", "-p", '{"data": {"system.yaml": "nothing"}}'),
        ("label", "serviceaccount", "demo-risk-manager", "app.kubernetes.io/part-of-"),
    )
    for edit in edits:
        place.kubectl(*edit)
    began_s = time.monotonic()
    until(lambda: _is_right(place), "everything as it was", 20)
    return time.monotonic() - began_s


def _is_right(place: Place) -> bool:
    image = place.get(*WORKLOAD.split("/"))["spec"]["template"]["spec"]["containers"][0]["image"]
    text = place.get("configmap", "demo-system")["data"]["system.yaml"]
    account = place.get("serviceaccount", "demo-risk-manager")["metadata"]["labels"]
    labelled = account.get("app.kubernetes.io/part-of") == "tradingmesh"
    return bool(
        image.endswith(":test") and "symbols" in text and labelled and place.get("service", "demo-risk-manager")
    )


def test_a_field_of_another_manager_is_taken_back_and_told(place: Place) -> None:
    """A conflict in server-side apply ends with the spec in force, and an Event that names the other."""
    place.apply()
    place.until_reconciled()
    there = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "demo-risk-manager"}}
    wrong = {**there, "spec": {"publishNotReadyAddresses": False}}
    place.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=somebody", "-f", "-", stdin=wrong)
    until(lambda: place.get("service", "demo-risk-manager")["spec"].get("publishNotReadyAddresses"), "our value")
    until(lambda: "somebody" in place.events().get("PutRight", ""), "the Event")


def test_fields_that_others_add_are_left_alone(place: Place, operator: OperatorProcess) -> None:
    """A label of a cost report, or an annotation of a mesh, is nobody's mistake."""
    place.apply()
    place.until_reconciled()
    place.kubectl("label", "service", "demo-risk-manager", "team=delta")
    before = operator.metric("reconciles_total")
    until(lambda: operator.metric("reconciles_total") > before, "a reconcile")
    assert place.get("service", "demo-risk-manager")["metadata"]["labels"]["team"] == "delta"


def test_delete_leaves_nothing(place: Place) -> None:
    """No child, no token, no finalizer; although no part of the system ever ran."""
    place.apply()
    place.until_reconciled()
    place.kubectl("delete", "tsys", "demo", "--timeout=30s")
    until(lambda: not place.children(), "nothing left", 60)


def test_without_the_operator_a_deletion_waits_and_there_is_a_way_out(place: Place, operator: OperatorProcess) -> None:
    """Whoever uninstalled it first has nobody who halts: the finalizer keeps the system until a person takes it off."""
    place.apply()
    place.until_reconciled()
    operator.end()
    try:
        assert "timed out" in place.kubectl("delete", "tsys", "demo", "--timeout=2s", check=False)
        assert place.system()["metadata"]["finalizers"] == ["tradingmesh.io/drain"]
        patch = ("patch", "tsys/demo", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        assert "patched" in place.kubectl(*patch)
        until(lambda: not place.system() and not place.children(), "nothing left", 60)
    finally:
        operator.start()


def test_killed_in_the_middle_it_converges(place: Place, operator: OperatorProcess) -> None:
    """`kill -9` while objects are being made: the next one makes the rest, and needs not make again what is there."""
    place.apply()
    until(place.children, "a first child")
    operator.end(signal.SIGKILL)
    operator.start()
    place.until_reconciled()
    assert len(place.children()) > 30


def test_a_converged_system_is_not_written_to(place: Place, operator: OperatorProcess) -> None:
    """Neither by reconciles that find nothing, nor by an operator that starts anew."""
    place.apply()
    place.until_reconciled()
    _until_quiet(operator)
    versions = _versions(place)
    operator.end()
    operator.start()
    until(lambda: operator.metric("reconciles_total") >= 1, "a reconcile by the new one")
    _until_quiet(operator)
    assert _versions(place) == versions


def _versions(place: Place) -> dict[str, str]:
    """Of all that only the operator writes to: controllers write statuses."""
    plurals = ("configmaps", "services", "serviceaccounts", "networkpolicies", "secrets", "tradingsystems")
    found = ((plural, one["metadata"]) for plural in plurals for one in place.all(plural))
    return {f"{plural}/{metadata['name']}": metadata["resourceVersion"] for plural, metadata in found}


def _until_quiet(operator: OperatorProcess) -> None:
    """Waits for two seconds in which nothing is written."""
    seen = [operator.metric("writes_total")]
    since_s = [time.monotonic()]

    def quiet() -> bool:
        count = operator.metric("writes_total")
        if count != seen[0]:
            seen[0], since_s[0] = count, time.monotonic()
        return time.monotonic() - since_s[0] > 2.0

    until(quiet, "two seconds without a write", 60)


def test_paused_nothing_is_changed(place: Place) -> None:
    """The annotation stops the hand of the operator, and status says so."""
    place.apply()
    place.until_reconciled()
    place.kubectl("annotate", "tsys", "demo", "tradingmesh.io/paused=true")
    until(lambda: place.system()["status"]["phase"] == "Paused", "the pause")
    place.kubectl("delete", "service", "demo-risk-manager")
    place.kubectl("annotate", "tsys", "demo", "tradingmesh.io/paused-", "still=here")
    until(lambda: place.get("service", "demo-risk-manager"), "the Service again")


def test_a_new_port_rolls_the_risk_manager_first(place: Place) -> None:
    """Who asks it is changed only when it is ready at the new port, and who does not use the channel not at all."""
    place.apply()
    place.until_reconciled()
    place.until_ready()
    place.apply({"endpoints.riskCheck.port": 6556})
    until(lambda: place.condition("Reconciled")[1] == "WaitingForRiskManager", "who waits")
    assert _hashes(place, "signal-generator") == _pod_hashes(place, "signal-generator")
    assert place.get("service", "demo-risk-manager")["spec"]["ports"] != []
    before = {name: _hashes(place, name) for name in ("signal-generator", "market-data-feed", "fill-processor")}
    _roll(place)
    after = {name: _hashes(place, name) for name in before}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"signal-generator"}


def _roll(place: Place) -> None:
    def rolled() -> bool:
        place.let_run()
        return place.condition("Reconciled")[0] == "True" and place.condition("Ready")[0] == "True"

    until(rolled, "everybody with the new port", 60)


def _hashes(place: Place, component: str) -> str:
    metadata = place.get("deployment", f"demo-{component}")["spec"]["template"]["metadata"]
    return str(metadata["annotations"]["tradingmesh.io/config-hash"])


def _pod_hashes(place: Place, component: str) -> str:
    pods = place.all("pods", f"app.kubernetes.io/name={component}")
    return str(pods[0]["metadata"]["annotations"]["tradingmesh.io/config-hash"])


def test_what_is_no_longer_rendered_goes(place: Place) -> None:
    """A child that the chart does not make any more is taken away; what the operator does not own is not."""
    place.apply()
    place.until_reconciled()
    labels = dict(part.split("=") for part in OF_DEMO.split(","))
    owner = place.get("service", "demo-risk-manager")["metadata"]["ownerReferences"]
    metadata = {"name": "demo-old", "labels": labels, "ownerReferences": owner}
    place.kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    mine = {"name": "demo-mine", "labels": labels}
    place.kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "ConfigMap", "metadata": mine})
    until(lambda: not place.get("configmap", "demo-old"), "the old one gone")
    assert place.get("configmap", "demo-mine")


def test_scaling_reaches_the_fill_processors(place: Place) -> None:
    """`kubectl scale tsys` is the scale subresource; who scales reads the selector from it."""
    place.apply()
    place.until_reconciled()
    place.kubectl("scale", "tsys/demo", "--replicas=4")
    until(lambda: place.get("deployment", "demo-fill-processor")["spec"]["replicas"] == 4, "four of them")
    assert until(lambda: place.events().get("Scaled"), "the Event") == "demo-fill-processor 2 -> 4"


def test_a_changed_limit_restarts_nobody_and_is_told(place: Place) -> None:
    """Only the mounted manifest changes, and an Event says from what to what."""
    place.apply({"riskLimits.maxDailyLoss": "5000"})
    place.until_reconciled()
    generations = {name: _generation(place, name) for name in ("signal-generator", "fill-processor")}
    place.apply({"riskLimits.maxDailyLoss": "3000"})
    until(lambda: "3000" in place.get("configmap", "demo-system")["data"]["system.yaml"], "the new limit")
    assert until(lambda: place.events().get("LimitChanged"), "the Event") == "riskLimits.maxDailyLoss 5000 -> 3000"
    assert {name: _generation(place, name) for name in generations} == generations


def _generation(place: Place, component: str) -> int:
    return int(place.get("deployment", f"demo-{component}")["metadata"]["generation"])
