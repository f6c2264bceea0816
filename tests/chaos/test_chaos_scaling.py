"""Limits and the number of fill processors change while real fills come from the broker: its account is the truth."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import yaml

from tradingmesh.contract import Component

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]
NAMES = [f"fill-processor-{number}" for number in range(1, 5)]
FILLS, FILLS_FULL = 300, 5_000
TAKEN_WITHIN_S = 2.0
"""The file is looked at four times a second; the rest is for a machine that is busy with other tests."""


def assert_all_booked_once(mesh: Any) -> None:
    """Lost 0, doubled 0; cash and positions equal to the broker's, to the digit."""
    found = mesh.audit()
    assert (found.lost, found.doubled, found.differences) == (0, 0, ())


def _once(act: Callable[[], object]) -> Callable[[], object]:
    """Does it at the first call only."""
    waiting = [act]
    return lambda: waiting and waiting.pop()()


def _leave(mesh: Any, leavers: list[str]) -> None:
    for name in leavers:
        assert mesh.stop(name) == 0, mesh.log(name)


def test_scaling_in_and_out_loses_no_fill(mesh: Any, *, full: bool) -> None:
    """Four, two, four: a processor that is told to go (SIGTERM) hands over what it holds, and ends by itself with 0."""
    mesh.spec["fillProcessors"] = {"replicas": len(NAMES)}
    mesh.spec["broker"]["simulator"]["ticksPerSecond"] = 400 if full else 200
    mesh.start("alpaca-simulator", "risk-manager", "execution-engine", "fill-processor")
    mesh.play()
    fills = FILLS_FULL if full else FILLS
    for _ in range(5 if full else 1):
        leavers = mesh.chance.sample(NAMES, 2)
        mesh.trade(fills, _once(partial(_leave, mesh, leavers)))
        mesh.trade(fills, _once(partial(mesh.start, *leavers, ready=False)))
        mesh.wait(lambda: all(mesh.ready(name) for name in NAMES))
    mesh.trade(fills)
    applied = [mesh.counter(name, "reports_applied") for name in NAMES]
    assert all(applied), applied
    mesh.settle()
    assert_all_booked_once(mesh)


class Mounted:
    """The manifest of a mesh as a ConfigMap's volume: `system.yaml` -> `..data/system.yaml`; `..data` is replaced."""

    def __init__(self, mesh: Any) -> None:
        mesh.plan()
        self._folder = mesh.system_file.parent
        self._content = yaml.safe_load(mesh.system_file.read_text())
        mesh.system_file.unlink()
        mesh.system_file.symlink_to("..data/system.yaml")
        self.swap(1)

    def swap(self, generation: int, **limits: str) -> None:
        """All at once, by a rename."""
        self._content["metadata"]["generation"] = generation
        self._content["spec"]["riskLimits"] |= limits
        fresh, link = self._folder / f"..{generation}", self._folder / "..data_tmp"
        fresh.mkdir()
        (fresh / "system.yaml").write_text(yaml.safe_dump(self._content))
        link.symlink_to(fresh.name)
        link.rename(self._folder / "..data")


def test_a_limit_is_in_force_and_acknowledged_under_fills(mesh: Any) -> None:
    """Nobody restarts, every component says which generation it has, and a wrong one is refused by its field."""
    mesh.spec["broker"]["simulator"]["ticksPerSecond"] = 200
    mounted = Mounted(mesh)
    mesh.start(Component.ALPACA_SIMULATOR, *(one for one in Component if one is not Component.ALPACA_SIMULATOR))
    pids = {name: mesh.pid(name) for component in Component for name in mesh.instances(component)}
    mesh.play()
    mesh.trade(50)
    began_s = time.monotonic()
    mounted.swap(2, maxOrderQuantity="70000")
    mesh.wait(lambda: mesh.config("risk-manager").get("generation") == 2)
    assert time.monotonic() - began_s <= TAKEN_WITHIN_S
    mesh.wait(lambda: all(mesh.config(name).get("generation") == 2 for name in pids))
    assert mesh.config("risk-manager")["spec"]["riskLimits"]["maxOrderQuantity"] == "70000"
    mounted.swap(3, maxOrderQuantity="70000", maxPositionQuantity="5")
    mesh.wait(lambda: mesh.config("risk-manager").get("problem"))
    assert "maxOrderQuantity 70000 is above maxPositionQuantity 5" in mesh.config("risk-manager")["problem"]
    assert mesh.config("risk-manager")["generation"] == 2
    assert mesh.counter("risk-manager", "limits_taken") == 1
    mesh.trade(50)
    assert {name: mesh.pid(name) for name in pids} == pids
    mesh.settle()
    assert_all_booked_once(mesh)
