"""What a person wants to hear of when a spec changes: limits from -> to, the kill switch, how many processors."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from tradingmesh.contract import CircuitBreakerSpec, RiskLimits, TradingState
from tradingmesh_operator.actions import Notice
from tradingmesh_operator.differences import Difference
from tradingmesh_operator.objects import Manifest
from tradingmesh_operator.rollout import WORKLOADS

_HOT = ("riskLimits", "circuitBreaker", "trading")
_SCALED = "spec.replicas"
MANIFEST_KEY = "system.yaml"

_USUAL: dict[str, Any] = {
    "riskLimits": RiskLimits().model_dump(mode="json", by_alias=True),
    "circuitBreaker": CircuitBreakerSpec().model_dump(mode="json", by_alias=True),
    "trading": TradingState.ACTIVE.value,
}
"""What holds where a mounted manifest says nothing."""


def notices(child: Manifest, live: Manifest | None, wrong: Iterable[Difference]) -> Iterator[Notice]:
    """What applying a child changes of one that is there."""
    if live is None:
        return
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
        for path, old, new in _changed(before.get(part), after.get(part), _USUAL[part], part):
            yield Notice("TradingChanged" if part == "trading" else "LimitChanged", f"{path} {old} -> {new}")


def _changed(before: Any, after: Any, usual: Any, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(before, dict) or isinstance(after, dict):
        one, other = before or {}, after or {}
        for name in sorted({*one, *other}):
            held = usual.get(name) if isinstance(usual, dict) else None
            yield from _changed(one.get(name), other.get(name), held, f"{path}.{name}")
    elif before != after:
        yield path, _told(before, usual), _told(after, usual)


def _workload(child: Manifest, live: Manifest, wrong: Iterable[Difference]) -> Iterator[Notice]:
    paths = [path for path, _ in wrong]
    if child["kind"] in WORKLOADS and _SCALED in paths:
        before, after = live["spec"].get("replicas", 1), child["spec"]["replicas"]
        yield Notice("Scaled", f"{child['metadata']['name']} {before} -> {after}")


def _told(value: Any, usual: Any) -> str:
    """What holds, whether it was said or not. A limit that is unset refuses every order."""
    holds = usual if value is None else value
    if isinstance(holds, list):
        return ", ".join(map(str, holds)) or "none"
    return "unset" if holds in (None, {}) else str(holds)
