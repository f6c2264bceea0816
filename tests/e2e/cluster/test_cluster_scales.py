"""Fill processors come and go while fills come in: none is lost, none is booked twice."""

import time

import pytest

from tests.cluster.waiting import until
from tests.e2e.cluster.booked import assert_each_booked_once
from tests.e2e.cluster.conftest import Figures, Made, stopwatch
from tests.e2e.cluster.trading import Trading

BACKLOG_EACH, STABILIZATION = 2, "10s"
"""So few, for processors keep up with what comes here: only what is in their hands waits to be acknowledged."""


@pytest.fixture(scope="module")
def loaded(made: Made) -> Trading:
    """A system with one fill processor and more fills than its strategies would make."""
    trading = made()
    trading.without_limits()
    trading.spec["fillProcessors"] = {"replicas": 1}
    trading.apply()
    trading.wait_for("Ready", 240)
    return trading


def _processors(system: Trading, replicas: int) -> bool:
    """Whether as many are ready and the others are gone."""
    pods = system.pods("fill-processor")
    return len(pods) == replicas and all(pod.ready for pod in pods.values())


def _scale(system: Trading, replicas: int) -> float:
    """`kubectl scale`, and how long until there are as many."""
    began_s = time.monotonic()
    system.kubectl("scale", f"tsys/{system.name}", f"--replicas={replicas}")

    until(lambda: _processors(system, replicas), f"{replicas} fill processors", 120)
    return time.monotonic() - began_s


@pytest.mark.parametrize("replicas", [4, 2])
def test_scaling_loses_nothing(loaded: Trading, figures: Figures, replicas: int) -> None:
    """One, four, two, with fills all the time: the books are the broker's, and each fill was booked once.

    A processor that is killed instead of told to go does the same harm as nothing: fills are sent again. With the
    dedupe of the risk manager left out, those are booked twice, and cash is never equal again.
    """
    loaded.load()
    before = loaded.fills()
    until(lambda: loaded.fills() > before + 50, "fills", 60)
    figures.note("scaled_s", _scale(loaded, replicas))
    after = loaded.fills()
    until(lambda: loaded.fills() > after + 200, "fills with so many processors", 120)
    loaded.unload()
    books = loaded.settle()
    figures.note("fills", books.fills)


def test_status_counts_them(loaded: Trading) -> None:
    """`kubectl get tsys` says how many there are, and the scale subresource finds their pods."""
    until(
        lambda: loaded.kubectl("get", "tsys", "-o", "jsonpath={.items[0].status.fillProcessors.replicas}") == "2",
        "status",
        30,
    )


def test_their_number_follows_the_backlog(loaded: Trading, figures: Figures) -> None:
    """Built-in autoscaling: one without fills, four with more fills than two would be for, two once they have ceased.

    With the operator's look at the backlog left out, the number stays. (Seen with an operator that was uninstalled.)
    """
    _autoscale(loaded, minReplicas=1, maxReplicas=4)
    until(lambda: _processors(loaded, 1), "one fill processor", 120)
    loaded.load()
    with stopwatch() as seconds:
        until(lambda: _processors(loaded, 4), "four fill processors", 120)
        figures.note("out_s", seconds())
    _autoscale(loaded, minReplicas=2, maxReplicas=4)
    before = loaded.fills()
    until(lambda: loaded.fills() > before + 200, "fills with so many processors", 120)
    loaded.unload()
    with stopwatch() as seconds:
        until(lambda: _processors(loaded, 2), "two fill processors", 120)
        figures.note("in_s", seconds())
    told = [message for reason, message in loaded.events() if reason == "Autoscaled"]
    assert any("fills wait" in message for message in told)
    assert any("no more than" in message for message in told)
    figures.note("fills", loaded.settle().fills)


def _autoscale(system: Trading, **bounds: int) -> None:
    told = {**bounds, "targetBacklog": BACKLOG_EACH, "stabilization": STABILIZATION}
    system.patch({"fillProcessors": {"autoscaling": told}})


def test_each_execution_was_booked_once(loaded: Trading, figures: Figures) -> None:
    """Whoever had it in hand. It is the last of the tests here, for the system is deleted."""
    figures.note("fills", assert_each_booked_once(loaded))
