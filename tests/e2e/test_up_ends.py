"""However `tradingmesh up` is ended, no process outlives it; while it runs, it can be asked and commanded."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.processes

WITHIN_S = 40.0


def _until(holds: Callable[[], Any], what: str) -> Any:
    deadline_s = time.monotonic() + WITHIN_S
    while not (found := holds()):
        assert time.monotonic() < deadline_s, f"not in time: {what}"
        time.sleep(0.05)
    return found


def _read_until(process: "subprocess.Popen[str]", words: str) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return
    pytest.fail(f"up ended without saying {words!r}: {''.join(said)}")


def _children(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def _gone(children: list[psutil.Process]) -> bool:
    return not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def _slow(system: Any) -> None:
    system.spec["broker"]["simulator"] |= {"speed": 20, "duration": "60m"}


def test_a_signal_ends_the_run_in_order(system: Any, begin: Callable[..., Any]) -> None:
    """Ctrl-C: the tape stops, the mesh drains, every process ends with 0, the report is right."""
    _slow(system)
    process = begin()
    _read_until(process, "  ticks ")
    children = _children(process)
    assert len(children) >= 10
    process.send_signal(signal.SIGINT)
    assert process.wait(WITHIN_S) == 0
    assert _gone(children)
    report = system.report()
    assert report["verdict"]["ok"]
    assert report["run"]["tape_events"] < report["run"]["tape_length"]


def test_a_signal_while_starting_ends_what_was_started(system: Any, begin: Callable[..., Any]) -> None:
    """Nothing was traded, so there is no report, and it was not a good run."""
    process = begin()
    _read_until(process, "alpaca-simulator: ready")
    children = _children(process)
    assert children
    process.send_signal(signal.SIGINT)
    assert process.wait(WITHIN_S) == 1
    assert _gone(children)
    assert not system.report_file.exists()


def test_no_process_outlives_an_up_that_is_killed(system: Any, begin: Callable[..., Any]) -> None:
    """SIGKILL leaves it no time to end the others: they end by themselves, and the ports are free again."""
    _slow(system)
    process = begin()
    _read_until(process, "signal-generator: ready")
    children = _children(process)
    assert len(children) >= 10
    process.kill()
    process.wait(WITHIN_S)
    _until(lambda: _gone(children), "the end of every child")


def test_a_reader_that_goes_away_ends_the_run(begin: Callable[..., Any]) -> None:
    """As in `tradingmesh up | head`: no process is left."""
    process = begin()
    _read_until(process, "alpaca-simulator: ready")
    children = _children(process)
    process.stdout.close()
    assert process.wait(WITHIN_S) == 1
    assert _gone(children)


def test_a_lost_simulator_is_a_wrong_run(system: Any, begin: Callable[..., Any]) -> None:
    """The broker's account is gone with it: nothing can be proved, and it is said so."""
    _slow(system)
    process = begin()
    _read_until(process, "  ticks ")
    children = _children(process)
    (simulator,) = [child for child in children if "alpaca-simulator" in child.cmdline()]
    simulator.kill()
    assert process.wait(WITHIN_S) == 1
    assert _gone(children)
    differences = system.report()["verdict"]["differences"]
    assert any("the broker's account" in sentence for sentence in differences)


def test_a_running_mesh_can_be_asked_and_halted(system: Any, begin: Callable[..., Any]) -> None:
    """With the environment file of the run `status` answers and `halt` stops every order; a closed terminal ends it."""
    _slow(system)
    process = begin()
    _read_until(process, "  ticks ")
    folder: Path = (system.data_dir / "runs" / "latest").resolve()

    def ask(*command: str) -> str:
        shell = f". {folder / 'environment'}; exec {sys.executable} -m tradingmesh {' '.join(command)}"
        asked = subprocess.run(
            ["sh", "-c", shell], env={**os.environ}, capture_output=True, text=True, timeout=30, check=True
        )
        return asked.stdout

    def state() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ask("status", "--json"))
        return found

    _until(lambda: state()["fills_booked"] > 2, "some fills")
    assert state()["trading"] == "Active"
    assert "Halted" in ask("halt", "--reason", "test")
    refused = _until(lambda: state()["refused"].get("trading-state"), "a refused signal")
    assert refused > 0
    process.send_signal(signal.SIGHUP)
    assert process.wait(WITHIN_S) == 0
    assert system.report()["risk"]["refused"]["trading-state"] >= refused
