"""What pods say of themselves reaches status, and a changed manifest reaches the pods."""

import time

import pytest

from tests.cluster.waiting import until
from tests.operator.place import Place
from tests.operator.speaking_pod import SpeakingPod, manager_and_engine, says

pytestmark = pytest.mark.timeout(180)

TOLD_S = 5.0


def _touched(pod: SpeakingPod) -> str:
    return str(pod.manifest()["metadata"].get("annotations", {}).get("tradingmesh.io/manifest-hash", ""))


def test_a_new_limit_is_told_to_the_pod_and_acknowledged(place: Place) -> None:
    """The pod is touched, so that its kubelet looks at once; status knows when the generation is in force."""
    place.apply()
    place.until_reconciled()
    with SpeakingPod(place, "risk-manager", says(1)) as pod:
        until(pod.run, "its pod", 60)
        until(lambda: place.condition("ConfigInSync")[0] == "True", "generation 1 in force", 60)
        before = _touched(pod)
        began_s = time.monotonic()
        place.apply({"riskLimits.maxDailyLoss": "3000"})
        until(lambda: _touched(pod) != before, "the touch", 60)
        assert time.monotonic() - began_s <= TOLD_S
        until(lambda: place.condition("ConfigInSync")[1] == "Pending", "generation 2 not yet", 60)
        assert "generation 2 is not acknowledged yet" in until(lambda: place.events("Normal").get("Pending", ""), "why")
        pod.says = says(2)
        until(lambda: place.condition("ConfigInSync")[0] == "True", "generation 2 in force", 60)
        pod.says = {**says(2), "problem": "spec.riskLimits: no"}
        until(lambda: "riskLimits: no" in place.condition("ConfigInSync")[2], "why it is refused", 60)


def test_a_tripped_breaker_is_seen(place: Place) -> None:
    """In status, as a condition and as an Event, and so is its reset."""
    place.apply()
    place.until_reconciled()
    with SpeakingPod(place, "risk-manager", says(1)) as pod:
        until(pod.run, "its pod", 60)
        until(lambda: place.system()["status"]["breaker"]["state"] == "Closed", "a closed breaker", 60)
        pod.says = says(1, breaker={"state": "Open", "reason": "day's loss 5001"})
        until(lambda: place.condition("TradingHalted")[:2] == ("True", "BreakerOpen"), "trading halted", 60)
        assert "5001" in until(lambda: place.events().get("BreakerTripped", ""), "the Event")
        pod.says = says(1)
        until(lambda: place.events().get("BreakerReset"), "the other Event", 60)


def test_an_order_that_stays_open_does_not_keep_the_system(place: Place) -> None:
    """After the time for draining an Event says what is left."""
    place.apply()
    place.until_reconciled()
    with manager_and_engine(place, New=3):
        place.kubectl("delete", "tsys", "demo", "--wait=false")
        until(lambda: not place.system(), "the system gone", 60)
    assert "3 orders open" in until(lambda: place.events("Warning").get("DrainTimedOut", ""), "the Event")
