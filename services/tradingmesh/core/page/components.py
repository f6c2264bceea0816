"""How each component fares, by its beats: ready or why not, what it missed, how long its stages take."""

import msgspec

from tradingmesh.core.events import ComponentBeat, ComponentStarted, ComponentStopped, StageLatency
from tradingmesh.core.page.rows import COMPONENTS_MAX, STAGES_MAX, short

FORGET_AFTER_MS = 600_000
"""Pods that are gone for good have names of their own: one that is silent for so long is shown no more."""


class StageRow(msgspec.Struct, frozen=True):
    """A stage's last figures that had anything measured in them."""

    p50_us: float
    p99_us: float
    count: int
    at_ms: int


class ComponentRow(msgspec.Struct, frozen=True):
    """One instance. `stopped` is what it said itself; a silent one is known by `heard_ms`, of the clock here."""

    component: str
    instance: str
    version: str = ""
    stopped: bool = False
    not_ready: str = ""
    gaps: int = 0
    heard_ms: int = 0
    stages: dict[str, StageRow] = {}


Components = tuple[ComponentRow, ...]
ComponentEvent = ComponentStarted | ComponentStopped | ComponentBeat


def with_event(components: Components, event: ComponentEvent, heard_ms: int) -> Components:
    """The components after the event, in the order in which they were first heard; the oldest silent one makes room.

    When it was heard is of the clock here: by its own, one whose clock is ahead would be there long after its end.
    """
    name, instance = short(event.metadata.component), short(event.instance)
    at = next((n for n, row in enumerate(components) if (row.component, row.instance) == (name, instance)), None)
    if at is not None:
        return (*components[:at], _changed(components[at], event, heard_ms), *components[at + 1 :])
    if len(components) >= COMPONENTS_MAX:
        silent = min(components, key=lambda row: row.heard_ms)
        components = tuple(row for row in components if row is not silent)
    return (*components, _changed(ComponentRow(name, instance), event, heard_ms))


def without_gone(components: Components, now_ms: int) -> Components:
    """The components without those that have been silent for `FORGET_AFTER_MS`."""
    if all(row.heard_ms > now_ms - FORGET_AFTER_MS for row in components):
        return components
    return tuple(row for row in components if row.heard_ms > now_ms - FORGET_AFTER_MS)


def _changed(row: ComponentRow, event: ComponentEvent, heard_ms: int) -> ComponentRow:
    match event:
        case ComponentStarted():
            return msgspec.structs.replace(row, version=short(event.version), stopped=False, heard_ms=heard_ms)
        case ComponentStopped():
            return msgspec.structs.replace(row, stopped=True, heard_ms=heard_ms)
        case ComponentBeat():
            return msgspec.structs.replace(
                row,
                version=short(event.version),
                stopped=False,
                not_ready=short("; ".join(event.not_ready)),
                gaps=event.gaps,
                heard_ms=heard_ms,
                stages=_stages(row.stages, event.stages, heard_ms),
            )


def _stages(before: dict[str, StageRow], told: tuple[StageLatency, ...], at_ms: int) -> dict[str, StageRow]:
    if not told:
        return before
    stages = dict(before)
    for one in told:
        stage = short(one.stage)
        if stage in stages or len(stages) < STAGES_MAX:
            stages[stage] = StageRow(one.p50_us, one.p99_us, one.count, at_ms)
    return stages
