"""Who sets the number of fill processors."""

from typing import Any

from tests.operator.wanted import NOW, asked_for, decide, made, system
from tradingmesh_operator.actions import Plan
from tradingmesh_operator.autoscaling import Sample
from tradingmesh_operator.conditions import conditions
from tradingmesh_operator.observed import Observed
from tradingmesh_operator.scaling import asks_for_keda


def _system(**told: Any) -> dict[str, Any]:
    return system({"fillProcessors": {"replicas": 2, "autoscaling": told}})


def _plan(of: dict[str, Any], **found: Any) -> Plan:
    """The decision where 900 fills wait, and everything else is as it should be."""
    return decide(of, Observed(children=made(of), backlogs=(Sample(NOW, 900),), **found))


def _degraded(of: dict[str, Any], plan: Plan) -> tuple[str, str, str]:
    found = next(one for one in conditions(of, Observed(), plan, (), [], NOW) if one.type == "Degraded")
    return found.status, found.reason, found.message


def test_where_keda_is_it_decides() -> None:
    """The operator writes no number, and nothing is to be told."""
    plan = _plan(_system(scaler="Keda"), has_keda=True)
    assert (plan.actions, plan.concerns) == ((), ())


def test_without_keda_the_operator_goes_on_and_says_what_to_install() -> None:
    """Fills must not wait because somebody has forgotten to install something."""
    of = _system(scaler="Keda")
    plan = _plan(of)
    assert asked_for(plan) == [5]
    status, reason, message = _degraded(of, plan)
    assert (status, reason) == ("True", "KedaMissing")
    assert "install KEDA" in message


def test_an_autoscaler_of_the_system_is_left_alone() -> None:
    """It writes to the same field; that both are asked for is told."""
    of = _system()
    plan = _plan(of, scaled_by="mine")
    assert plan.actions == ()
    assert _degraded(of, plan)[1:] == (
        "ScaledTwice",
        "HorizontalPodAutoscaler mine scales this TradingSystem, so its own autoscaling rests: remove one of the two",
    )


def test_an_autoscaler_alone_is_no_concern() -> None:
    """Whoever asks for no autoscaling in the spec may have one of the cluster's."""
    of = system({"fillProcessors": {"replicas": 7}})
    plan = _plan(of, scaled_by="mine")
    assert (plan.actions, plan.concerns) == ((), ())
    assert _degraded(of, plan)[:2] == ("False", "AllWell")


def test_who_asks_for_keda() -> None:
    """Only who says so."""
    asking = [asks_for_keda(of) for of in (_system(scaler="Keda"), _system(scaler="Operator"), _system(), system())]
    assert asking == [True, False, False, False]
