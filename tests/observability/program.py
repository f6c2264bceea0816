"""A program beside the mesh: started on ports of its own, asked over HTTP, ended with the test."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.cluster.packages import need

WAIT_S = 60.0
LOOK_EVERY_S = 0.1
HOST = "127.0.0.1"


class Program:
    """One process whose HTTP is at `port`."""

    def __init__(self, command: Sequence[str | Path], port: int, log: Path, environment: dict[str, str]) -> None:
        self.port = port
        self._log = log
        with log.open("ab") as written:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=written, stderr=written
            )

    def get(self, path: str, **params: str) -> Any:
        """The JSON there. Raises `requests.RequestException`."""
        answer = requests.get(f"http://{HOST}:{self.port}{path}", params=params, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def answers(self, path: str) -> bool:
        """Whether it answers there, well. Fails where it has ended."""
        assert self._process.poll() is None, self._log.read_text(errors="replace")[-2_000:]
        try:
            return requests.get(f"http://{HOST}:{self.port}{path}", timeout=10).ok
        except requests.RequestException:
            return False

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()


def wait(condition: Callable[[], object], what: str, deadline_s: float = WAIT_S) -> None:
    """Looks until the condition holds; fails after `deadline_s`, saying what was waited for."""
    give_up_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up_s, f"not within {deadline_s:g} s: {what}"
        time.sleep(LOOK_EVERY_S)


def there(find: Callable[[], Path | str]) -> Path | str:
    """The program that `find` gives; where it is missing and may not be installed: a failure in CI, else a skip."""
    try:
        return find()
    except SystemExit as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def of_the_system(name: str) -> str:
    """Where the system has the program, installed if it may be. Raises `SystemExit` saying what to install."""
    need(name)
    return shutil.which(name) or name
