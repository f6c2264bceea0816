"""A system that is deleted: stop trading, cancel what is open, close positions if asked to, and then let it go.

Bounded in time, and what is not there is not waited for: a deletion never hangs on parts that are gone.
"""

from datetime import datetime
from typing import Any

import yaml

from tradingmesh_operator.actions import Action, Apply, Notice, Plan, SetFinalizer, Touch
from tradingmesh_operator.changes import MANIFEST_KEY, spec_in
from tradingmesh_operator.flatten import flatten_job
from tradingmesh_operator.objects import FINALIZER, SYSTEMS, Manifest, Reference, digest, reference
from tradingmesh_operator.observed import Observed, Pod
from tradingmesh_operator.rollout import RISK_MANAGER
from tradingmesh_operator.stamp import owner

FLATTEN, LEAVE = "Flatten", "Leave"
HALTED, REDUCING = "Halted", "Reducing"


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
    if not managers:
        return _let_go("NotDrained", "no risk manager runs, so open orders were not looked at", warning=True)
    flattening = system["spec"]["onDelete"] == FLATTEN
    if flattening and elapsed_s < timeout_s and not _is_flat(managers):
        return _flatten(system, observed)
    if elapsed_s >= timeout_s * (1 + flattening):
        return _let_go("DrainTimedOut", f"after {elapsed_s:.0f} s: {_left(observed, managers)}", warning=True)
    if _is_halted(managers) and not _open_orders(observed):
        return _let_go("Drained", "trading is halted and no order is open")
    return Plan(tuple(_in_force(system, observed, HALTED)), state="Draining")


def _flatten(system: Manifest, observed: Observed) -> Plan:
    """The risk manager refuses to flatten while the manifest halts, so that is taken back first."""
    halted = system["spec"].get("trading") == HALTED
    actions = list(_in_force(system, observed, REDUCING)) if halted else []
    job = flatten_job(system, observed.children)
    if job is not None and reference(job) not in observed.children:
        actions.append(Apply(job))
    return Plan(tuple(actions), state="Draining")


def _in_force(system: Manifest, observed: Observed, trading: str) -> list[Action]:
    """The mounted manifest with this trading state, and pods told of it. It is the live one: no chart is rendered."""
    name = Reference("v1", "ConfigMap", f"{system['metadata']['name']}-system")
    live = observed.children.get(name)
    spec = spec_in(live) if live is not None else {}
    if live is None or not spec:
        return []
    metadata = {"name": system["metadata"]["name"], "namespace": system["metadata"]["namespace"]}
    metadata["generation"] = system["metadata"].get("generation", 0)
    head = {"apiVersion": SYSTEMS.api_version, "kind": SYSTEMS.kind}
    text = yaml.safe_dump({**head, "metadata": metadata, "spec": {**spec, "trading": trading}})
    data = {MANIFEST_KEY: text}
    kept = {field: live["metadata"].get(field, {}) for field in ("name", "namespace", "labels", "annotations")}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**kept, "ownerReferences": [owner(system)]},
        "data": data,
    }
    wanted = digest([data])
    touched = [pod for pod in observed.pods if pod.phase == "Running" and not pod.leaving and pod.seen_config != wanted]
    changed: list[Action] = [] if live.get("data") == data else [Apply(config_map)]
    return [*changed, *(Touch(pod.name, wanted) for pod in touched)]


def _let_go(reason: str, message: str, *, warning: bool = False) -> Plan:
    return Plan((SetFinalizer(held=False),), (Notice(reason, message, warning),), state="Draining")


def _is_halted(managers: list[Pod]) -> bool:
    return all(pod.status.get("manifest_trading") == HALTED for pod in managers)


def _is_flat(managers: list[Pod]) -> bool:
    return all(_flat(pod.status) for pod in managers)


def _flat(status: Any) -> bool:
    held = [position for position in status.get("positions", [{}]) if position.get("quantity") != "0"]
    return not held and not status.get("working_reservations") and not status.get("flatten", {}).get("active")


def _open_orders(observed: Observed) -> int:
    """How many orders work at the broker, as far as anybody says; of an engine that is gone nothing is waited for."""
    engines = [pod for pod in observed.of("execution-engine") if pod.phase == "Running"]
    return sum(sum(pod.status.get("orders_open", {}).values()) for pod in engines)


def _left(observed: Observed, managers: list[Pod]) -> str:
    trading = "halted" if _is_halted(managers) else "not known to be halted"
    return f"{_open_orders(observed)} orders open, trading {trading}"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
