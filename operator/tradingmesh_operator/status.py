"""What is written to a TradingSystem's status, and the Events that its transitions are told by."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from tradingmesh.contract import CHANNELS, Component, endpoint_key
from tradingmesh_operator.actions import Notice, Plan, Problem
from tradingmesh_operator.conditions import conditions, merged
from tradingmesh_operator.objects import INSTANCE, NAME, Manifest
from tradingmesh_operator.observed import Observed
from tradingmesh_operator.rollout import RISK_MANAGER, WORKLOADS, component_of, rolled_out

Status = dict[str, Any]
_BAD = {"Reconciled": "False", "ConfigInSync": "False", "BrokerInSync": "False", "Degraded": "True"}
_EXPECTED = {"Draining", "Pending", "RollingOut", "WaitingForRiskManager"}
"""What passes by itself is no warning."""
_PHASES = {"Paused": "Paused", "Draining": "Deleting"}
_TELLING = ("Reconciled", "ConfigInSync", "BrokerInSync", "TradingHalted", "Degraded")


def status_of(system: Manifest, observed: Observed, plan: Plan, problems: Iterable[Problem], now: datetime) -> Status:
    """The status after a plan was carried out; `problems` are reasons and messages of what was refused then."""
    workloads = [live for _, live in sorted(observed.children.items()) if live["kind"] in WORKLOADS]
    told = (*plan.problems, *problems)
    generation = system["metadata"].get("generation", 0)
    before = system.get("status", {}).get("conditions", [])
    found = merged(conditions(system, observed, plan, told, workloads, now), before, generation, now)
    return {
        "phase": _phase(plan, found),
        "observedGeneration": generation,
        "conditions": found,
        **_trading(observed),
        "breaker": _breaker(observed),
        "endpoints": endpoints(system),
        "components": [_component(workload, observed) for workload in workloads],
        "fillProcessors": _fill_processors(system, observed, workloads),
    }


def endpoints(system: Manifest) -> dict[str, str]:
    """Where each channel is bound, as a client in the cluster would connect to it."""
    metadata, given = system["metadata"], system["spec"].get("endpoints", {})
    return {
        endpoint_key(channel): (
            f"tcp://{metadata['name']}-{facts.binder.value}.{metadata['namespace']}:"
            f"{given.get(endpoint_key(channel), {}).get('port', facts.port)}"
        )
        for channel, facts in CHANNELS.items()
    }


def transitions(before: Status, after: Status) -> Iterator[Notice]:
    """What a person wants to know of: each condition that changed its status or reason, and the breaker."""
    old = {condition["type"]: condition for condition in before.get("conditions", [])}
    for condition in after["conditions"]:
        was = old.get(condition["type"], {})
        changed = was.get("reason") != condition["reason"] and condition["status"] != "Unknown"
        bad = _BAD.get(condition["type"]) == condition["status"]
        if condition["type"] in _TELLING and changed and (was or bad):
            expected = condition["reason"] in _EXPECTED
            yield Notice(condition["reason"], condition["message"], warning=bad and not expected)
    ready = next(condition for condition in after["conditions"] if condition["type"] == "Ready")
    if ready["status"] == "True" and old.get("Ready", {}).get("status") != "True":
        yield Notice("Ready", ready["message"])
    yield from _of_breaker(before.get("breaker", {}), after["breaker"])


def _of_breaker(before: Status, after: Status) -> Iterator[Notice]:
    was, is_now = before.get("state", "Unknown"), after["state"]
    if was == is_now or "Unknown" in (was, is_now):
        return
    tripped = is_now == "Open"
    name = "BreakerTripped" if tripped else ("BreakerReset" if is_now == "Closed" else "BreakerRecovering")
    yield Notice(name, f"{was} -> {is_now}: {after.get('reason', '')}", warning=tripped)


def _phase(plan: Plan, found: list[dict[str, Any]]) -> str:
    if plan.state in _PHASES:
        return _PHASES[plan.state]
    status = {condition["type"]: condition["status"] for condition in found}
    if status["Degraded"] == "True":
        return "Degraded"
    return "Running" if status["Ready"] == "True" else "Pending"


def _trading(observed: Observed) -> Status:
    """What the risk manager has in force; unsaid while nobody answers."""
    told = next((pod.status["trading"] for pod in observed.of(RISK_MANAGER) if "trading" in pod.status), "")
    return {"trading": told} if told else {}


def _breaker(observed: Observed) -> Status:
    told: Status = next((pod.status.get("breaker", {}) for pod in observed.of(RISK_MANAGER) if pod.status), {})
    return {"state": told.get("state", "Unknown"), "reason": str(told.get("reason", ""))[:300]}


def _component(workload: Manifest, observed: Observed) -> Status:
    component = component_of(workload)
    pods = observed.of(component)
    generations = [pod.generation for pod in pods if pod.generation is not None]
    versions = sorted({str((pod.configz or {}).get("version", "")) for pod in pods} - {""})
    found = {
        "version": ", ".join(versions),
        "appliedGeneration": min(generations, default=None),
        "message": next((pod.problem for pod in pods if pod.problem), ""),
    }
    told = {field: value for field, value in found.items() if value not in ("", None)}
    return {"name": component, "ready": rolled_out(workload), **told}


def _fill_processors(system: Manifest, observed: Observed, workloads: list[Manifest]) -> Status:
    """As the scale subresource reads it; the backlog is what the execution engine still waits to be acknowledged."""
    name = Component.FILL_PROCESSOR.value
    mine = [workload for workload in workloads if component_of(workload) == name]
    told: Status = {
        "replicas": sum(workload.get("status", {}).get("replicas", 0) for workload in mine),
        "readyReplicas": sum(workload.get("status", {}).get("readyReplicas", 0) for workload in mine),
        "selector": f"{INSTANCE}={system['metadata']['name']},{NAME}={name}",
    }
    return told if observed.backlog is None else {**told, "backlog": observed.backlog}
