"""Who sets the number of fill processors: a person, the operator by the backlog, an autoscaler, or KEDA."""

from datetime import datetime
from typing import NamedTuple

from tradingmesh.contract import AutoscalingSpec, Component
from tradingmesh_operator.actions import Notice, Problem, Scale
from tradingmesh_operator.autoscaling import desired_replicas
from tradingmesh_operator.objects import SCALED_OBJECTS, Manifest
from tradingmesh_operator.observed import Observed

_NO_KEDA = (
    f"spec.fillProcessors.autoscaling.scaler is Keda, and the cluster has no {SCALED_OBJECTS.kind} of "
    f"{SCALED_OBJECTS.api_version}: install KEDA (https://keda.sh), or set scaler: Operator; until then the operator "
    "scales between the same bounds"
)
KEDA_MISSING = ("KedaMissing", _NO_KEDA)


class Decided(NamedTuple):
    """What to do about the number now."""

    actions: tuple[Scale, ...] = ()
    concerns: tuple[Problem, ...] = ()


def asks_for_keda(system: Manifest) -> bool:
    """Whether the spec hands the number to KEDA."""
    told = system["spec"].get("fillProcessors", {}).get("autoscaling") or {}
    return bool(told.get("scaler") == "Keda")


def scaling(system: Manifest, observed: Observed, now: datetime) -> Decided:
    """The number in the spec follows the backlog where nobody else sets it; the next look renders it.

    A HorizontalPodAutoscaler of the TradingSystem writes to the same field: two would pull it back and forth.
    """
    told = system["spec"].get("fillProcessors", {})
    if told.get("autoscaling") is None:
        return Decided()
    if observed.scaled_by:
        return Decided(concerns=(_twice(observed.scaled_by),))
    if asks_for_keda(system) and observed.has_keda:
        return Decided()
    found = _by_backlog(told, observed, now)
    return found._replace(concerns=(KEDA_MISSING,)) if asks_for_keda(system) else found


def _by_backlog(told: Manifest, observed: Observed, now: datetime) -> Decided:
    spec, current = AutoscalingSpec.of_manifest(told["autoscaling"]), told.get("replicas", 2)
    leaving = sum(pod.leaving for pod in observed.pods if pod.component == Component.FILL_PROCESSOR)
    wanted = desired_replicas(now, observed.backlogs, current, spec, leaving=leaving)
    if wanted.replicas == current:
        return Decided()
    words = f"fillProcessors.replicas {current} -> {wanted.replicas}: {wanted.reason}"
    return Decided((Scale(wanted.replicas, (Notice("Autoscaled", words),)),))


def _twice(autoscaler: str) -> Problem:
    message = f"HorizontalPodAutoscaler {autoscaler} scales this TradingSystem, so its own autoscaling rests"
    return "ScaledTwice", f"{message}: remove one of the two"
