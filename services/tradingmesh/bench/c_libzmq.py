"""The yardsticks in C (bench/c of a checkout), compiled with what this machine has against its own libzmq."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tradingmesh.bench.peers import BenchError

SOURCES = Path(__file__).parents[3] / "bench" / "c"
NAME = "C libzmq"
_COMPILE_TIMEOUT_S = 60
_RUN_TIMEOUT_S = 60


class Program:
    """One compiled yardstick; `missing` says why there is none, and is empty where there is one."""

    def __init__(self, name: str, folder: Path) -> None:
        self._path = folder / name
        self.missing = _compile(SOURCES / f"{name}.c", self._path)

    def run(self, *arguments: object) -> dict[str, Any]:
        """Runs it, and returns the JSON object it prints. Raises `BenchError` where it fails."""
        command = [str(self._path), *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_RUN_TIMEOUT_S, check=True)  # noqa: S603 - our own program
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self._path.name} did not end within {_RUN_TIMEOUT_S} s") from None
        except subprocess.CalledProcessError as error:
            raise BenchError(f"{self._path.name} failed: {error.stderr.strip()}") from None
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def _compile(source: Path, target: Path) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        return "no compiler"
    if not source.exists():
        return "no C sources: not run from a checkout"
    command = [compiler, "-O2", "-o", str(target), str(source), "-lzmq"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_TIMEOUT_S, check=False)  # noqa: S603 - our own source
    if done.returncode:
        return "no libzmq headers (Debian: libzmq3-dev)" if "zmq.h" in done.stderr else "it does not compile"
    return ""
