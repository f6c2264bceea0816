"""How components fare on the live page: by their beats, the silent ones last to stay."""

import msgspec

from tests.unit.page_told import about, beat, started, stopped
from tradingmesh.core.events import StageLatency
from tradingmesh.core.page.components import (
    FORGET_AFTER_MS,
    ComponentEvent,
    Components,
    with_event,
    without_gone,
)
from tradingmesh.core.page.rows import COMPONENTS_MAX, STAGES_MAX, milliseconds

FAST, SLOW = StageLatency("risk-check", 30.0, 90.0, 5), StageLatency("order_post", 900.0, 4_000.0, 2)


def after(*events: ComponentEvent) -> Components:
    components: Components = ()
    for event in events:
        components = with_event(components, event, milliseconds(event.metadata.timestamp_ns))
    return components


def test_a_beat_says_how_it_is() -> None:
    """Ready or why not, what it missed since its start, when it was heard."""
    [row] = after(started("risk-manager", 1), beat("risk-manager", 2, gaps=3, why=("journal: disk full", "a gap")))
    assert (row.instance, row.version) == ("risk-manager", "0.1.0")
    assert (row.not_ready, row.gaps, row.heard_ms) == ("journal: disk full; a gap", 3, 2)


def test_who_stops_says_so_and_may_come_back() -> None:
    """A start, or a beat, is the end of having stopped."""
    assert after(beat("risk-manager"), stopped("risk-manager"))[0].stopped
    assert not after(stopped("risk-manager"), started("risk-manager"))[0].stopped
    assert not after(stopped("risk-manager"), beat("risk-manager"))[0].stopped


def test_a_stage_keeps_its_last_figures() -> None:
    """A second without anything to measure shows what was measured before it, and when."""
    [row] = after(beat("risk-manager", 1, FAST), beat("risk-manager", 2, SLOW), beat("risk-manager", 3))
    assert {stage: measured.at_ms for stage, measured in row.stages.items()} == {"risk-check": 1, "order_post": 2}
    assert row.stages["risk-check"].p99_us == 90.0


def test_stages_are_bounded() -> None:
    """Whatever a component makes up; those that are known go on."""
    many = [StageLatency(str(number), 1.0, 2.0, number) for number in range(STAGES_MAX + 9)]
    [row] = after(beat("risk-manager", 1, *many), beat("risk-manager", 2, StageLatency("0", 7.0, 8.0, 1)))
    assert len(row.stages) == STAGES_MAX
    assert row.stages["0"].p50_us == 7.0


def test_the_longest_silent_makes_room() -> None:
    """So many instances: pods that were replaced have other names."""
    many = [beat(f"fill-processor-{number}", 100 + number) for number in range(COMPONENTS_MAX)]
    rows = after(*many, beat("fill-processor-0", 900), beat("fill-processor-999", 901))
    names = [row.instance for row in rows]
    assert len(names) == COMPONENTS_MAX
    assert "fill-processor-1" not in names
    assert {"fill-processor-0", "fill-processor-999"} <= set(names)


def test_who_is_silent_for_long_is_gone() -> None:
    """After ten minutes; until then it is shown as silent."""
    rows = after(beat("risk-manager", 1), beat("execution-engine", 5_000))
    assert without_gone(rows, FORGET_AFTER_MS) == rows
    assert [row.instance for row in without_gone(rows, FORGET_AFTER_MS + 1)] == ["execution-engine"]


def test_two_components_of_one_instance_name_are_two() -> None:
    """Whatever they are called, they are told apart by the component."""
    other = msgspec.structs.replace(beat("risk-manager"), metadata=about(1, "other"))
    assert len(after(beat("risk-manager"), other)) == 2
