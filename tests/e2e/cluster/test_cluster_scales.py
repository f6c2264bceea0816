"""Fill processors come and go while fills come in: none is lost, none is booked twice."""

import time

import pytest

from tests.cluster.waiting import until
from tests.e2e.cluster.conftest import Figures, Made
from tests.e2e.cluster.trading import Trading


@pytest.fixture(scope="module")
def loaded(made: Made) -> Trading:
    """A system with one fill processor and more fills than its strategies would make."""
    trading = made()
    trading.without_limits()
    trading.spec["fillProcessors"] = {"replicas": 1}
    trading.apply()
    trading.wait_for("Ready", 240)
    return trading


def _scale(system: Trading, replicas: int) -> float:
    """`kubectl scale`, and how long until as many are ready and the others are gone."""
    began_s = time.monotonic()
    system.kubectl("scale", f"tsys/{system.name}", f"--replicas={replicas}")

    def there() -> bool:
        pods = system.pods("fill-processor")
        return len(pods) == replicas and all(pod.ready for pod in pods.values())

    until(there, f"{replicas} fill processors", 120)
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
