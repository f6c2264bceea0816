"""kubectl and helm, as a person at a terminal has them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster.build_tools import build

COMMAND_WITHIN_S = 180.0


class Kube:
    """One cluster, by its kubeconfig. Everything that is read or changed goes through `kubectl` and `helm`."""

    def __init__(self, kubeconfig: Path) -> None:
        self.environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}

    def run(self, *arguments: str, stdin: object = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`kubectl`. What is given as `stdin` and is no text goes in as JSON. An `AssertionError` says what failed."""
        given = stdin if stdin is None or isinstance(stdin, str) else json.dumps(stdin)
        return self._ran([str(build("kubectl")), *arguments], given, check=check)

    def helm(self, *arguments: str) -> str:
        """`helm`, and what it printed."""
        return self._ran([str(build("helm")), *arguments], None, check=True).stdout

    def text(self, *arguments: str) -> str:
        """What kubectl printed."""
        return self.run(*arguments).stdout.strip()

    def json(self, *arguments: str) -> Any:
        """What kubectl printed as JSON."""
        return json.loads(self.run(*arguments, "-o", "json").stdout)

    def fetch(self, namespace: str, pod: str, port: int, path: str) -> Any:
        """What a pod answers over HTTP, through the API server; None where it does not."""
        where = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}"
        done = self.run("get", "--raw", where, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def _ran(self, command: list[str], given: str | None, *, check: bool) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=COMMAND_WITHIN_S,
            check=False,
        )
        what = " ".join([Path(command[0]).name, *command[1:]])
        assert not check or done.returncode == 0, f"{what}: {done.stderr.strip() or done.stdout.strip()}"
        return done
