"""Fill processors that die, stand still or hang, while real fills come from the broker: its account is the truth."""

from typing import Any

import pytest

pytestmark = pytest.mark.processes
PROCESSORS = 3


def test_harness_books_what_the_broker_did(mesh: Any) -> None:
    """Nothing breaks: every fill is booked, cash and positions are equal."""
    mesh.spec["fillProcessors"] = {"replicas": PROCESSORS}
    mesh.start("alpaca-simulator", "risk-manager", "execution-engine", "fill-processor")
    mesh.play()
    mesh.trade(500)
    mesh.settle()
    found = mesh.audit()
    assert (found.lost, found.doubled, found.differences) == (0, 0, ())
