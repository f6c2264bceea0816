"""What status says, and which Events its changes make."""

from datetime import timedelta
from typing import Any

import pytest

from tests.operator.wanted import NOW, carried_out, decide, made, pod, ready, risk_manager, system
from tradingmesh.contract.status import SystemStatus
from tradingmesh_operator.actions import Plan
from tradingmesh_operator.objects import Manifest
from tradingmesh_operator.observed import Observed, Pod, pod_of
from tradingmesh_operator.status import Status, status_of, transitions

ENGINE = {"status": {"backlog": 7, "broker": {"in_sync": True}}, "version": "2"}


def _status(of: Manifest, observed: Observed, problems: tuple[tuple[str, str], ...] = ()) -> Status:
    return status_of(of, observed, decide(of, observed), problems, NOW)


def _conditions(status: Status) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


def _well(**manager: Any) -> Observed:
    engine = pod("execution-engine", configz={**ENGINE, "generation": manager.get("generation", 1)})
    return Observed(children=ready(made(system())), pods=(risk_manager(**manager), engine))


def test_all_is_well() -> None:
    """Every condition, and the figures that kubectl prints; all of it as the definition has it."""
    status = _status(system(), _well())
    assert _conditions(status) == {
        "Ready": ("True", "EveryComponentReady"),
        "Reconciled": ("True", "AsSpecified"),
        "ConfigInSync": ("True", "Acknowledged"),
        "BrokerInSync": ("True", "Agrees"),
        "TradingHalted": ("False", "Trading"),
        "Degraded": ("False", "AllWell"),
    }
    told = SystemStatus.of_manifest(status)
    assert told.phase == "Running"
    assert (status["trading"], status["breaker"]["state"]) == ("Active", "Closed")
    assert status["fillProcessors"]["backlog"] == 7
    assert status["fillProcessors"]["replicas"] == 2
    assert status["endpoints"]["riskCheck"] == "tcp://demo-risk-manager.trading:5556"
    engine = next(one for one in status["components"] if one["name"] == "execution-engine")
    assert engine == {"name": "execution-engine", "ready": True, "version": "2", "appliedGeneration": 1}


@pytest.mark.parametrize(
    ("observed", "condition", "expected"),
    [
        (_well(generation=0), "ConfigInSync", ("False", "Pending")),
        (_well(switch="Halted"), "TradingHalted", ("True", "Command")),
        (_well(breaker={"state": "Open", "reason": "loss"}), "TradingHalted", ("True", "BreakerOpen")),
        (Observed(children=made(system())), "BrokerInSync", ("Unknown", "NoAnswer")),
        (_well()._replace(secrets={"keys": None}), "Degraded", ("True", "SecretMissing")),
        (_well()._replace(rival="other/demo"), "Reconciled", ("False", "AccountClaimed")),
    ],
)
def test_what_is_wrong_is_a_condition(observed: Observed, condition: str, expected: tuple[str, str]) -> None:
    """One reason each, so that alerts and people can tell them apart."""
    assert _conditions(_status(system(), observed))[condition] == expected


@pytest.mark.parametrize(
    ("observed", "expected", "words"),
    [
        (_well(), ("False", "Pending"), "has not taken spec.trading"),
        (_well(manifest_trading="Halted", trading="Halted"), ("True", "Manifest"), "by spec.trading"),
        (_well(switch="Halted", trading="Halted"), ("True", "Command"), "resume"),
        (Observed(children=made(system())), ("Unknown", "NoAnswer"), "spec.trading is Halted"),
    ],
)
def test_halted_is_what_the_risk_manager_has_in_force(
    observed: Observed, expected: tuple[str, str], words: str
) -> None:
    """Whoever waits for the condition is not told that orders have stopped while they go out."""
    [found] = [
        one for one in _status(system({"trading": "Halted"}), observed)["conditions"] if one["type"] == "TradingHalted"
    ]
    assert (found["status"], found["reason"]) == expected
    assert words in found["message"]


def test_a_refusal_says_what_to_do() -> None:
    """The message has the server's words and the advice; Ready falls with it."""
    status = _status(system(), _well(), (("QuotaExceeded", "exceeded quota: small"), ("NotAllowed", "no")))
    message = next(one["message"] for one in status["conditions"] if one["type"] == "Reconciled")
    assert message == (
        "exceeded quota: small: raise the namespace's ResourceQuota or lower what the components ask for (and 1 more)"
    )
    assert _conditions(status)["Ready"] == ("False", "QuotaExceeded")
    assert status["phase"] == "Degraded"


def test_a_component_that_fails_says_why_in_its_own_words() -> None:
    """An unknown strategy ends the signal generator, and what it said last is what a person needs."""
    terminated = {"reason": "Error", "message": "spec.strategies[0].uses: there is no strategy nonsense\n"}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    manifest: Manifest = {
        "metadata": {"name": "demo-signal-generator-x", "labels": {"app.kubernetes.io/name": "signal-generator"}},
        "spec": {"containers": [{"ports": [{"name": "http-admin", "containerPort": 9090}]}]},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "containerStatuses": [{"state": waiting, "lastState": {"terminated": terminated}}],
        },
    }
    failed = pod_of(manifest)
    assert failed.address == "10.0.0.7:9090"
    observed = _well()
    status = _status(system(), observed._replace(pods=(*observed.pods, failed)))
    component = next(one for one in status["components"] if one["name"] == "signal-generator")
    assert component["message"] == "CrashLoopBackOff: spec.strategies[0].uses: there is no strategy nonsense"
    assert _conditions(status)["Degraded"] == ("True", "ComponentsFail")


def test_a_pod_without_anything_is_a_pod() -> None:
    """What is just made has neither status nor address."""
    bare = pod_of({"metadata": {"name": "x"}, "spec": {"containers": [{}]}})
    assert bare == Pod("x", "", "Pending", ready=False, leaving=False, config_hash="", seen_config="")


def test_the_time_of_a_transition_stays_with_the_status() -> None:
    """A new message or generation is no transition."""
    first = _status(system(), _well())
    later = system(generation=2) | {"status": first}
    observed = _well(generation=2)
    second = status_of(later, observed, decide(later, observed), (), NOW + timedelta(minutes=1))
    assert {one["lastTransitionTime"] for one in second["conditions"]} == {"2026-11-22T12:00:00Z"}
    assert {one["observedGeneration"] for one in second["conditions"]} == {2}
    third = status_of(later | {"status": second}, Observed(), Plan(), (), NOW + timedelta(minutes=2))
    ready_now = next(one for one in third["conditions"] if one["type"] == "Ready")
    assert ready_now["lastTransitionTime"] == "2026-11-22T12:02:00Z"


def test_equal_findings_give_an_equal_status() -> None:
    """Or it would be written for ever."""
    first = _status(system(), _well())
    assert status_of(system() | {"status": first}, _well(), Plan(), (), NOW + timedelta(hours=1)) == first


def test_what_changes_is_told_once() -> None:
    """The breaker trips and resets, readiness comes, a condition goes bad and good again."""
    well = _status(system(), _well())
    tripped = _status(system(), _well(breaker={"state": "Open", "reason": "day's loss 5001"}))
    assert [(one.reason, one.warning) for one in transitions(well, tripped)] == [
        ("BreakerOpen", False),
        ("BreakerTripped", True),
    ]
    assert "BreakerReset" in [one.reason for one in transitions(tripped, well)]
    assert list(transitions(well, well)) == []
    assert [one.reason for one in transitions({}, well)] == ["Ready"]
    late = _status(system(), _well(generation=0))
    assert ("Pending", False) in [(one.reason, one.warning) for one in transitions(well, late)]
    later = {**late, "conditions": [_with_reason(one, "Pending", "NotAcknowledged") for one in late["conditions"]]}
    assert [(one.reason, one.warning) for one in transitions(late, later)] == [("NotAcknowledged", True)]


def _with_reason(condition: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {**condition, "reason": new} if condition["reason"] == old else condition


def test_what_is_told_of_a_new_system_stays() -> None:
    """Although nobody has taken up its workloads yet: the next look has nothing to write."""
    of = system()
    plan = decide(of, Observed())
    observed = Observed(children=carried_out(plan))
    first = status_of(of, observed, plan, (), NOW)
    assert _conditions(first)["Ready"] == ("False", "RollingOut")
    assert len(first["components"]) == 9
    again = decide(of, observed)
    assert status_of(of | {"status": first}, observed, again, (), NOW + timedelta(minutes=2)) == first
