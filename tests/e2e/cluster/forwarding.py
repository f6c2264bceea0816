"""`kubectl port-forward`, as a person at a terminal has it."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.build_tools import build
from tests.e2e.cluster.trading import Trading

_ENDS_WITHIN_S = 10.0


@contextmanager
def forwarded(system: Trading, target: str, port: int) -> Iterator[str]:
    """The URL at which that port of a Service or pod answers here, as long as it lasts."""
    command = [str(build("kubectl")), "--namespace", system.namespace, "port-forward", target, f":{port}"]
    with subprocess.Popen(
        command, env=system.kube.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as forwarding:
        try:
            assert forwarding.stdout is not None
            said = forwarding.stdout.readline()
            found = re.search(r"Forwarding from (127\.0\.0\.1:\d+) ->", said)
            assert found, f"{' '.join(command[1:])}: {said}"
            yield f"http://{found[1]}"
        finally:
            forwarding.terminate()
            forwarding.wait(_ENDS_WITHIN_S)
