"""The order of processes: started in any order, each ended once mid-run, and still nothing is lost or doubled."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tradingmesh.cli.supervisor import Child
from tradingmesh.cli.up import Options, check
from tradingmesh.cli.up_place import clear_up, make_place
from tradingmesh.cli.up_report import Report, report_of
from tradingmesh.cli.up_run import Run
from tradingmesh.cli.up_watch import fetch, is_ready
from tradingmesh.contract import Component

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

BACK_WITHIN_S = 60.0
SETTLE_S = 0.2
FILLS = 12
"""So many the broker makes at least before the run ends, however soon all are back."""


class Silent:
    """A screen that keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def show(self, figures: object) -> None:
        """Draws nothing."""

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put away."""


class Restarter(threading.Thread):
    """Ends each child once, one after the other, waits until it is back and ready; ends the run after some fills."""

    def __init__(self, run: Run, children: list[Child], number: signal.Signals) -> None:
        super().__init__()
        self._run = run
        self._children = children
        self._signal = number
        self.not_back: list[str] = []

    def run(self) -> None:
        for child in self._children:
            pid = child.pid
            assert pid is not None
            os.kill(pid, self._signal)
            if not self._until(lambda child=child, pid=pid: child.pid not in (pid, None) and is_ready(child.process)):  # type: ignore[misc]
                self.not_back.append(child.process.instance)
            time.sleep(SETTLE_S)
        self._until(lambda: self._fills() >= FILLS)
        self._run.interrupt()

    def _fills(self) -> int:
        """How many fills the broker has made."""
        (simulator,) = (c for c in self._run.children if c.process.component is Component.ALPACA_SIMULATOR)
        told = fetch(simulator.process.port, "/configz") or {"status": {}}
        return int(told["status"].get("fills", 0))

    def _until(self, holds: Callable[[], bool]) -> bool:
        deadline_s = time.monotonic() + BACK_WITHIN_S
        while not holds():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.05)
        return True


def _restarted(system: Any, seed: int, number: signal.Signals) -> tuple[Report, list[str]]:
    """The report of a run whose processes started in the seed's order and were ended in another."""
    system.spec["broker"]["simulator"] |= {"speed": 60, "duration": "240m", "ticksPerSecond": 10}
    ready = check(Options(Path(system.write()), None, None, None, None))
    chance = random.Random(seed)  # noqa: S311 - the order of processes is no secret
    planned = chance.sample(list(ready.planned), len(ready.planned))
    place = make_place(ready.settings, ready.system)
    screen = Silent()
    run = Run(ready.system, ready.settings, place, planned, ready.simulator_port, screen)
    try:
        assert run.start()
        children = [c for c in run.children if c.process.component is not Component.ALPACA_SIMULATOR]
        restarter = Restarter(run, chance.sample(children, len(children)), number)
        restarter.start()
        run.play(None)
        restarter.join()
        run.drain()
        return report_of(run.stop()), restarter.not_back
    finally:
        run.close()
        clear_up(place)


@pytest.mark.parametrize(("seed", "number"), [(1, signal.SIGTERM), (2, signal.SIGKILL)])
def test_any_order_and_one_restart_of_each(
    system: Any, monkeypatch: pytest.MonkeyPatch, seed: int, number: signal.Signals
) -> None:
    """SIGTERM as a roll-out does it, SIGKILL as a crash does: every process comes back, the accounts are equal."""
    for name in ("TRADINGMESH_DATA_DIR", "TRADINGMESH_ADMIN_PORT", "TRADINGMESH_SIMULATOR_PORT"):
        monkeypatch.setenv(name, system.environment[name])
    report, not_back = _restarted(system, seed, number)
    assert not_back == []
    assert report.verdict.differences == ()
    restarts = {name: component.restarts for name, component in report.components.items()}
    assert restarts.pop("alpaca-simulator") == 0
    assert set(restarts.values()) == {1}
    assert report.fills.broker >= FILLS
    assert report.fills.applied == report.fills.broker
    assert (report.fills.lost, report.fills.doubled) == (0, 0)
    assert report.positions.ledger == report.positions.broker
    assert report.cash.ledger == report.cash.broker
