"""A subscriber that stands still: the feed and the others do not notice, and what it missed it finds when it wakes."""

import json
import time
from typing import Any

import pytest

pytestmark = pytest.mark.processes
CHANNEL = "channel=market-data"
STAND_S = 2.2
LATE_MS = 1_000
TRIES = 3
"""So often it may stand still: where the machine does so, too, everybody is slow, and by nobody's fault."""


def published(mesh: Any) -> int:
    return int(mesh.status("market-data-feed")["published"])


def heard(mesh: Any, name: str) -> tuple[int, int]:
    """What a subscriber received, and what it knows that it missed."""
    counters = mesh.config(name)["metrics"]["counters"]
    return counters["messages_received"][CHANNEL], counters["messages_missed"][CHANNEL]


def told(mesh: Any) -> list[dict[str, Any]]:
    """What the one that stood still said of it."""
    lines = mesh.log("feature-engine", 10**7).splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == "slow subscriber"]


def trouble(mesh: Any, name: str) -> tuple[int, int]:
    """What a subscriber missed, and what came late to it."""
    return heard(mesh, name)[1], mesh.counter(name, "messages_late", CHANNEL)


def nobody_notices(mesh: Any) -> bool:
    """The feature engine stands still for a while: whether the pace stays, and the other misses nothing."""
    wanted = 0.7 * len(mesh.spec["symbols"]) * mesh.spec["broker"]["simulator"]["ticksPerSecond"]
    before, began_s, well = published(mesh), time.monotonic(), trouble(mesh, "metrics-collector")
    mesh.pause("feature-engine")
    mesh.wait(lambda: time.monotonic() - began_s > STAND_S)
    rate = (published(mesh) - before) / (time.monotonic() - began_s)
    mesh.carry_on("feature-engine")
    mesh.wait(lambda: accounted_for(mesh, "feature-engine") or told(mesh))
    return rate > wanted and trouble(mesh, "metrics-collector") == well


def accounted_for(mesh: Any, name: str) -> bool:
    """Whether every message published is one that it received, or counted as missed."""
    return sum(heard(mesh, name)) == published(mesh)


@pytest.mark.timeout(300)
def test_a_subscriber_that_stands_still_slows_nobody(mesh: Any, full: bool) -> None:  # noqa: FBT001 - the fixture is one
    """SIGSTOP: the pace stays, the other misses nothing. SIGCONT: it is late, says so, and knows what it missed."""
    mesh.start("alpaca-simulator")
    names = ("market-data-feed", "metrics-collector", "feature-engine")
    mesh.start(*names, ready=False)
    mesh.wait(lambda: all(mesh.ready(name) for name in names), deadline_s=60)
    mesh.wait(lambda: mesh.status("market-data-feed")["subscriptions"] == 2 * len(mesh.spec["symbols"]))
    mesh.play()
    mesh.wait(lambda: heard(mesh, "feature-engine")[0] > 1_000)
    for _ in range(5 if full else 1):
        assert any(nobody_notices(mesh) for _ in range(TRIES))
    mesh.broker("POST", "/simulator/stop")
    mesh.wait(lambda: accounted_for(mesh, "feature-engine") and accounted_for(mesh, "metrics-collector"))
    assert min(trouble(mesh, "feature-engine")) > 0
    mesh.wait(lambda: sum(line["missed"] for line in told(mesh)) == heard(mesh, "feature-engine")[1])
    assert max(line["lag_ms"] for line in told(mesh)) >= LATE_MS
    event = "source=feature-engine,type=SubscriberSlow"
    mesh.wait(lambda: mesh.counter("metrics-collector", "system_events", event) == len(told(mesh)))
