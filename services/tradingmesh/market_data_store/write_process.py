"""The writer process: one at a time, started when there is something to write, watched without waiting for it."""

import os
import subprocess
import sys
import time
from pathlib import Path

_MODULE = "tradingmesh.market_data_store.writer"
_PROBLEM_CHARS_MAX = 500
_SMALL = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
"""With it the writer stays ten megabytes smaller than with pyarrow's own allocator."""


class WriteProcess:
    """Starts `market_data_store.writer` for one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[str] | None = None
        self._again = False

    def start(self) -> None:
        """Lets what is spooled be written; while a writer runs, a further one follows it."""
        if self._process is not None:
            self._again = True
            return
        self._again = False
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours, a folder of ours
            [sys.executable, "-m", _MODULE, str(self._root)],
            env={**os.environ, **_SMALL},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # the terminal's Ctrl-C is for the store, which stops it in its own time
        )

    def problem(self) -> str | None:
        """Looks whether the writer ended: why it failed, if it did. Starts the next if one is due."""
        process = self._process
        if process is None or process.poll() is None:
            return None
        self._process = None
        said = process.communicate()[1].strip()
        if self._again:
            self.start()
        if process.returncode == 0:
            return None
        return (said.splitlines() or [f"exit code {process.returncode}"])[-1][:_PROBLEM_CHARS_MAX]

    def finish(self, within_s: float) -> str | None:
        """Waits until everything is written: why it was not, if so. A writer that is late is killed."""
        deadline_s = time.monotonic() + within_s
        problem = None
        while self._process is not None:
            try:
                self._process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
                self._process = None
                return f"the writer did not end within {within_s} s"
            problem = self.problem() or problem
        return problem
