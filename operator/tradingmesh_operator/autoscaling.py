"""How many fill processors there are to be for a backlog of fills. Pure: time and samples come in as data."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from tradingmesh.contract import AutoscalingSpec

STALE_AFTER = timedelta(seconds=30)
"""A backlog told so long ago says nothing of now."""


class Sample(NamedTuple):
    """The backlog at one moment: fills that the execution engine has not had acknowledged."""

    at: datetime
    backlog: int


class Scaling(NamedTuple):
    """How many there are to be, and why, in words for an Event."""

    replicas: int
    reason: str


def desired_replicas(
    now: datetime, samples: Iterable[Sample], current: int, spec: AutoscalingSpec, *, leaving: int = 0
) -> Scaling:
    """Out at once for the newest sample, in only for the largest of the stabilisation window.

    Each sample asks for as many as bring the backlog to `target_backlog` each, never fewer than `min_replicas` nor more
    than `max_replicas`. Fewer than now are run only where the samples reach back for the whole window and none in it
    asked for more: a backlog that comes and goes within it changes nothing, and neither does an operator that has only
    just begun to look. Nor are fewer run while some are `leaving`: one that goes hands over what it holds before the
    next. Without a fresh sample the number stays, moved between the bounds; samples of the future are left out.

    Called at each look, with `keep` of what was seen before and what the engine says now. The caller writes the number
    to `spec.fillProcessors.replicas` through the scale subresource, as `kubectl scale` and an autoscaler do.
    """
    held = min(max(current, spec.min_replicas), spec.max_replicas)
    seen = sorted(sample for sample in samples if sample.at <= now)
    stay = Scaling(held, "" if held == current else f"between {spec.min_replicas} and {spec.max_replicas}")
    if not seen or seen[-1].at < now - STALE_AFTER:
        return stay
    newest = _asked(seen[-1], spec)
    if newest > held:
        return Scaling(newest, f"{seen[-1].backlog} fills wait, {spec.target_backlog} for each are meant to")
    since = now - _window(spec)
    if leaving or seen[0].at > since:
        return stay
    most = max(_asked(sample, spec) for sample in _within(seen, since))
    if most < held:
        return Scaling(most, f"for {spec.stabilization_ms // 1_000} s no more than {most} were needed")
    return stay


def keep(samples: Iterable[Sample], now: datetime, spec: AutoscalingSpec) -> tuple[Sample, ...]:
    """What later decisions need: the window, and the newest sample before it, which says how the window began."""
    seen = sorted(samples)
    return tuple(_within(seen, now - _window(spec)))


def _within(seen: list[Sample], since: datetime) -> list[Sample]:
    before = [sample for sample in seen if sample.at <= since]
    return [*before[-1:], *(sample for sample in seen if sample.at > since)]


def _asked(sample: Sample, spec: AutoscalingSpec) -> int:
    return min(max(-(-sample.backlog // spec.target_backlog), spec.min_replicas), spec.max_replicas)


def _window(spec: AutoscalingSpec) -> timedelta:
    return timedelta(milliseconds=spec.stabilization_ms)
