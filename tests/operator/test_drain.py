"""A system that is deleted, step by step."""

from datetime import timedelta
from typing import Any

import yaml

from tests.operator.wanted import NOW, Children, carried_out, decide, made, pod, risk_manager, system
from tradingmesh_operator.actions import Apply, Plan, SetFinalizer, Touch
from tradingmesh_operator.objects import Reference, reference
from tradingmesh_operator.observed import Observed, Pod

CONFIG = Reference("v1", "ConfigMap", "demo-system")
JOB = Reference("batch/v1", "Job", "demo-flatten")
LET_GO = SetFinalizer(held=False)


def _deleted(on_delete: str, **changes: Any) -> dict[str, Any]:
    return system({"onDelete": on_delete, **changes}, deletionTimestamp=NOW.isoformat())


def _after(of: dict[str, Any], observed: Observed, after_s: float = 0) -> Plan:
    return decide(of, observed, NOW + timedelta(seconds=after_s))


def _engine(**open_orders: int) -> Pod:
    return pod("execution-engine", configz={"status": {"orders_open": open_orders}})


def _trading(children: Children) -> str:
    return str(yaml.safe_load(children[CONFIG]["data"]["system.yaml"])["spec"].get("trading", "Active"))


def test_trading_is_halted_and_open_orders_are_waited_for() -> None:
    """The manifest halts, so the risk manager cancels; the system goes when nothing is open."""
    of, children = _deleted("CancelOrders"), made(system())
    manager, engine = risk_manager(), _engine(New=2)
    first = _after(of, Observed(children=children, pods=(manager, engine)))
    assert [type(action) for action in first.actions] == [Apply, Touch, Touch]
    children = carried_out(first, children)
    assert _trading(children) == "Halted"
    halted = risk_manager(manifest_trading="Halted")._replace(seen_config=_touched(first))
    told = engine._replace(seen_config=_touched(first))
    assert _after(of, Observed(children=children, pods=(halted, told))).actions == ()
    done = _after(of, Observed(children=children, pods=(halted, _engine(New=0))))
    assert (done.actions, done.events[0].reason) == ((LET_GO,), "Drained")


def _touched(plan: Plan) -> str:
    return next(action.manifest_hash for action in plan.actions if isinstance(action, Touch))


def test_it_does_not_wait_for_ever() -> None:
    """Orders that do not go are told of, and the system goes."""
    observed = Observed(children=made(system()), pods=(risk_manager(), _engine(New=2)))
    plan = _after(_deleted("CancelOrders"), observed, 61)
    assert plan.actions == (LET_GO,)
    assert plan.events[0].warning
    assert "2 orders open" in plan.events[0].message


def test_nothing_that_is_gone_is_waited_for() -> None:
    """Without a risk manager there is nobody to ask, and an Event says so; nor is anything made anew."""
    plan = _after(_deleted("Flatten"), Observed())
    assert (plan.actions, plan.events[0].reason) == ((LET_GO,), "NotDrained")
    leaving = risk_manager()._replace(leaving=True)
    assert _after(_deleted("CancelOrders"), Observed(pods=(leaving,))).actions == (LET_GO,)
    gone = Observed(pods=(risk_manager(manifest_trading="Halted"),))
    assert _after(_deleted("CancelOrders"), gone).actions == (LET_GO,)


def _halted_with(engine: Pod) -> Plan:
    pods = (risk_manager(manifest_trading="Halted"), engine)
    return _after(_deleted("CancelOrders"), Observed(children=made(system()), pods=pods))


def test_an_engine_that_does_not_say_may_have_open_orders() -> None:
    """Silent for a moment, only just begun, or not heard by the broker yet: none of that is no order."""
    silent = pod("execution-engine")
    unasked = pod("execution-engine", configz={"status": {"orders_open": {}, "broker": {"reconciled_age_s": -1.0}}})
    begun = pod("execution-engine", configz={"status": {}})
    for engine in (silent, unasked, begun):
        assert LET_GO not in _halted_with(engine).actions
    asked = pod("execution-engine", configz={"status": {"orders_open": {}, "broker": {"reconciled_age_s": 0.2}}})
    assert _halted_with(asked).actions == (LET_GO,)
    given_up = _after(_deleted("CancelOrders"), Observed(pods=(risk_manager(manifest_trading="Halted"), silent)), 61)
    assert (given_up.events[0].reason, "does not say" in given_up.events[0].message) == ("DrainTimedOut", True)


def test_what_was_filled_is_booked_before_it_goes() -> None:
    """A report that waits for a fill processor would stay in the engine's outbox."""
    engine = _engine(New=0)
    waits = engine._replace(configz={"status": {"orders_open": {}, "backlog": 3}})
    assert LET_GO not in _halted_with(waits).actions
    assert _halted_with(engine._replace(configz={"status": {"orders_open": {}, "backlog": 0}})).actions == (LET_GO,)


def test_a_risk_manager_on_its_way_to_another_node_is_waited_for() -> None:
    """While an engine runs it may have orders: the manifest halts already, and the wait has an end."""
    of, children = _deleted("CancelOrders"), made(system())
    away = Observed(children=children, pods=(risk_manager()._replace(phase="Pending"), _engine(New=2)))
    plan = _after(of, away)
    assert LET_GO not in plan.actions
    assert _trading(carried_out(plan, children)) == "Halted"
    assert _after(of, away, 61).events[0].reason == "NotDrained"
    for_good = away._replace(children={name: one for name, one in children.items() if name.kind != "StatefulSet"})
    assert _after(of, for_good).actions == (LET_GO,)


def test_to_be_flattened_nothing_is_halted_while_the_risk_manager_is_away() -> None:
    """It would refuse to flatten when it is back."""
    away = Observed(children=made(system()), pods=(_engine(New=2),))
    plan = _after(_deleted("Flatten"), away)
    assert _trading(carried_out(plan, dict(away.children))) == "Active"
    assert plan.state == "Draining"


def test_leave_leaves() -> None:
    """Neither orders nor positions are looked at."""
    observed = Observed(children=made(system()), pods=(risk_manager(), _engine(New=2)))
    assert _after(_deleted("Leave"), observed).actions == (LET_GO,)
    stays = Observed(children=made(system({"onDelete": "Leave"})))
    assert decide(system({"onDelete": "Leave"}), stays).actions == (LET_GO,)
    assert decide(system({"onDelete": "Leave"}, finalizers=["other"]), stays).actions == ()


def test_flatten_closes_first_and_halts_then() -> None:
    """A Job asks the risk manager; while a position is held it is waited for, and only then trading is halted."""
    of, children = _deleted("Flatten"), made(system())
    held = risk_manager(positions=[{"symbol": "IBM", "quantity": "5"}])
    first = _after(of, Observed(children=children, pods=(held,)))
    assert [reference(action.manifest) for action in first.actions if isinstance(action, Apply)] == [JOB]
    children = carried_out(first, children)
    closing = risk_manager(positions=[], flatten={"active": True})
    assert _after(of, Observed(children=children, pods=(closing,)), 5).actions == ()
    flat = risk_manager(positions=[], flatten={"active": False})
    then = _after(of, Observed(children=children, pods=(flat,)), 9)
    assert _trading(carried_out(then, children)) == "Halted"


def test_flatten_has_its_time_and_the_cancelling_after_it_its_own() -> None:
    """Positions that cannot be closed keep no order open, and the deletion not for ever."""
    of = _deleted("Flatten")
    held = risk_manager(positions=[{"symbol": "IBM", "quantity": "5"}])
    observed = Observed(children=made(system()), pods=(held, _engine(New=1)))
    assert _trading(carried_out(_after(of, observed, 61), dict(observed.children))) == "Halted"
    assert _after(of, observed, 119).actions != (LET_GO,)
    assert _after(of, observed, 121).actions == (LET_GO,)


def test_a_halted_system_is_reduced_to_be_flattened() -> None:
    """The risk manager closes nothing while the manifest halts."""
    of, children = _deleted("Flatten", trading="Halted"), made(system({"trading": "Halted"}))
    held = risk_manager(positions=[{"symbol": "IBM", "quantity": "5"}])
    assert _trading(carried_out(_after(of, Observed(children=children, pods=(held,))), children)) == "Reducing"


def test_the_job_is_let_in_and_knows_the_token() -> None:
    """Its label is the one that the risk manager's NetworkPolicy admits; it runs as restricted as the components."""
    observed = Observed(children=made(system()), pods=(risk_manager(positions=[{"quantity": "1"}]),))
    job = carried_out(_after(_deleted("Flatten"), observed))[JOB]
    assert job["spec"]["template"]["metadata"]["labels"]["tradingmesh.io/control-client"] == "true"
    pod_spec = job["spec"]["template"]["spec"]
    [container] = pod_spec["containers"]
    assert container["image"] == "tradingmesh/risk-manager:test"
    assert {"name": "demo-control", "key": "token"} in [
        variable.get("valueFrom", {}).get("secretKeyRef") for variable in container["env"]
    ]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert job["metadata"]["ownerReferences"][0]["uid"] == "u-1"


def test_let_go_there_is_nothing_to_do() -> None:
    """Another finalizer may hold it for longer."""
    of = _deleted("Flatten")
    of["metadata"]["finalizers"] = ["somebody/else"]
    assert decide(of, Observed(children=made(system()))).actions == ()
