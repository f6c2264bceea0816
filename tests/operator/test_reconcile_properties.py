"""Whatever the spec is, and whatever it was before: the decision comes to rest, and leaves what was asked for."""

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.operator.specs import changes
from tests.operator.wanted import Children, carried_out, decide, desired, made, ready, system
from tradingmesh_operator.actions import Apply, Delete, Plan, SetFinalizer
from tradingmesh_operator.objects import FINALIZER, Manifest, Reference, reference
from tradingmesh_operator.observed import Observed

RISK = Reference("apps/v1", "StatefulSet", "demo-risk-manager")
# Each example renders; to look for the smallest that fails would take longer than to read the one that did.
FEW = settings(
    max_examples=6, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=[HealthCheck.too_slow]
)
_STEPS_MAX = 4


def _number_only(drawn: dict[str, Any]) -> dict[str, Any]:
    """Without autoscaling: a number that follows a backlog has tests of its own."""
    return {path: value for path, value in drawn.items() if path != "fillProcessors.autoscaling"}


SPECS = changes().map(_number_only)


def _written(plan: Plan) -> list[Reference]:
    return [
        reference(action.manifest) if isinstance(action, Apply) else action.reference
        for action in plan.actions
        if isinstance(action, Apply | Delete)
    ]


def _rest(of: Manifest, children: Children) -> tuple[list[Plan], Children]:
    """Plan after plan, each carried out and every pod ready after it, until there is nothing to do."""
    plans: list[Plan] = []
    while (plan := decide(of, Observed(children=children))).actions or plan.held:
        plans.append(plan)
        of = _held_as(of, plan)
        assert len(plans) <= _STEPS_MAX, [_written(one) for one in plans]
        children = ready(carried_out(plan, children))
    return plans, children


def _held_as(of: Manifest, plan: Plan) -> Manifest:
    """The system with its finalizer as the plan has it."""
    asked = [action.held for action in plan.actions if isinstance(action, SetFinalizer)]
    finalizers = [FINALIZER] if asked[-1:] == [True] else []
    return {**of, "metadata": {**of["metadata"], "finalizers": finalizers}} if asked else of


@given(SPECS)
@FEW
def test_any_spec_comes_to_rest_after_one_plan(drawn: dict[str, Any]) -> None:
    """From nothing: everything at once, each object once, and then no action and no Event."""
    of = system(drawn)
    plans, children = _rest(of, {})
    assert len(plans) == 1
    assert sorted(_written(plans[0])) == sorted(children)
    again = decide(_held_as(of, plans[0]), Observed(children=children))
    assert (again.actions, again.events, again.held, again.problems) == ((), (), (), ())


@given(SPECS, SPECS)
@FEW
def test_from_any_spec_any_other_is_reached(before: dict[str, Any], after: dict[str, Any]) -> None:
    """In few steps, nobody restarted twice; in the end there is what the new spec renders, and nothing else."""
    of = system(after, generation=2)
    plans, children = _rest(of, made(system(before)))
    assert set(children) == {reference(one) for one in desired(of).manifests}
    workloads = [name for plan in plans for name in _written(plan) if name.kind in ("Deployment", "StatefulSet")]
    assert len(workloads) == len(set(workloads))


@given(SPECS, SPECS)
@FEW
def test_who_waits_is_not_changed_meanwhile(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Whatever waits for the risk manager is in no plan before that is ready; and nothing waits for no reason."""
    of = system(after, generation=2)
    plans, _ = _rest(of, made(system(before)))
    for plan in plans:
        waiting = set(plan.held)
        assert not waiting & {str(name) for name in _written(plan)}
        assert not waiting or RISK in _written(plan)


@given(SPECS, st.data())
@FEW
def test_any_loss_is_made_good(drawn: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is deleted of whatever system: exactly that is made again, in one plan."""
    of = system(drawn)
    children = made(of)
    lost = data.draw(st.sets(st.sampled_from(sorted(children)), min_size=1))
    plans, after = _rest(of, {name: child for name, child in children.items() if name not in lost})
    assert [set(_written(plan)) for plan in plans] == [lost]
    assert set(after) == set(children)
