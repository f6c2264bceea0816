"""Where a cluster has everything: one folder of the checkout, which git ignores."""

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


class Place:
    """The files of a cluster. What is built once a machine is in `build_tools.cache` instead."""

    def __init__(self, folder: Path = CHECKOUT / "var" / "cluster") -> None:
        self.folder = folder
        self.pids = folder / "pids"
        self.logs = folder / "logs"
        self.certificates = folder / "certificates"
        self.kubeconfigs = folder / "kubeconfigs"
        self.settings = folder / "settings"
        self.etcd = folder / "etcd"
        self.containerd = folder / "containerd"
        self.kubelet = folder / "kubelet"
        self.network = folder / "network"
        self.volumes = folder / "volumes"

    @property
    def kubeconfig(self) -> Path:
        """An administrator's."""
        return self.folder / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd is asked for containers. 107 characters is the longest path that Linux has for a socket."""
        return self.containerd / "containerd.sock"

    def make(self) -> None:
        """Makes the folders that are filled before a program starts."""
        made = (self.pids, self.logs, self.certificates, self.kubeconfigs, self.settings, self.network, self.volumes)
        for folder in (self.folder, *made, self.containerd, self.kubelet):
            folder.mkdir(parents=True, exist_ok=True)
