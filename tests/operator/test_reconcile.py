"""The decision itself: no server, no clock."""

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.operator.wanted import (
    NOW,
    Children,
    carried_out,
    decide,
    desired,
    made,
    pod,
    ready,
    risk_manager,
    served,
    system,
    told,
)
from tradingmesh_operator.actions import Apply, Delete, Desired, MakeToken, Plan, SetFinalizer, Touch
from tradingmesh_operator.objects import PAUSED, Reference, reference
from tradingmesh_operator.observed import Observed
from tradingmesh_operator.reconcile import reconcile

CONFIG = Reference("v1", "ConfigMap", "demo-system")
RISK = Reference("apps/v1", "StatefulSet", "demo-risk-manager")
SIGNALS = Reference("apps/v1", "Deployment", "demo-signal-generator")
FEED = Reference("apps/v1", "Deployment", "demo-market-data-feed")
PROCESSORS = Reference("apps/v1", "Deployment", "demo-fill-processor")


def test_at_first_everything_is_made_and_nothing_waits() -> None:
    """All the chart renders, the token and the finalizer."""
    plan = decide(system(finalizers=[]), Observed(has_token=False))
    applied = {reference(action.manifest) for action in plan.actions if isinstance(action, Apply)}
    assert applied == {reference(one) for one in desired(system()).manifests}
    assert [type(action) for action in plan.actions][:2] == [SetFinalizer, MakeToken]
    assert not plan.held


def test_what_pods_need_comes_before_them_and_the_risk_manager_before_the_others() -> None:
    """The order in which objects are made is the order of who needs whom."""
    names = [reference(action.manifest) for action in decide(system(), Observed()).actions if isinstance(action, Apply)]
    workloads = [name for name in names if name.kind in ("Deployment", "StatefulSet")]
    assert names[-len(workloads) :] == workloads
    assert workloads[0] == RISK


def test_converged_there_is_nothing_to_do() -> None:
    """Although the server filled in defaults, and a webhook added to a list."""
    plan = decide(system(), Observed(children=made(system())))
    assert plan.actions == ()
    assert plan.events == ()


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_any_loss_is_made_good_and_then_there_is_nothing_to_do(data: st.DataObject) -> None:
    """Whatever is deleted: exactly that is made again."""
    children = made(system())
    lost = data.draw(st.sets(st.sampled_from(sorted(children)), min_size=1))
    left = {name: child for name, child in children.items() if name not in lost}
    plan = decide(system(), Observed(children=left))
    assert {reference(action.manifest) for action in plan.actions if isinstance(action, Apply)} == lost
    assert decide(system(), Observed(children=carried_out(plan, left))).actions == ()


def test_an_edit_by_hand_is_put_right_at_once() -> None:
    """Even while the risk manager is not ready: it is no roll-out."""
    children = made(system())
    children[RISK]["status"] = {}
    children[SIGNALS]["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"
    plan = decide(system(), Observed(children=children))
    assert [reference(action.manifest) for action in plan.actions if isinstance(action, Apply)] == [SIGNALS]


def test_a_new_port_is_taken_by_the_risk_manager_first() -> None:
    """Who asks it waits; who does not use the channel is not touched; ready, the rest follows."""
    children = made(system())
    moved = system({"endpoints.riskCheck.port": 6556})
    first = decide(moved, Observed(children=children))
    workloads = _workloads(first)
    assert workloads == {RISK}
    assert set(first.held) == {"Deployment/demo-signal-generator", "StatefulSet/demo-execution-engine"}
    after = carried_out(first, children)
    after[RISK]["metadata"]["generation"] = 2
    after[RISK]["status"] = {"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1}
    assert not _workloads(decide(moved, Observed(children=after)))
    then = decide(moved, Observed(children=ready(after)))
    assert _workloads(then) == {SIGNALS, Reference("apps/v1", "StatefulSet", "demo-execution-engine")}


def _workloads(plan: object) -> set[Reference]:
    actions = getattr(plan, "actions", ())
    names = {reference(action.manifest) for action in actions if isinstance(action, Apply)}
    return {name for name in names if name.kind in ("Deployment", "StatefulSet")}


def test_scaling_waits_for_nobody() -> None:
    """The number of fill processors has nothing to do with the risk manager's readiness."""
    children = made(system())
    children[RISK]["status"] = {}
    plan = decide(system({"fillProcessors": {"replicas": 4}}), Observed(children=children))
    assert _workloads(plan) == {PROCESSORS}
    assert told(plan) == [("Scaled", "demo-fill-processor 2 -> 4")]


def test_an_autoscaler_keeps_its_replicas() -> None:
    """Where a HorizontalPodAutoscaler has the Deployment, its number stands, and everything else is still ours."""
    children = made(system())
    children[PROCESSORS]["spec"]["replicas"] = 7
    scaled = frozenset({"demo-fill-processor"})
    assert decide(system(), Observed(children=children, autoscaled=scaled)).actions == ()
    children[PROCESSORS]["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"
    [action] = decide(system(), Observed(children=children, autoscaled=scaled)).actions
    assert isinstance(action, Apply)
    assert action.manifest["spec"]["replicas"] == 7


def test_without_the_autoscaler_the_spec_counts() -> None:
    """Seven by hand are two again."""
    children = made(system())
    children[PROCESSORS]["spec"]["replicas"] = 7
    [action] = decide(system(), Observed(children=children)).actions
    assert isinstance(action, Apply)
    assert action.manifest["spec"]["replicas"] == 2


def test_a_limit_changes_only_the_manifest() -> None:
    """No workload is touched, and the Event has it from -> to."""
    children = made(system({"riskLimits.maxDailyLoss": "5000"}))
    plan = decide(system({"riskLimits.maxDailyLoss": "3000", "trading": "Reducing"}), Observed(children=children))
    assert {reference(action.manifest).kind for action in plan.actions if isinstance(action, Apply)} == {"ConfigMap"}
    assert told(plan) == [
        ("LimitChanged", "riskLimits.maxDailyLoss 5000 -> 3000"),
        ("TradingChanged", "trading Active -> Reducing"),
    ]


def test_what_was_not_said_is_told_as_what_holds() -> None:
    """The usual value, or that there is none: a limit that is unset refuses."""
    before = {"riskLimits.duplicateWindow": "2s", "circuitBreaker.reset": "Manual", "riskLimits.maxOpenOrders": 5}
    after = {"riskLimits.restrictedSymbols": ["KO", "BAC"], "riskLimits.perSymbol": {"IBM": {"maxOrderQuantity": 7}}}
    plan = decide(system(after), Observed(children=made(system(before))))
    assert [message for _, message in told(plan)] == [
        "riskLimits.duplicateWindow 2s -> 1s",
        "riskLimits.maxOpenOrders 5 -> unset",
        "riskLimits.perSymbol.IBM.maxOrderQuantity unset -> 7",
        "riskLimits.restrictedSymbols none -> KO, BAC",
        "circuitBreaker.reset Manual -> Automatic",
    ]


def test_pods_that_have_not_got_the_newest_manifest_are_touched_once() -> None:
    """One that acknowledges it is left alone, as is one that was touched for it."""
    of = system(generation=5)
    children = made(of)
    late, current, silent = risk_manager(4), risk_manager(5), pod("fill-processor")
    [touch] = decide(of, Observed(children=children, pods=(late, current, silent))).actions
    assert isinstance(touch, Touch)
    assert touch.pod == late.name
    again = late._replace(seen_config=touch.manifest_hash)
    assert decide(of, Observed(children=children, pods=(again,))).actions == ()


def test_what_is_no_longer_rendered_is_taken_away_if_it_is_ours() -> None:
    """By owner, not by name or label alone."""
    children = made(system())
    ours = served({**children[FEED], "metadata": {**children[FEED]["metadata"], "name": "demo-old"}})
    theirs = copy.deepcopy(ours)
    theirs["metadata"] |= {"name": "demo-theirs", "ownerReferences": []}
    both = {**children, reference(ours): ours, reference(theirs): theirs}
    assert decide(system(), Observed(children=both)).actions == (Delete(reference(ours)),)


def test_what_belongs_to_somebody_else_is_not_touched() -> None:
    """Neither a Helm release's nor another owner's: that is a problem to tell, and the rest goes on."""
    children = made(system())
    children[FEED]["metadata"]["annotations"]["meta.helm.sh/release-name"] = "mine"
    children[SIGNALS]["metadata"]["ownerReferences"][0]["uid"] = "u-2"
    children[FEED]["spec"]["replicas"] = children[SIGNALS]["spec"]["replicas"] = 0
    plan = decide(system(), Observed(children=children))
    assert plan.actions == ()
    assert [reason for reason, _ in plan.problems] == ["NameTaken", "NameTaken"]
    assert "Helm release mine" in plan.problems[0][1]


def test_paused_there_is_nothing_to_do() -> None:
    """Whatever is wrong."""
    plan = decide(system(annotations={PAUSED: "true"}), Observed())
    assert (plan.actions, plan.state) == ((), "Paused")


def test_a_chart_that_does_not_render_changes_nothing() -> None:
    """What runs goes on running."""
    problem = ("RenderFailed", "port: got string, want integer")
    children = made(system())
    children.pop(FEED)
    plan = reconcile(system(), Desired(problem=problem), Observed(children=children), NOW, drain_timeout_s=1)
    assert (plan.actions, plan.problems) == ((), (problem,))


def _mounted(plan: Plan, children: Children) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(carried_out(plan, children)[CONFIG]["data"]["system.yaml"])
    return found


@pytest.mark.parametrize("trading", ["Reducing", "Halted"])
def test_a_halt_needs_no_chart_that_renders(trading: str) -> None:
    """What lets fewer orders out is in force although the rest of the spec cannot be had; no more is said of it."""
    of, children = system({"trading": trading, "riskLimits.maxDailyLoss": "9"}, generation=7), made(system())
    wrong, observed = Desired(problem=("RenderFailed", "no")), Observed(children=children, pods=(risk_manager(),))
    for plan in (
        reconcile(of, wrong, observed, NOW, drain_timeout_s=1),
        decide(of, observed._replace(rival="other/demo")),
    ):
        after = _mounted(plan, children)
        assert after["spec"] == {**_mounted(Plan(), children)["spec"], "trading": trading}
        assert after["metadata"]["generation"] == 1
        assert isinstance(plan.actions[1], Touch)
        touched = risk_manager()._replace(seen_config=plan.actions[1].manifest_hash)
        halted = Observed(children=carried_out(plan, children), pods=(touched,))
        assert reconcile(of, wrong, halted, NOW, drain_timeout_s=1).actions == ()


@pytest.mark.parametrize("trading", ["Active", "Reducing"])
def test_what_lets_more_orders_out_waits_for_the_whole_spec(trading: str) -> None:
    """Its limits may be among what could not be had."""
    observed = Observed(children=made(system({"trading": "Halted"})), pods=(risk_manager(),))
    wrong = Desired(problem=("RenderFailed", "no"))
    assert reconcile(system({"trading": trading}), wrong, observed, NOW, drain_timeout_s=1).actions == ()


def test_an_account_is_traded_by_the_older_system_only() -> None:
    """Nothing is made for the second."""
    plan = decide(system(), Observed(rival="other/demo"))
    assert plan.actions == ()
    assert plan.problems[0][0] == "AccountClaimed"
    assert "other/demo" in plan.problems[0][1]


def test_what_the_server_spells_in_another_way_is_not_written_again() -> None:
    """A value that comes back changed each time would otherwise be applied for ever."""
    children = made(system())
    children[FEED]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 31
    [action] = decide(system(), Observed(children=children)).actions
    assert isinstance(action, Apply)
    assert decide(system(), Observed(children=children, accepted={FEED: action.because})).actions == ()
    children[FEED]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 32
    assert decide(system(), Observed(children=children, accepted={FEED: action.because})).actions != ()
