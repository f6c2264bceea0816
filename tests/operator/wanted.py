"""Systems, children and pods as decisions see them: made here, no server needed."""

import copy
import functools
import json
from datetime import UTC, datetime
from typing import Any

from tests.charts.rendering import render
from tests.operator.given import manifest
from tradingmesh_operator.actions import Apply, Delete, Desired, Plan, Scale
from tradingmesh_operator.objects import FINALIZER, Manifest, Reference, reference
from tradingmesh_operator.observed import Observed, Pod
from tradingmesh_operator.reconcile import reconcile
from tradingmesh_operator.values import Images, values_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IMAGES = Images("tradingmesh", "test", "IfNotPresent")
TIMEOUT_S = 60.0

Children = dict[Reference, Manifest]


def system(changes: dict[str, Any] | None = None, **metadata: Any) -> Manifest:
    """A TradingSystem as the API server has it; the operator holds it already."""
    found = manifest(changes)
    there = {"namespace": "trading", "uid": "u-1", "generation": 1, "resourceVersion": "1", "finalizers": [FINALIZER]}
    found["metadata"] |= {**there, **metadata}
    return found


def desired(of: Manifest) -> Desired:
    """What the charts make of it."""
    return _desired(json.dumps(of))


@functools.cache
def _desired(text: str) -> Desired:
    of = json.loads(text)
    return Desired(tuple(render("trading-system", values_of(of, IMAGES), namespace=of["metadata"]["namespace"])))


def decide(of: Manifest, observed: Observed, now: datetime = NOW) -> Plan:
    """The decision."""
    return reconcile(of, desired(of), observed, now, drain_timeout_s=TIMEOUT_S)


def told(plan: Plan) -> list[tuple[str, str]]:
    """Reason and message of what a plan tells once it is carried out."""
    notices = (notice for action in plan.actions if isinstance(action, Apply | Scale) for notice in action.tells)
    return [(notice.reason, notice.message) for notice in (*notices, *plan.events)]


def asked_for(plan: Plan) -> list[int]:
    """The numbers of fill processors that a plan asks for, and nothing else it does."""
    assert all(isinstance(action, Scale) for action in plan.actions)
    return [action.replicas for action in plan.actions if isinstance(action, Scale)]


def carried_out(plan: Plan, children: Children | None = None) -> Children:
    """The children after a plan, with what a server and its controllers add."""
    after = dict(children or {})
    for action in plan.actions:
        match action:
            case Apply(child):
                after[reference(child)] = served(child)
            case Delete(name):
                after.pop(name, None)
    return after


def served(child: Manifest) -> Manifest:
    """A child as a server hands it out again: defaults filled in, lists with more in them than was asked for."""
    live = copy.deepcopy(child)
    live["metadata"] |= {"resourceVersion": "7", "generation": 1, "managedFields": [{"manager": "x"}]}
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    if live["kind"] in ("Deployment", "StatefulSet"):
        pod = live["spec"]["template"]["spec"]
        pod |= {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler"}
        for container in pod["containers"]:
            container["terminationMessagePath"] = "/dev/termination-log"
            container["env"].append({"name": "ADDED_BY_A_WEBHOOK", "value": "1"})
            container["ports"] = [{"protocol": "TCP", **port} for port in container["ports"]]
    return live


def ready(children: Children) -> Children:
    """The children when every pod is ready and of its newest template."""
    found = copy.deepcopy(children)
    for child in found.values():
        if child["kind"] in ("Deployment", "StatefulSet"):
            wanted = child["spec"]["replicas"]
            counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), wanted)
            child["status"] = {"observedGeneration": child["metadata"]["generation"], **counts}
    return found


def made(of: Manifest) -> Children:
    """The children of a system that has converged, all of them ready."""
    return copy.deepcopy(_made(json.dumps(of)))


@functools.cache
def _made(text: str) -> Children:
    return ready(carried_out(decide(json.loads(text), Observed())))


def pod(component: str, **facts: Any) -> Pod:
    """A pod that runs and answers."""
    told = {
        "phase": "Running",
        "ready": True,
        "leaving": False,
        "seen_config": "",
        "config_hash": _config_hash(component),
    }
    return Pod(name=f"demo-{component}-0", component=component, **{**told, **facts})


def _config_hash(component: str) -> str:
    workloads = (one for one in desired(system()).manifests if one["kind"] in ("Deployment", "StatefulSet"))
    mine = next(one for one in workloads if one["metadata"]["name"] == f"demo-{component}")
    return str(mine["spec"]["template"]["metadata"]["annotations"]["tradingmesh.io/config-hash"])


def risk_manager(generation: int = 1, **status: Any) -> Pod:
    """A risk manager that answers, trading unless told otherwise."""
    told = {"trading": "Active", "manifest_trading": "Active", "switch": "Active", "breaker": {"state": "Closed"}}
    return pod("risk-manager", configz={"generation": generation, "version": "0.1.0", "status": {**told, **status}})
