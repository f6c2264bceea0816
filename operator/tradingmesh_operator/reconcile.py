"""The decision: from a spec, what is wanted and what was found, to what is to be done. Pure."""

from collections.abc import Iterator
from datetime import datetime

from tradingmesh_operator import drain
from tradingmesh_operator.actions import (
    Action,
    Apply,
    Delete,
    Desired,
    MakeToken,
    Plan,
    SetFinalizer,
    Touch,
)
from tradingmesh_operator.changes import notices
from tradingmesh_operator.differences import Difference, differences
from tradingmesh_operator.objects import FINALIZER, PAUSED, Manifest, Reference, controller_of, digest, reference
from tradingmesh_operator.observed import Observed
from tradingmesh_operator.rollout import RISK_MANAGER, WORKLOADS, changes_pods, component_of, waits_for_risk_manager
from tradingmesh_operator.scaling import scaling
from tradingmesh_operator.stamp import stamped
from tradingmesh_operator.switch import tightened
from tradingmesh_operator.values import control_secret

_FIRST = ("ServiceAccount", "ConfigMap", "Service", "NetworkPolicy", "PodDisruptionBudget")
HELM_RELEASE = "meta.helm.sh/release-name"

Found = tuple[Manifest, Manifest | None, tuple[Difference, ...]]
"""A child as it is wanted, as it is, and where the two differ."""


def reconcile(system: Manifest, desired: Desired, observed: Observed, now: datetime, *, drain_timeout_s: float) -> Plan:
    """What to do for one system now. Called again after anything changed; nothing is remembered in between.

    Returns no actions where everything is as it should be.
    """
    if "deletionTimestamp" in system["metadata"]:
        return drain.plan(system, observed, now, timeout_s=drain_timeout_s)
    if system["metadata"].get("annotations", {}).get(PAUSED) == "true":
        return Plan(state="Paused")
    if desired.problem is not None:
        return Plan(tuple(tightened(system, observed)), problems=(desired.problem,))
    if observed.rival:
        claimed = ("AccountClaimed", _claimed(system, observed.rival))
        return Plan(tuple(tightened(system, observed)), problems=(claimed,))
    plan = _converge(system, desired, observed)
    number = scaling(system, observed, now)
    return plan._replace(actions=(*plan.actions, *number.actions), concerns=number.concerns)


def _converge(system: Manifest, desired: Desired, observed: Observed) -> Plan:
    found = [_found(stamped(manifest, system), observed) for manifest in sorted(desired.manifests, key=_order)]
    problems = tuple(_taken(live) for _, live, _ in found if live is not None and _foreign(live, system))
    mine = [(child, live, wrong) for child, live, wrong in found if live is None or not _foreign(live, system)]
    held = _held(mine)
    changed = [(child, live, wrong) for child, live, wrong in mine if (wrong or live is None)]
    applies = [
        Apply(child, wrong, tuple(notices(child, live, wrong)))
        for child, live, wrong in changed
        if str(reference(child)) not in held
    ]
    actions = [
        *_own(system, observed),
        *applies,
        *_pruned(system, {reference(child) for child, _, _ in found}, observed),
        *_touches(system, mine, observed),
    ]
    return Plan(tuple(actions), held=tuple(held), problems=problems)


def _found(child: Manifest, observed: Observed) -> Found:
    name = reference(child)
    live = observed.children.get(name)
    if live is None:
        return child, None, ()
    if child["kind"] in WORKLOADS and child["metadata"]["name"] in observed.autoscaled:
        child = {**child, "spec": {**child["spec"], "replicas": live["spec"].get("replicas", 1)}}
    wrong = tuple(differences(child, live))
    return child, live, () if wrong == observed.accepted.get(name) else wrong


def _held(mine: list[Found]) -> list[str]:
    workloads = [found for found in mine if found[0]["kind"] in WORKLOADS]
    risk, changes = next(
        ((live, wrong) for child, live, wrong in workloads if component_of(child) == RISK_MANAGER), (None, ())
    )
    if risk is None:
        return []
    return [
        str(reference(child))
        for child, live, wrong in workloads
        if live is not None and waits_for_risk_manager(child, wrong, risk, changing=changes_pods(changes))
    ]


def _own(system: Manifest, observed: Observed) -> Iterator[Action]:
    held = FINALIZER in system["metadata"].get("finalizers", [])
    if held != drain.needed(system):
        yield SetFinalizer(held=not held)
    if not observed.has_token:
        name = control_secret(system["metadata"]["name"])
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque"}
        yield MakeToken(stamped(secret, system))


def _pruned(system: Manifest, wanted: set[Reference], observed: Observed) -> Iterator[Delete]:
    for name, live in sorted(observed.children.items()):
        mine = controller_of(live).get("uid") == system["metadata"]["uid"]
        if name not in wanted and mine and "deletionTimestamp" not in live["metadata"]:
            yield Delete(name)


def _touches(system: Manifest, mine: list[Found], observed: Observed) -> Iterator[Touch]:
    """Only pods that run and have not got the newest manifest: one that was just made has it already."""
    wanted = digest([child["data"] for child, _, _ in mine if child["kind"] == "ConfigMap"])
    generation = system["metadata"].get("generation")
    for pod in observed.pods:
        late = pod.generation is not None and pod.generation != generation
        if pod.phase == "Running" and not pod.leaving and late and pod.seen_config != wanted:
            yield Touch(pod.name, wanted)


def _foreign(live: Manifest, system: Manifest) -> bool:
    owner = controller_of(live).get("uid", system["metadata"]["uid"])
    return bool(owner != system["metadata"]["uid"] or HELM_RELEASE in live["metadata"].get("annotations", {}))


def _taken(live: Manifest) -> tuple[str, str]:
    release = live["metadata"].get("annotations", {}).get(HELM_RELEASE)
    owner = controller_of(live)
    whose = f"Helm release {release}" if release else f"{owner.get('kind')} {owner.get('name')} ({owner.get('uid')})"
    return "NameTaken", f"{reference(live)} belongs to {whose}: remove it or give this system another name"


def _claimed(system: Manifest, rival: str) -> str:
    secret = system["spec"].get("broker", {}).get("credentialsSecretRef", {}).get("name", "")
    return f"TradingSystem {rival} trades the account of Secret {secret} already: two would book each other's fills"


def _order(manifest: Manifest) -> tuple[int, Reference]:
    """What pods need comes before pods, and the risk manager before who asks it."""
    if manifest["kind"] in _FIRST:
        return 0, reference(manifest)
    return (1 if component_of(manifest) == RISK_MANAGER else 2), reference(manifest)
