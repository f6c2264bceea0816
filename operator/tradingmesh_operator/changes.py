"""What a person wants to hear of when a spec changes: limits from -> to, the kill switch, how many processors."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from tradingmesh_operator.actions import Apply, Notice
from tradingmesh_operator.differences import Difference
from tradingmesh_operator.objects import Manifest, reference
from tradingmesh_operator.rollout import WORKLOADS

_HOT = ("riskLimits", "circuitBreaker", "trading")
_SCALED = "spec.replicas"
MANIFEST_KEY = "system.yaml"

Found = tuple[Manifest, Manifest | None, tuple[Difference, ...]]


def notices(found: Iterable[Found], applied: Iterable[Apply]) -> Iterator[Notice]:
    """Of what is about to be applied."""
    going = {reference(apply.manifest) for apply in applied}
    for child, live, wrong in found:
        if live is None or reference(child) not in going:
            continue
        if child["kind"] == "ConfigMap":
            yield from _limits(child, live)
        yield from _workload(child, live, wrong)


def manifest_in(config_map: Manifest) -> Manifest:
    """The mounted manifest; empty where there is none that can be read."""
    try:
        found = yaml.load(config_map.get("data", {}).get(MANIFEST_KEY, ""), Loader=yaml.CSafeLoader)
        return {**found, "metadata": dict(found["metadata"]), "spec": dict(found["spec"])}
    except (yaml.YAMLError, TypeError, KeyError, ValueError):
        return {}


def spec_in(config_map: Manifest) -> dict[str, Any]:
    """The spec in a mounted manifest; empty where there is none that can be read."""
    found: dict[str, Any] = manifest_in(config_map).get("spec", {})
    return found


def _limits(child: Manifest, live: Manifest) -> Iterator[Notice]:
    before, after = spec_in(live), spec_in(child)
    if not before:
        return
    for part in _HOT:
        for path, old, new in _changed(before.get(part), after.get(part), part):
            yield Notice("TradingChanged" if part == "trading" else "LimitChanged", f"{path} {old} -> {new}")


def _changed(before: Any, after: Any, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(before, dict) or isinstance(after, dict):
        one, other = before or {}, after or {}
        for name in sorted({*one, *other}):
            yield from _changed(one.get(name), other.get(name), f"{path}.{name}")
    elif before != after:
        yield path, _told(before), _told(after)


def _workload(child: Manifest, live: Manifest, wrong: tuple[Difference, ...]) -> Iterator[Notice]:
    paths = [path for path, _ in wrong]
    if child["kind"] in WORKLOADS and _SCALED in paths:
        before, after = live["spec"].get("replicas", 1), child["spec"]["replicas"]
        yield Notice("Scaled", f"{child['metadata']['name']} {before} -> {after}")


def _told(value: Any) -> str:
    return "default" if value is None else str(value)
