"""A limit and the kill switch are in force within seconds, and nothing restarts."""

import time
from typing import Any

from tests.cluster.waiting import until
from tests.e2e.cluster.conftest import Figures
from tests.e2e.cluster.trading import Trading

LIMIT_WITHIN_S = 5.0
HALT_WITHIN_S = 2.0
QUIET_S = 10.0


def _in_force(system: Trading, generation: int) -> bool:
    """Whether the risk manager acknowledges it."""
    found: int | None = system.configz("risk-manager").get("generation")
    return found is not None and found >= generation


def _change(system: Trading, spec: dict[str, Any]) -> float:
    """`kubectl patch`, and how long after it the change was in force."""
    system.patch(spec)
    began_s = time.monotonic()
    generation = system.generation()
    until(lambda: _in_force(system, generation), f"generation {generation} in force", 60)
    return time.monotonic() - began_s


def test_a_limit_is_in_force_within_seconds(system: Trading, figures: Figures) -> None:
    """Five seconds after `kubectl edit`; no pod is another, refusals name the limit, and an Event what it was.

    With the annotation of the operator (`Touch`) left out, the kubelet brings a ConfigMap only once a minute. (Seen
    with an operator that was uninstalled: no limit comes into force.)
    """
    before = system.pods()
    took_s = _change(system, {"riskLimits": {"maxOrderQuantity": 10}})
    figures.note("in_force_s", took_s)
    assert took_s <= LIMIT_WITHIN_S
    refused = until(lambda: system.status("risk-manager")["refused"].get("order-quantity"), "a refusal", 120)
    assert refused > 0
    assert "order-quantity" in system.kubectl("exec", f"{system.name}-risk-manager-0", "--", "tradingmesh", "status")
    assert ("LimitChanged", "riskLimits.maxOrderQuantity 500 -> 10") in system.events()
    assert system.pods() == before


def test_a_limit_that_cannot_be_is_refused_at_once(system: Trading) -> None:
    """By the API server, naming the field; what was in force stays."""
    done = system.try_patch({"riskLimits": {"maxOrderQuantity": 5000}})
    assert done.returncode != 0
    assert "maxOrderQuantity is above" in done.stderr
    assert int(system.configz("risk-manager")["spec"]["riskLimits"]["maxOrderQuantity"]) == 10


def test_a_limit_that_is_taken_back_lets_orders_through(system: Trading) -> None:
    """As soon as it is in force, orders are placed again."""
    _change(system, {"riskLimits": {"maxOrderQuantity": 500}})
    before = system.broker()["orders"]["taken"]
    until(lambda: system.broker()["orders"]["taken"] > before, "an order", 120)


def test_halted_means_no_order(system: Trading, figures: Figures) -> None:
    """From two seconds after `trading: Halted` on the broker gets none, and none is open; no pod is another.

    With the trading state left out of what the risk manager checks, orders go on.
    """
    before = system.pods()
    took_s = _change(system, {"trading": "Halted"})
    figures.note("halted_s", took_s)
    assert took_s <= HALT_WITHIN_S
    halted = system.broker()["orders"]
    time.sleep(QUIET_S)
    later = system.broker()["orders"]
    assert later["taken"] == halted["taken"]
    assert later["open"] == 0
    system.wait_for("TradingHalted", 30)
    system.settle()
    assert system.pods() == before


def test_active_again_trades_again(system: Trading) -> None:
    """The word in the manifest is all it takes."""
    before = system.broker()["orders"]["taken"]
    _change(system, {"trading": "Active"})
    until(lambda: system.broker()["orders"]["taken"] > before, "an order", 120)
    system.settle()
