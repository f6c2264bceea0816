"""When the newest generation is in force: decided from what each pod says of itself."""

from datetime import timedelta
from typing import Any

import pytest

from tests.operator.given import manifest
from tests.operator.wanted import NOW
from tradingmesh_operator.actions import Plan
from tradingmesh_operator.conditions import LATE_S, Condition, conditions
from tradingmesh_operator.observed import Observed, Pod


def _pod(component: str = "risk-manager", hash_: str = "h1", *, leaving: bool = False, **configz: Any) -> Pod:
    told = {"generation": 3, "problem": "", "pending": [], **configz}
    return Pod(
        f"demo-{component}-0",
        component,
        "Running",
        ready=True,
        leaving=leaving,
        config_hash=hash_,
        seen_config="",
        configz=told,
    )


SILENT = _pod("feature-engine")._replace(configz=None, address="10.0.0.7:9090")


def _workload(component: str) -> dict[str, Any]:
    template = {"metadata": {"annotations": {"tradingmesh.io/config-hash": "h1"}}}
    labels = {"app.kubernetes.io/name": component}
    return {
        "kind": "Deployment",
        "metadata": {"name": f"demo-{component}", "labels": labels},
        "spec": {"template": template},
    }


def _in_sync(*pods: Pod, before: tuple[dict[str, str], ...] = ()) -> Condition:
    system = manifest()
    system["metadata"] |= {"generation": 3, "namespace": "default"}
    workloads = [_workload("risk-manager"), _workload("feature-engine")]
    system["status"] = {"conditions": before}
    found = conditions(system, Observed(pods=pods), Plan(), (), workloads, NOW)
    return next(condition for condition in found if condition.type == "ConfigInSync")


@pytest.mark.parametrize(
    ("pods", "status", "reason", "words"),
    [
        ((_pod(), _pod("feature-engine")), "True", "Acknowledged", "generation 3 is in force"),
        ((_pod(), _pod("feature-engine", generation=2)), "False", "Pending", "by demo-feature-engine-0"),
        ((_pod(generation=2), _pod("feature-engine")), "False", "Pending", "by demo-risk-manager-0"),
        (
            (_pod(problem="spec.riskLimits: no"),),
            "False",
            "ManifestRefused",
            "demo-risk-manager-0: spec.riskLimits: no",
        ),
        (
            (_pod(), _pod("feature-engine", "h0", generation=2, pending=["symbols"])),
            "False",
            "RollingOut",
            "will restart",
        ),
        ((_pod(), _pod("feature-engine", generation=2, pending=["symbols"])), "False", "RestartNeeded", "(symbols)"),
        ((_pod(), _pod("feature-engine", "h0", leaving=True, generation=2)), "True", "Acknowledged", "in force"),
        ((_pod(), SILENT), "Unknown", "NoAnswer", "no answer of demo-feature-engine-0"),
        ((_pod(generation=2), SILENT), "False", "Pending", "by demo-risk-manager-0"),
        ((_pod(), SILENT._replace(leaving=True)), "True", "Acknowledged", "in force"),
        ((_pod(), SILENT._replace(phase="Pending")), "True", "Acknowledged", "in force"),
        ((_pod("feature-engine"),), "Unknown", "NoAnswer", "no risk manager answers"),
        ((), "Unknown", "NoAnswer", "no risk manager answers"),
    ],
)
def test_a_generation_is_in_force_where_every_pod_says_so(
    pods: tuple[Pod, ...], status: str, reason: str, words: str
) -> None:
    """Who refuses it, who has not read it yet and who has to restart for it each get their own words."""
    found = _in_sync(*pods)
    assert (found.status, found.reason) == (status, reason)
    assert words in found.message


@pytest.mark.parametrize(
    ("reason", "since_s", "expected"),
    [
        ("Pending", LATE_S - 1, "Pending"),
        ("Pending", LATE_S, "NotAcknowledged"),
        ("NotAcknowledged", 600, "NotAcknowledged"),
        ("ManifestRefused", 600, "Pending"),
    ],
)
def test_who_does_not_acknowledge_in_time_is_told_of(reason: str, since_s: float, expected: str) -> None:
    """At first it is only not there yet; the time counts from when it was first waited for."""
    since = (NOW - timedelta(seconds=since_s)).isoformat()
    before = {"type": "ConfigInSync", "status": "False", "reason": reason, "lastTransitionTime": since}
    found = _in_sync(_pod(generation=2), before=(before,))
    assert (found.status, found.reason) == ("False", expected)
    assert ("see the pod's log" in found.message) == (expected == "NotAcknowledged")
