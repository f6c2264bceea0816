"""`kill -9` in a container of any cluster, by kubectl alone."""

import json

from tests.e2e.cluster.trading import Trading

_KILL = """
import os, pathlib, sys
wanted = {sys.argv[1], sys.argv[1].replace("-", "_")}
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        groups, command = (process / "cgroup").read_text(), (process / "cmdline").read_bytes()
    except OSError:
        continue
    if b"tradingmesh" in command and any(f"pod{uid}" in groups for uid in wanted):
        os.kill(int(process.name), 9)
        sys.exit()
sys.exit("there is no such process")
"""


def kill(system: Trading, name: str) -> None:
    """Kills the program of that pod, from a pod that sees the processes of its node.

    From inside, the kernel lets nobody kill the first process of a container.
    """
    pod = system.kube.json("--namespace", system.namespace, "get", f"pod/{name}")
    container = {
        "name": "kill",
        "image": pod["spec"]["containers"][0]["image"],
        "imagePullPolicy": pod["spec"]["containers"][0]["imagePullPolicy"],
        "command": ["python", "-c", _KILL, pod["metadata"]["uid"]],
        "securityContext": {"runAsUser": 10001},
    }
    killer = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"kill-{name}"},
        "spec": {
            "hostPID": True,
            "nodeName": pod["spec"]["nodeName"],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [container],
        },
    }
    system.kubectl("apply", "-f", "-", stdin=json.dumps(killer))
    system.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/kill-{name}", "--timeout=60s")
    system.kubectl("delete", f"pod/kill-{name}", "--wait=false")
