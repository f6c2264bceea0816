"""Keeps the processes of a run: starts them, starts them again when they die, and ends them in order."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil

from tradingmesh.cli.parent import PARENT
from tradingmesh.cli.up_plan import Process
from tradingmesh.contract import Component

RESTARTS_MAX = 5
RESTART_FIRST_S = 0.2
RESTART_MAX_S = 5.0
EXIT_BAD_INPUT = 2
_MIB = 1 << 20
_LOG_TAIL_BYTES = 4_096


def restart_delay_s(restarts: int) -> float:
    """How long to wait before the next restart of a process that was restarted so often."""
    return min(RESTART_FIRST_S * 2.0**restarts, RESTART_MAX_S)


def run_command(process: Process) -> list[str]:
    """How a component is started: by the interpreter that runs this."""
    return [sys.executable, "-m", "tradingmesh", "run", process.component.value]


class Child:
    """One process of the run, over its restarts."""

    def __init__(self, process: Process, command: Sequence[str], environment: dict[str, str], log_file: Path) -> None:
        self.process = process
        self.log_file = log_file
        self.ready_s: float | None = None
        self.restarts = 0
        self.exit_code: int | None = None
        self.rss_peak_mb = 0.0
        self.restart_at_s: float | None = None
        self.killed = False
        self.lost = False
        self.end_noted = True
        self._command = command
        self._environment = environment
        self._popen: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._popen.pid if self._popen is not None else None

    def start(self) -> None:
        """Starts it in a session of its own: a Ctrl-C in the terminal is for `up`, which ends the others in order."""
        with self.log_file.open("ab") as log:
            self._popen = subprocess.Popen(  # noqa: S603 - `run_command` or a test's
                self._command,
                env={**os.environ, **self._environment, PARENT: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started_s = time.monotonic()
        self.ready_s = self.exit_code = self.restart_at_s = None
        self.end_noted = False

    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started_s

    def has_exited(self) -> bool:
        """Whether the process is gone; its exit code is known from then on."""
        if self._popen is None:
            return True
        code = self._popen.poll()
        if code is None:
            return False
        self.exit_code, self._popen = code, None
        return True

    def signal(self, number: int) -> None:
        """Sends it a signal, if it still runs."""
        if self._popen is not None:
            self._popen.send_signal(number)

    def measure(self) -> None:
        """Takes note of its memory."""
        if self._popen is not None:
            try:
                rss = psutil.Process(self._popen.pid).memory_info().rss / _MIB
            except psutil.Error:
                return  # it has just ended
            self.rss_peak_mb = max(self.rss_peak_mb, rss)

    def last_words(self) -> str:
        """The last line of its log that tells of trouble, without the wrapping of a structured one."""
        try:
            with self.log_file.open("rb") as log:
                log.seek(max(0, self.log_file.stat().st_size - _LOG_TAIL_BYTES))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return next(filter(None, map(_trouble, reversed(lines))), "it said nothing")


def _trouble(line: str) -> str:
    try:
        told = json.loads(line)
        return "" if told["level"] == "info" else ": ".join(str(told[key]) for key in ("event", "error") if key in told)
    except (ValueError, TypeError, KeyError):
        return line.removeprefix("tradingmesh: ")


class Supervisor:
    """The children of a run. `say` hears one sentence about each thing that happens to one of them.

    A child that ends by itself is started again with growing delays, at most `RESTARTS_MAX` times; then, and always
    for the simulator (whose account ends with it), it is `lost`.
    """

    def __init__(
        self,
        planned: Sequence[Process],
        environment: Callable[[Process], dict[str, str]],
        log_dir: Path,
        say: Callable[[str], None],
        command: Callable[[Process], Sequence[str]] = run_command,
    ) -> None:
        self.children = {
            p.instance: Child(p, command(p), environment(p), log_dir / f"{p.instance}.log") for p in planned
        }
        self._say = say

    def of(self, components: Iterable[Component]) -> list[Child]:
        """The children of these components."""
        wanted = set(components)
        return [child for child in self.children.values() if child.process.component in wanted]

    def lost(self) -> list[Child]:
        """Those that will not be started again."""
        return [child for child in self.children.values() if child.lost]

    def look_after(self) -> None:
        """Notices who ended, and starts again whose time has come."""
        for child in self.children.values():
            child.measure()
            if not child.end_noted and child.has_exited():
                self._note_end(child)
            if child.restart_at_s is not None and time.monotonic() >= child.restart_at_s:
                child.restarts += 1
                child.start()
                self._say(f"{child.process.instance}: started again, restart {child.restarts}")

    def stop(self, order: Iterable[Iterable[Component]], *, bound_s: float) -> None:
        """SIGTERM group by group; who is still there `bound_s` later is killed. None of them is started again."""
        for group in order:
            for child in self.of(group):
                child.end_noted, child.restart_at_s = True, None
            children = [child for child in self.of(group) if not child.has_exited()]
            for child in children:
                child.signal(signal.SIGTERM)
            deadline_s = time.monotonic() + bound_s
            while any(not child.has_exited() for child in children):
                if time.monotonic() > deadline_s:
                    self._kill([child for child in children if not child.has_exited()])
                    break
                time.sleep(0.01)

    def _kill(self, children: Sequence[Child]) -> None:
        for child in children:
            child.killed = True
            self._say(f"{child.process.instance}: did not end in time, killed")
            child.signal(signal.SIGKILL)
        while any(not child.has_exited() for child in children):
            time.sleep(0.01)

    def _note_end(self, child: Child) -> None:
        child.end_noted = True
        name = child.process.instance
        told = f"{name}: ended with {child.exit_code}: {child.last_words()}"
        hopeless = child.exit_code == EXIT_BAD_INPUT or child.restarts >= RESTARTS_MAX
        if hopeless or child.process.component is Component.ALPACA_SIMULATOR:
            child.lost = True
            self._say(told)
            return
        delay_s = restart_delay_s(child.restarts)
        child.restart_at_s = time.monotonic() + delay_s
        self._say(f"{told}; starts again in {delay_s:.1f} s")
