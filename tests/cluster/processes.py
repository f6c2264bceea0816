"""Programs that go on when whoever started them has ended: found again, and ended, by the process id that was noted."""

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

END_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.05


class Processes:
    """The programs of one cluster, by name. Each has a log, and a note of its process id and of when it began.

    A process id is used again by the system, one that began at that moment is not: nothing is ended that was not
    started here.
    """

    def __init__(self, pids: Path, logs: Path) -> None:
        self._pids = pids
        self._logs = logs

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> bool:
        """Starts it in a session of its own, unless it runs. Says whether it was started."""
        if self.running(name):
            return False
        log = str(self.log(name))
        write = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, write, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        told = {**os.environ, **(environment or {})}
        pid = os.posix_spawnp(command[0], list(command), told, file_actions=files, setsid=True)
        self._note(name).write_text(json.dumps({"pid": pid, "began": began(pid)}))
        return True

    def names(self) -> list[str]:
        """Those that were started, the newest first."""
        notes = sorted(self._pids.glob("*.json"), key=lambda note: note.stat().st_mtime_ns, reverse=True)
        return [note.stem for note in notes]

    def running(self, name: str) -> int | None:
        """Its process id; None where it was never started, or has ended."""
        try:
            noted = json.loads(self._note(name).read_text())
        except (FileNotFoundError, ValueError):
            return None
        pid = int(noted["pid"])
        _reap(pid)
        now = began(pid)
        return pid if now is not None and now == noted["began"] else None

    def end(self, name: str, how: signal.Signals = signal.SIGTERM, within_s: float = END_WITHIN_S) -> None:
        """Ends it and returns once it is gone; what has not ended in time is killed."""
        deadline_s = time.monotonic() + within_s
        number = how
        while (pid := self.running(name)) is not None:
            os.kill(pid, number)
            while self.running(name) == pid and time.monotonic() < deadline_s:
                time.sleep(_LOOK_EVERY_S)
            number = signal.SIGKILL
            deadline_s = time.monotonic() + END_WITHIN_S
        self._note(name).unlink(missing_ok=True)

    def log(self, name: str) -> Path:
        """What it wrote."""
        return self._logs / f"{name}.log"

    def last_words(self, name: str, characters: int = 3000) -> str:
        """The end of its log."""
        log = self.log(name)
        return log.read_text(errors="replace")[-characters:] if log.exists() else ""

    def _note(self, name: str) -> Path:
        return self._pids / f"{name}.json"


def began(pid: int) -> int | None:
    """When a process began, in clock ticks since the machine did; None where there is none, or it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _reap(pid: int) -> None:
    """A child of ours that has ended stays until it is asked for."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
