"""Which executions the risk manager's journal has, read from its volume once the system is gone.

Cash, positions and the number of fills may agree though one fill was lost and another booked twice. A running risk
manager lets nobody else open its journal; the volume stays, and `tradingmesh journal` reads it in a pod of its own.
"""

from collections import Counter
from typing import Any

from tests.e2e.cluster.trading import Trading

_READER = "journal-reader"
_IDS = """
import json, sys
for line in sys.stdin:
    record = json.loads(line)
    if record["type"] == "report-booked" and record["booked"]["report"]["body"]["type"] == "fill":
        print(record["booked"]["report"]["body"]["fill_id"])
"""
_SHOW = 'set -o pipefail; tradingmesh journal show --data-dir "/var/lib/tradingmesh/$1" | python -c "$0"'
"""The folder of a pod's own has its name."""


def assert_each_booked_once(system: Trading) -> int:
    """Halts the system, deletes it, and compares execution by execution. Returns how many there were.

    Every fill of the broker's account is in the journal, once, and nothing else is; each record's hash is proved.
    """
    system.unload()
    system.patch({"trading": "Halted"})
    system.wait_for("TradingHalted", 60)
    system.settle()
    made = [fill["execution_id"] for fill in system.executions()]
    reader = _reader(system.kube.json("--namespace", system.namespace, "get", f"pod/{system.name}-risk-manager-0"))
    system.kubectl("delete", f"tsys/{system.name}", "--timeout=120s")
    system.kubectl("wait", "--for=delete", f"pod/{system.name}-risk-manager-0", "--timeout=90s")
    booked = _read(system, reader)
    assert len(made) == len(set(made))
    twice = [one for one, times in booked.items() if times > 1]
    lost, foreign = set(made) - booked.keys(), booked.keys() - set(made)
    assert (twice, lost, foreign) == ([], set(), set())
    return len(made)


def _read(system: Trading, reader: dict[str, Any]) -> Counter[str]:
    system.kubectl("apply", "-f", "-", stdin=reader)
    system.kubectl("wait", "--for=condition=Ready", f"pod/{_READER}", "--timeout=90s")
    printed = system.kubectl("exec", _READER, "--", "bash", "-c", _SHOW, _IDS, f"{system.name}-risk-manager-0")
    system.kubectl("delete", f"pod/{_READER}", "--wait=false", "--grace-period=1")
    return Counter(printed.splitlines())


def _reader(pod: dict[str, Any]) -> dict[str, Any]:
    """A pod with the volume, image and rights of the risk manager's, and nothing to do."""
    (told,) = pod["spec"]["containers"]
    volumes = [volume for volume in pod["spec"]["volumes"] if volume["name"] in {"data", "tmp"}]
    kept = ("image", "imagePullPolicy", "securityContext", "volumeMounts")
    container = {"name": "reader", "command": ["sleep", "600"], **{name: told[name] for name in kept}}
    container["volumeMounts"] = [m for m in told["volumeMounts"] if m["name"] in {"data", "tmp"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _READER},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": pod["spec"]["securityContext"],
            "volumes": volumes,
            "containers": [container],
        },
    }
