"""Whether a cluster of our own can be on this machine."""

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.addresses import NODE
from tests.cluster.network import has_bridge

ELSEWHERE = (
    "`make cluster CLUSTER=kind` needs only a Docker engine and kind; E2E_KUBECONFIG names a cluster that is there"
)


def facts() -> dict[str, bool]:
    """What has to hold, each with the words for where it does not."""
    return {
        "this is not Linux": platform.system() == "Linux",
        "only root may start containers": os.geteuid() == 0,
        "the kernel has no overlay file system": "overlay" in _read("/proc/filesystems").split(),
        "the kernel has no control groups at /sys/fs/cgroup": _control_groups(),
        "a bridge cannot be made (ip link add type bridge)": _bridges(),
        "the kernel has no address translation (iptables -t nat)": _tries("iptables", "-t", "nat", "-L", "-n"),
        "bridged packets do not pass iptables (module br_netfilter)": Path("/proc/sys/net/bridge").exists(),
    }


def problems(found: Mapping[str, bool]) -> list[str]:
    """What does not hold."""
    return [words for words, holds in found.items() if not holds]


def refuse(words: list[str]) -> str:
    """Why there is no cluster, for a person."""
    return f"a cluster cannot be brought up here: {'; '.join(words)}.\n{ELSEWHERE}"


def taken() -> str:
    """Whose cluster is on this machine already, for the address is there only once."""
    return f"{NODE} is there, but not this checkout's cluster: another one's, end it with its own `make cluster-down`"


def _control_groups() -> bool:
    groups = Path("/sys/fs/cgroup")
    return (groups / "memory").is_dir() or (groups / "cgroup.controllers").exists()


def _bridges() -> bool:
    return has_bridge() or _tries("ip", "link", "add", "tm-try", "type", "bridge")


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""


def _tries(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    except FileNotFoundError:
        return False
    if command[:3] == ("ip", "link", "add"):
        subprocess.run(["ip", "link", "delete", command[3]], capture_output=True, timeout=30, check=False)
    return done.returncode == 0
