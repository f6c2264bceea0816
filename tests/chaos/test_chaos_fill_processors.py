"""Fill processors that die, stand still or hang, while real fills come from the broker: its account is the truth."""

import random
import time
from typing import Any

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]
NAMES = ["fill-processor-1", "fill-processor-2", "fill-processor-3"]
FILLS, FILLS_FULL = 1_500, 50_000
ELSEWHERE_WITHIN_S = 1.0


@pytest.fixture
def trading(mesh: Any, full: bool) -> Any:  # noqa: FBT001 - a fixture
    """A mesh with three processors; the tape runs, for some 500 fills a second, or 1,000."""
    mesh.spec["fillProcessors"] = {"replicas": len(NAMES)}
    mesh.spec["broker"]["simulator"]["ticksPerSecond"] = 400 if full else 200
    mesh.start("alpaca-simulator", "risk-manager", "execution-engine", "fill-processor")
    mesh.wait(lambda: mesh.counter("execution-engine", "links_made", "channel=fills") >= len(NAMES))
    mesh.play()
    return mesh


class Killer:
    """Kills a random one of the processors every 0.2 to 2 s, and has it started again at once.

    One of the others must be ready meanwhile: where nobody is there, nothing can go anywhere.
    """

    def __init__(self, mesh: Any, chance: random.Random) -> None:
        self._mesh = mesh
        self._chance = chance
        self._next_s = time.monotonic() + 0.2
        self.kills = 0

    def look(self) -> None:
        """Kills, if it is time to."""
        if time.monotonic() < self._next_s:
            return
        name = self._chance.choice(NAMES)
        if not any(self._mesh.ready(other) for other in NAMES if other != name):
            return
        self._mesh.kill(name)
        self._mesh.start(name, ready=False)
        self.kills += 1
        self._next_s = time.monotonic() + self._chance.uniform(0.2, 2.0)


def assert_all_booked_once(mesh: Any) -> None:
    """Lost 0, doubled 0; cash and positions equal to the broker's, to the digit."""
    found = mesh.audit()
    assert (found.lost, found.doubled, found.differences) == (0, 0, ())


def assert_redelivered_soon(mesh: Any) -> None:
    """From the first push of a report to its ack, of those that had to be pushed again."""
    late = mesh.metrics("execution-engine")["latency_us"]["redelivery"]
    assert late["p99"] / 1e6 <= ELSEWHERE_WITHIN_S


def test_killed_at_random(trading: Any, *, full: bool) -> None:
    """Kill -9, again and again: nothing is lost or doubled, and what was on its way with the dead comes soon."""
    killer = Killer(trading, trading.chance)
    trading.trade(FILLS_FULL if full else FILLS, killer.look)
    trading.settle()
    assert killer.kills >= (20 if full else 2)
    assert_redelivered_soon(trading)
    assert not full or trading.counter("execution-engine", "reports_redelivered") > 0
    assert_all_booked_once(trading)


def test_fills_of_those_that_stand_still_go_elsewhere(trading: Any) -> None:
    """SIGSTOP, then a deadlock too, whose I/O thread goes on taking reports: within a second others have them."""
    first, second = trading.chance.sample(NAMES, 2)
    for stop, name in ((trading.pause, first), (trading.hang, second)):
        trading.trade(100)
        before = trading.counter("execution-engine", "reports_redelivered")
        stop(name)
        trading.trade(300)
        executed, ended_s = trading.executed(), time.monotonic()
        trading.wait(lambda executed=executed: trading.booked() >= executed)
        within_s = 2 * ELSEWHERE_WITHIN_S  # what is told of it is up to half a second old
        assert time.monotonic() - ended_s <= within_s
        assert trading.counter("execution-engine", "reports_redelivered") > before
    trading.settle()
    assert_redelivered_soon(trading)
    assert_all_booked_once(trading)
