"""How many fill processors a backlog asks for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operator.wanted import NOW, asked_for, decide, made, pod, system, told
from tradingmesh.contract import AutoscalingSpec
from tradingmesh_operator.actions import Plan
from tradingmesh_operator.autoscaling import STALE_AFTER, Sample, desired_replicas, keep
from tradingmesh_operator.observed import Observed, Pod

T0 = datetime(2026, 1, 5, 15, tzinfo=UTC)
SPEC = AutoscalingSpec.of_manifest({"maxReplicas": 8, "targetBacklog": 200, "stabilization": "60s"})


def _at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def _samples(*told: tuple[float, int]) -> list[Sample]:
    return [Sample(_at(second), backlog) for second, backlog in told]


def _lookback(backlog: int, now_s: float = 120, every_s: float = 3) -> list[Sample]:
    return _samples(*((second * every_s, backlog) for second in range(int(now_s / every_s) + 1)))


@pytest.mark.parametrize(
    ("backlog", "replicas"),
    [(0, 1), (1, 1), (200, 1), (201, 2), (400, 2), (401, 3), (1_600, 8), (1_601, 8), (10**9, 8)],
)
def test_each_has_at_most_its_target(backlog: int, replicas: int) -> None:
    """As many as bring the backlog to the target each, between the bounds; from one as from eight."""
    for current in (1, 8):
        assert desired_replicas(_at(120), _lookback(backlog), current, SPEC).replicas == replicas


def test_out_is_at_once() -> None:
    """One sample is enough: fills that wait are money that is not booked."""
    found = desired_replicas(_at(0), _samples((0, 900)), 2, SPEC)
    assert found == (5, "900 fills wait, 200 for each are meant to")


def test_in_is_once_fewer_would_have_done_for_the_whole_window() -> None:
    """The largest of the window counts, and a window that is not whole yet says nothing."""
    told = [*_samples((-3, 0), (0, 900)), *_lookback(0, 63)[1:]]
    for second, replicas in ((30, 5), (57, 5), (60, 5), (63, 1)):
        seen = [sample for sample in told if sample.at <= _at(second)]
        assert desired_replicas(_at(second), seen, 5, SPEC).replicas == replicas, second
    assert desired_replicas(_at(30), _samples((0, 0), (30, 0)), 5, SPEC) == (5, "")


def test_in_goes_as_far_as_the_window_allows() -> None:
    """Not to what the newest sample asks for, but to the most that was asked for."""
    told = _samples((0, 900), (10, 500), (65, 10), (72, 10))
    assert desired_replicas(_at(72), told, 5, SPEC) == (3, "for 60 s no more than 3 were needed")


def test_none_goes_while_another_leaves() -> None:
    """More may come meanwhile."""
    assert desired_replicas(_at(120), _lookback(0), 4, SPEC, leaving=1) == (4, "")
    assert desired_replicas(_at(120), _lookback(1_000), 4, SPEC, leaving=1).replicas == 5


@pytest.mark.parametrize("told", [(), _samples((0, 900)), _samples((500, 900))])
def test_what_nobody_tells_changes_nothing(told: list[Sample]) -> None:
    """An engine that does not answer, one that has not for long, and a clock that was set back."""
    now = _at(1) + STALE_AFTER
    assert desired_replicas(now, told, 3, SPEC) == (3, "")


@pytest.mark.parametrize(("current", "replicas"), [(0, 1), (12, 8)])
def test_the_bounds_hold_without_a_backlog(current: int, replicas: int) -> None:
    """Somebody scaled by hand, or the bounds were changed."""
    assert desired_replicas(_at(0), [], current, SPEC) == (replicas, "between 1 and 8")


_SPECS = st.tuples(st.integers(1, 64), st.integers(1, 64), st.integers(1, 1_000), st.integers(0, 120)).map(
    lambda drawn: AutoscalingSpec.of_manifest(
        {
            "minReplicas": min(drawn[:2]),
            "maxReplicas": max(drawn[:2]),
            "targetBacklog": drawn[2],
            "stabilization": f"{drawn[3]}s",
        }
    )
)
_BACKLOGS = st.lists(st.integers(0, 100_000), min_size=1, max_size=60)


def _lived(spec: AutoscalingSpec, backlogs: list[int], current: int) -> list[int]:
    """The numbers decided on at looks 3 s apart, each beginning with what the one before kept and decided."""
    kept: tuple[Sample, ...] = ()
    decided = []
    for look, backlog in enumerate(backlogs):
        now = _at(3 * look)
        kept = keep([*kept, Sample(now, backlog)], now, spec)
        current = desired_replicas(now, kept, current, spec).replicas
        decided.append(current)
    return decided


@given(_SPECS, _BACKLOGS, st.integers(0, 100))
def test_never_outside_the_bounds(spec: AutoscalingSpec, backlogs: list[int], current: int) -> None:
    """Whatever the backlog does, and however many there were."""
    assert all(spec.min_replicas <= replicas <= spec.max_replicas for replicas in _lived(spec, backlogs, current))


@given(_SPECS, _BACKLOGS, st.integers(1, 64))
def test_none_goes_that_the_window_had_need_of(spec: AutoscalingSpec, backlogs: list[int], current: int) -> None:
    """At no look is the number below what any look of the window before it asked for: it does not flap."""
    decided = _lived(spec, backlogs, current)
    looks = spec.stabilization_ms // 3_000 + 1
    for look, replicas in enumerate(decided):
        for backlog in backlogs[max(0, look + 1 - looks) : look + 1]:
            assert replicas >= min(spec.max_replicas, -(-backlog // spec.target_backlog))


@given(_SPECS, _BACKLOGS, st.integers(1, 64))
def test_what_is_kept_is_enough(spec: AutoscalingSpec, backlogs: list[int], current: int) -> None:
    """Deciding from what was kept is deciding from everything; and what is kept has a bound."""
    kept: tuple[Sample, ...] = ()
    told: list[Sample] = []
    for look, backlog in enumerate(backlogs):
        now = _at(3 * look)
        told.append(Sample(now, backlog))
        kept = keep([*kept, told[-1]], now, spec)
        assert desired_replicas(now, kept, current, spec) == desired_replicas(now, told, current, spec)
    assert len(kept) <= spec.stabilization_ms // 3_000 + 2


@given(_SPECS, st.integers(0, 100_000), st.integers(1, 64))
def test_a_steady_backlog_comes_to_rest(spec: AutoscalingSpec, backlog: int, current: int) -> None:
    """After one window it is the number that it asks for, and stays."""
    decided = _lived(spec, [backlog] * (spec.stabilization_ms // 3_000 + 4), current)
    wanted = min(max(-(-backlog // spec.target_backlog), spec.min_replicas), spec.max_replicas)
    assert decided[-2:] == [wanted, wanted]


def _system(replicas: int = 2, **told: Any) -> dict[str, Any]:
    return system({"fillProcessors": {"replicas": replicas, "autoscaling": told}})


def _plan(of: dict[str, Any], *backlogs: int, pods: tuple[Pod, ...] = (), at: datetime = NOW) -> Plan:
    """The decision where everything else is as it should be, and the backlogs were told 3 s apart until now."""
    samples = tuple(Sample(at - timedelta(seconds=3 * age), backlog) for age, backlog in enumerate(reversed(backlogs)))
    return decide(of, Observed(children=made(of), pods=pods, backlogs=samples), at)


def test_the_spec_follows_the_backlog() -> None:
    """As if somebody had scaled: the next look renders it. An Event says why."""
    plan = _plan(_system(), 900)
    assert asked_for(plan) == [5]
    words = "fillProcessors.replicas 2 -> 5: 900 fills wait, 200 for each are meant to"
    assert told(plan) == [("Autoscaled", words)]
    assert _plan(_system(replicas=5), 900).actions == ()


def test_a_processor_that_is_still_leaving_keeps_the_next() -> None:
    """What it holds is handed over first."""
    leaving = pod("fill-processor", leaving=True)
    quiet = [0] * 30
    assert _plan(_system(replicas=4), *quiet, pods=(leaving,)).actions == ()
    assert asked_for(_plan(_system(replicas=4), *quiet)) == [1]


def test_who_does_not_ask_for_it_is_not_scaled() -> None:
    """Who says nothing of autoscaling."""
    assert _plan(system({"fillProcessors": {"replicas": 2}}), 900_000).actions == ()
