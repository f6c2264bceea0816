"""The kill switch in the mounted manifest itself: no chart is rendered, so nothing in a spec can be in its way."""

import yaml

from tradingmesh.contract import TradingState
from tradingmesh_operator.actions import Action, Apply, Touch
from tradingmesh_operator.changes import MANIFEST_KEY, manifest_in, spec_in
from tradingmesh_operator.objects import Manifest, Reference, digest
from tradingmesh_operator.observed import Observed
from tradingmesh_operator.stamp import stamped

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE.value, TradingState.REDUCING.value, TradingState.HALTED.value
_STRICTER = (ACTIVE, REDUCING, HALTED)


def switched(system: Manifest, observed: Observed, trading: str, generation: int | None = None) -> list[Action]:
    """What puts a trading state in force, in the live manifest and all else as it is there, and tells pods of it.

    With a generation, pods acknowledge that one; without, they stay at the one whose limits they have.
    """
    live = _live(system, observed)
    document = manifest_in(live)
    if not document:
        return []
    wanted = {**document, "spec": {**document["spec"], "trading": trading}}
    if generation is not None:
        wanted["metadata"] = {**document["metadata"], "generation": generation}
    data = live["data"] if wanted == document else {MANIFEST_KEY: yaml.safe_dump(wanted)}
    seen = digest([data])
    touched = [pod for pod in observed.pods if pod.phase == "Running" and not pod.leaving and pod.seen_config != seen]
    changed: list[Action] = [] if data == live["data"] else [Apply(_config_map(system, live, data))]
    return [*changed, *(Touch(pod.name, seen) for pod in touched)]


def tightened(system: Manifest, observed: Observed) -> list[Action]:
    """The spec's trading state, where it lets fewer orders out than the live one and the rest cannot be had.

    Whoever halts must not have to mend a chart first. What would let out more waits for the spec as a whole.
    """
    asked, now = system["spec"].get("trading", ACTIVE), spec_in(_live(system, observed)).get("trading", ACTIVE)
    if asked == ACTIVE or _STRICTER.index(asked) < _STRICTER.index(now):
        return []
    return switched(system, observed, asked)


def _live(system: Manifest, observed: Observed) -> Manifest:
    return observed.children.get(Reference("v1", "ConfigMap", f"{system['metadata']['name']}-system"), {})


def _config_map(system: Manifest, live: Manifest, data: dict[str, str]) -> Manifest:
    kept = {field: live["metadata"].get(field, {}) for field in ("name", "labels", "annotations")}
    return stamped({"apiVersion": "v1", "kind": "ConfigMap", "metadata": kept, "data": data}, system)
