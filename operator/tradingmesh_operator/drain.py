"""A system that is deleted: stop trading, cancel what is open, close positions if asked to, and then let it go.

Bounded in time, and what is not there is not waited for: a deletion never hangs on parts that are gone.
"""

from datetime import datetime
from typing import Any

from tradingmesh.contract import Component
from tradingmesh_operator.actions import Action, Apply, Notice, Plan, SetFinalizer
from tradingmesh_operator.flatten import flatten_job
from tradingmesh_operator.objects import FINALIZER, Manifest, Reference, reference
from tradingmesh_operator.observed import Observed, Pod
from tradingmesh_operator.rollout import RISK_MANAGER
from tradingmesh_operator.switch import HALTED, REDUCING, switched

FLATTEN, LEAVE = "Flatten", "Leave"


def needed(system: Manifest) -> bool:
    """Whether a deletion has something to do at the broker first."""
    return bool(system["spec"].get("onDelete") != LEAVE)


def plan(system: Manifest, observed: Observed, now: datetime, *, timeout_s: float) -> Plan:
    """What a deleted system still needs. A flatten gets as long as the cancelling after it."""
    if FINALIZER not in system["metadata"].get("finalizers", []):
        return Plan(state="Draining")
    elapsed_s = (now - _instant(system["metadata"]["deletionTimestamp"])).total_seconds()
    managers = [pod for pod in observed.of(RISK_MANAGER) if pod.phase == "Running"]
    if not needed(system):
        return _let_go("Left", "its orders and positions were left as they are")
    flattening = system["spec"]["onDelete"] == FLATTEN
    over = elapsed_s >= timeout_s * (1 + flattening)
    if not managers and (over or not _comes_back(system, observed)):
        return _let_go("NotDrained", "no risk manager runs, so open orders were not looked at", warning=True)
    if flattening and elapsed_s < timeout_s and not (managers and _is_flat(managers)):
        return _flatten(system, observed)
    left = [*_unhalted(managers), *_unfinished(observed)]
    if not left:
        return _let_go("Drained", "trading is halted and no order is open")
    if over:
        return _let_go("DrainTimedOut", f"after {elapsed_s:.0f} s: {', '.join(left)}", warning=True)
    return Plan(tuple(_in_force(system, observed, HALTED)), state="Draining")


def _flatten(system: Manifest, observed: Observed) -> Plan:
    """The risk manager refuses to flatten while the manifest halts, so that is taken back first."""
    halted = system["spec"].get("trading") == HALTED
    actions = list(_in_force(system, observed, REDUCING)) if halted else []
    job = flatten_job(system, observed.children)
    if job is not None and reference(job) not in observed.children:
        actions.append(Apply(job))
    return Plan(tuple(actions), state="Draining")


def _let_go(reason: str, message: str, *, warning: bool = False) -> Plan:
    return Plan((SetFinalizer(held=False),), (Notice(reason, message, warning),), state="Draining")


def _in_force(system: Manifest, observed: Observed, trading: str) -> list[Action]:
    return switched(system, observed, trading, system["metadata"].get("generation", 0))


def _comes_back(system: Manifest, observed: Observed) -> bool:
    """Whether a risk manager that does not run is only on its way to another node, while an engine may have orders."""
    name = Reference("apps/v1", "StatefulSet", f"{system['metadata']['name']}-{RISK_MANAGER}")
    workload = observed.children.get(name, {"metadata": {"deletionTimestamp": "gone"}})
    return "deletionTimestamp" not in workload["metadata"] and bool(_engines(observed))


def _unhalted(managers: list[Pod]) -> list[str]:
    halted = managers and all(pod.status.get("manifest_trading") == HALTED for pod in managers)
    return [] if halted else ["trading not known to be halted"]


def _is_flat(managers: list[Pod]) -> bool:
    return all(_flat(pod.status) for pod in managers)


def _flat(status: Any) -> bool:
    held = [position for position in status.get("positions", [{}]) if position.get("quantity") != "0"]
    return not held and not status.get("working_reservations") and not status.get("flatten", {}).get("active")


def _engines(observed: Observed) -> list[Pod]:
    return [pod for pod in observed.of(Component.EXECUTION_ENGINE) if pod.phase == "Running"]


def _unfinished(observed: Observed) -> list[str]:
    """What is not done at the broker yet, as far as is known; of an engine that is gone nothing is waited for.

    One that is silent, or has not asked the broker since it began, may have open orders all the same.
    """
    found = []
    for pod in _engines(observed):
        orders, broker = pod.status.get("orders_open"), pod.status.get("broker") or {}
        if not isinstance(orders, dict) or broker.get("reconciled_age_s", 0) < 0:
            found.append(f"{pod.name} does not say which orders are open")
            continue
        count, waiting = sum(orders.values()), pod.status.get("backlog", 0)
        found += [f"{count} orders open"] if count else []
        found += [f"{waiting} reports not booked"] if waiting else []
    return found


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
