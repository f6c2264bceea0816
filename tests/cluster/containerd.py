"""containerd: runs the containers, and keeps the images."""

import subprocess
from collections.abc import Sequence

from tests.cluster.place import Place

NAMESPACE = "k8s.io"
"""Where the kubelet has its images and containers."""
PAUSE = "localhost/tradingmesh/pause:1"
_CRI = "io.containerd.grpc.v1.cri"


def config(place: Place) -> str:
    """Its settings. Everything is under the cluster's folder.

    `restrict_oom_score_adj`: a machine without CAP_SYS_RESOURCE may not lower the score, and no sandbox would start.
    """
    folder = place.containerd
    return f"""version = 2
root = "{folder}/root"
state = "{folder}/state"

[grpc]
  address = "{place.containerd_socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"

[plugins."{_CRI}"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

  [plugins."{_CRI}".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."{_CRI}".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."{_CRI}".containerd.runtimes.runc.options]
        SystemdCgroup = false

  [plugins."{_CRI}".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{place.network}/cni"
"""


def command(place: Place) -> list[str]:
    """How it is started."""
    return ["containerd", "--config", str(place.settings / "containerd.toml")]


def ctr(place: Place, *arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Asks containerd. The answer's return code says whether it did."""
    asked = ["ctr", "--address", str(place.containerd_socket), "--namespace", NAMESPACE, *arguments]
    return subprocess.run(asked, capture_output=True, text=True, timeout=timeout_s, check=False)


def answers(place: Place) -> bool:
    """Whether it does."""
    return place.containerd_socket.exists() and ctr(place, "version").returncode == 0


def images(place: Place) -> set[str]:
    """The names of the images that it has."""
    return set(ctr(place, "images", "ls", "-q").stdout.split())


def end_containers(place: Place) -> None:
    """Kills and forgets every container, pods' sandboxes too. Images stay."""
    for name in _listed(place, "tasks", "ls", "-q"):
        ctr(place, "tasks", "delete", "--force", name)
    for name in _listed(place, "containers", "ls", "-q"):
        ctr(place, "containers", "delete", name)


def _listed(place: Place, *arguments: str) -> Sequence[str]:
    return ctr(place, *arguments).stdout.split()
