"""Children are started, started again when they die, given up in time, and ended in order."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tradingmesh.cli.supervisor import RESTART_MAX_S, RESTARTS_MAX, Supervisor, restart_delay_s
from tradingmesh.cli.up_plan import Process
from tradingmesh.contract import Component

FEED = Process(Component.MARKET_DATA_FEED, "market-data-feed", 0)
RISK = Process(Component.RISK_MANAGER, "risk-manager", 0)
SIMULATOR = Process(Component.ALPACA_SIMULATOR, "alpaca-simulator", 0)

OBEDIENT = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up'); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up')\nwhile True: signal.pause()"


class Run:
    """A supervisor over Python one-liners, and what it said."""

    def __init__(self, folder: Path, programs: dict[Process, str]) -> None:
        self.said: list[str] = []
        self.supervisor = Supervisor(
            list(programs),
            lambda _: {"PYTHONUNBUFFERED": "1"},
            folder,
            self.said.append,
            lambda process: [sys.executable, "-S", "-c", programs[process]],
        )
        self.child = self.supervisor.children

    def start(self) -> None:
        for child in self.child.values():
            child.start()
        self.until(lambda: all(c.last_words() == "up" or c.has_exited() for c in self.child.values()))

    def until(self, holds: Callable[[], bool], *, looking: bool = False) -> None:
        deadline_s = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < deadline_s, self.said
            if looking:
                self.supervisor.look_after()
            time.sleep(0.01)


Starter = Callable[[dict[Process, str]], Run]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Starter]:
    """Starts a run and leaves nothing behind."""
    runs: list[Run] = []

    def start(programs: dict[Process, str]) -> Run:
        runs.append(Run(tmp_path, programs))
        runs[-1].start()
        return runs[-1]

    yield start
    for run in runs:
        for child in run.child.values():
            child.signal(signal.SIGKILL)
            run.until(child.has_exited)


def test_children_are_ended_group_by_group(started: Starter) -> None:
    """SIGTERM, exit 0, and the second group only after the first is gone."""
    run = started({FEED: OBEDIENT, RISK: OBEDIENT})
    order: list[str] = []
    for name, child in run.child.items():
        told = child.signal

        def tell(number: int, name: str = name, told: Callable[[int], None] = told) -> None:
            order.append(name)
            assert name == RISK.instance or run.child[RISK.instance].has_exited()
            told(number)

        child.signal = tell  # type: ignore[method-assign]
    run.supervisor.stop([(Component.RISK_MANAGER,), (Component.MARKET_DATA_FEED,)], bound_s=5)
    assert order == [RISK.instance, FEED.instance]
    assert [child.exit_code for child in run.child.values()] == [0, 0]
    assert not any(child.killed for child in run.child.values())


def test_a_child_that_does_not_end_is_killed_and_named(started: Starter) -> None:
    """The bound holds, and the verdict can see it."""
    run = started({FEED: STUBBORN})
    run.supervisor.stop([(Component.MARKET_DATA_FEED,)], bound_s=0.2)
    child = run.child[FEED.instance]
    assert (child.killed, child.exit_code) == (True, -signal.SIGKILL)
    assert run.said == ["market-data-feed: did not end in time, killed"]


def test_who_was_stopped_is_not_started_again(started: Starter) -> None:
    """Those that were not stopped are still looked after."""
    run = started({FEED: OBEDIENT, RISK: OBEDIENT})
    run.supervisor.stop([(Component.MARKET_DATA_FEED,)], bound_s=5)
    run.child[RISK.instance].signal(signal.SIGKILL)
    run.until(lambda: run.child[RISK.instance].restarts == 1, looking=True)
    assert run.child[FEED.instance].restarts == 0
    assert run.child[FEED.instance].pid is None


def test_a_child_that_dies_is_started_again(started: Starter) -> None:
    """Another process, counted, and said with its last words."""
    run = started({RISK: OBEDIENT})
    child = run.child[RISK.instance]
    first = child.pid
    child.signal(signal.SIGKILL)
    run.until(lambda: child.restarts == 1, looking=True)
    assert child.pid not in (None, first)
    assert run.said[0] == "risk-manager: ended with -9: up; starts again in 0.2 s"
    assert not child.lost


def test_a_child_with_bad_input_is_not_started_again(started: Starter) -> None:
    """It would fail the same way: its sentence is passed on instead."""
    run = started({RISK: "import sys; sys.stderr.write('the field is wrong\\n'); sys.exit(2)"})
    run.until(lambda: run.child[RISK.instance].exit_code == 2, looking=True)
    run.supervisor.look_after()
    assert run.supervisor.lost() == [run.child[RISK.instance]]
    assert run.child[RISK.instance].last_words() == "the field is wrong"


def test_last_words_are_of_trouble(started: Starter) -> None:
    """Not of what went well last; a process that is killed often said nothing at all."""
    info = json.dumps({"event": "OrderPlaced", "level": "info"})
    error = json.dumps({"event": "attention", "level": "error", "error": "why"})
    said = {RISK: [error, info], FEED: [info]}
    run = started({child: f"print(*{lines!r}, sep=chr(10)); raise SystemExit(1)" for child, lines in said.items()})
    assert run.child[RISK.instance].last_words() == "attention: why"
    assert run.child[FEED.instance].last_words() == "it said nothing"


def test_the_simulator_is_never_started_again(started: Starter) -> None:
    """Its account ended with it."""
    run = started({SIMULATOR: OBEDIENT})
    run.child[SIMULATOR.instance].signal(signal.SIGKILL)
    run.until(lambda: bool(run.supervisor.lost()), looking=True)
    assert run.child[SIMULATOR.instance].restarts == 0


def test_restarts_are_bounded(started: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many it is lost."""
    monkeypatch.setattr("tradingmesh.cli.supervisor.restart_delay_s", lambda _: 0.0)
    run = started({RISK: "raise SystemExit(1)"})
    run.until(lambda: bool(run.supervisor.lost()), looking=True)
    assert run.child[RISK.instance].restarts == RESTARTS_MAX


def test_delays_grow_to_a_bound() -> None:
    """A child that dies at once does not eat the machine."""
    delays = [restart_delay_s(restarts) for restarts in range(8)]
    assert delays == sorted(delays)
    assert delays[0] < 0.5
    assert delays[-1] == RESTART_MAX_S


def test_memory_is_measured(started: Starter) -> None:
    """A Python process has megabytes."""
    run = started({RISK: OBEDIENT})
    run.supervisor.look_after()
    assert 2 < run.child[RISK.instance].rss_peak_mb < 200
