"""The pods' network: one bridge on this machine, with pods on it and nothing else."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster.addresses import BRIDGE, BRIDGE_MAC, NODE, PODS
from tests.cluster.place import Place

SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    # What pods say to each other through a Service comes back with the Service's address.
    "net/bridge/bridge-nf-call-iptables": "1",
    # The kubelet, containerd and some forty containers watch files.
    "fs/inotify/max_user_instances": "1024",
}
_MADE_BY_US = re.compile(r"KUBE-|CNI-")
_SYS = Path("/proc/sys")


def cni_config(place: Place) -> dict[str, Any]:
    """What containerd's plugins are told: each pod is on the bridge, and has an address from `PODS`."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(place.network / "addresses"),
    }
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": addresses,
    }
    return {"cniVersion": "1.0.0", "name": "tradingmesh", "plugins": [bridge]}


def bring_up(place: Place) -> None:
    """Makes the bridge and sets what of the system has to be set, noting what it was. As it is, where it is there."""
    cni = place.network / "cni"
    cni.mkdir(exist_ok=True)
    (cni / "10-tradingmesh.conflist").write_text(json.dumps(cni_config(place)))
    noted = place.network / "sysctls.json"
    before = {name: (_SYS / name).read_text().strip() for name in SYSCTLS if (_SYS / name).exists()}
    if not noted.exists():
        noted.write_text(json.dumps(before))
    if not has_bridge():
        _ip("link", "add", BRIDGE, "address", BRIDGE_MAC, "type", "bridge")
        _ip("address", "add", f"{NODE}/{PODS.partition('/')[2]}", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
    for name in before:
        (_SYS / name).write_text(SYSCTLS[name])


def take_down(place: Place) -> None:
    """Undoes that, and takes away the rules that kube-proxy and the kubelet made."""
    for tool in ("iptables", "ip6tables"):
        saved = subprocess.run([f"{tool}-save"], capture_output=True, text=True, check=True, timeout=60).stdout
        kept = without_ours(saved)
        if kept != saved:
            subprocess.run([f"{tool}-restore"], input=kept, text=True, check=True, timeout=60)
    if has_bridge():
        _ip("link", "delete", BRIDGE)
    noted = place.network / "sysctls.json"
    if noted.exists():
        for name, value in json.loads(noted.read_text()).items():
            (_SYS / name).write_text(value)
    shutil.rmtree(place.network, ignore_errors=True)


def without_ours(rules: str) -> str:
    """What `iptables-save` printed, without Kubernetes' chains and what leads to them."""
    return "".join(line for line in rules.splitlines(keepends=True) if not _MADE_BY_US.search(line))


def has_bridge() -> bool:
    """Whether the bridge is there."""
    return Path("/sys/class/net", BRIDGE).exists()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)
