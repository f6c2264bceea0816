"""Many TradingSystems at once: how long until all are reconciled, what it costs, and that it is quiet afterwards.

    python -m tests.operator.many 10 100 500

prints the table of `bench/README.md`. The API server is a real one with its etcd and no controllers: what is counted is
the operator's work and the server's, on one machine.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.charts.rendering import completed
from tests.cluster.api_server import ApiServer
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import until
from tests.operator.given import manifest

CRD = Path(__file__).parents[2] / "manifests" / "crd.yaml"
NAMESPACES = 10
STEADY_S = 60.0
_QUIET_S = 5.0
_LOOK_EVERY_S = 0.9
_ALL = "/apis/tradingmesh.io/v1alpha1/tradingsystems"


class Figures(NamedTuple):
    """What was measured."""

    systems: int
    reconciled_s: float
    """From before they were handed to `kubectl create` until the last one is reconciled."""
    objects: int
    memory_mb: float
    """Of the operator, the most of what was seen."""
    cpu_s: float
    """Of the operator, without helm."""
    steady_writes: float
    """What it wrote in `STEADY_S` after it had come to rest."""


def measure(folder: Path, systems: int, *, steady_s: float = STEADY_S, resync_s: float = 120) -> Figures:
    """Starts everything, and ends it. Looks again after `resync_s`, and it is those looks that must write nothing."""
    server = ApiServer(folder)
    operator = OperatorProcess(server, completed(), folder / "operator.log", RESYNC_S=str(resync_s))
    try:
        server.start()
        server.kubectl("apply", "--server-side", "-f", str(CRD))
        server.until_defined("tradingsystems.tradingmesh.io")
        operator.start()
        return _measured(server, operator, systems, steady_s)
    finally:
        if operator.running:
            operator.end()
        server.close()


def _measured(server: ApiServer, operator: OperatorProcess, systems: int, steady_s: float) -> Figures:
    names = [f"many-{number}" for number in range(NAMESPACES)]
    metadata = [{"name": name} for name in names]
    _create(server, [{"apiVersion": "v1", "kind": "Namespace", "metadata": one} for one in metadata])
    wanted = [manifest(name=f"s{number}") for number in range(systems)]
    for number, one in enumerate(wanted):
        one["metadata"]["namespace"] = names[number % NAMESPACES]
    began_s, peaks = time.monotonic(), [operator.memory_mb]
    _create(server, wanted)

    def reconciled() -> bool:
        time.sleep(_LOOK_EVERY_S)
        peaks.append(operator.memory_mb)
        return sum(map(_is_reconciled, server.read(_ALL)["items"])) == systems

    until(reconciled, f"{systems} reconciled", 60 + 5 * systems)
    elapsed_s = time.monotonic() - began_s
    _until_quiet(operator)
    before = operator.metric("writes_total")
    time.sleep(steady_s)
    written = operator.metric("writes_total") - before
    objects = int(operator.metric("writes_total", verb="apply") + operator.metric("writes_total", verb="create"))
    memory_mb = max(*peaks, operator.memory_mb)
    return Figures(systems, elapsed_s, objects, memory_mb, operator.cpu_s, written)


def _is_reconciled(system: dict[str, Any]) -> bool:
    told = system.get("status", {}).get("conditions", [])
    return any(one["type"] == "Reconciled" and one["status"] == "True" for one in told)


def _create(server: ApiServer, items: list[dict[str, object]]) -> None:
    server.kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": items})


def _until_quiet(operator: OperatorProcess) -> None:
    seen = operator.metric("writes_total")
    while True:
        time.sleep(_QUIET_S)
        if (now := operator.metric("writes_total")) == seen:
            return
        seen = now


def main() -> None:
    """Prints a row a number of systems."""
    print("| systems | objects | reconciled after | memory | CPU of the operator | writes in a quiet minute |")
    print("|---|---|---|---|---|---|")
    for systems in map(int, sys.argv[1:]):
        with tempfile.TemporaryDirectory(prefix="tradingmesh-many-") as folder:
            found = measure(Path(folder), systems)
        cells = (
            f"{found.objects:,}",
            f"{found.reconciled_s:.0f} s",
            f"{found.memory_mb:.0f} MB",
            f"{found.cpu_s:.0f} s",
        )
        print(f"| {found.systems} | {' | '.join(cells)} | {found.steady_writes:.0f} |", flush=True)


if __name__ == "__main__":
    main()
