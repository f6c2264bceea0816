"""A whole Kubernetes of one node on this machine: brought up, asked, and ended without a trace.

`up` starts what does not run and waits until the node is ready; what runs is left alone, so it may be called again.
What was started goes on when this process has ended. `down` ends it by the process ids that were noted.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import (
    able,
    base_images,
    certificates,
    containerd,
    control_plane,
    loading,
    mounts,
    network,
    node,
    packages,
    storage,
)
from tests.cluster.addresses import NODE_NAME
from tests.cluster.build_tools import build
from tests.cluster.kubeconfig import kubeconfig_of, write_private
from tests.cluster.place import Place
from tests.cluster.processes import Processes

READY_WITHIN_S = 180.0
"""It takes some 20 s; a machine on which everybody works at once takes longer."""
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
_MANIFESTS = Path(__file__).parent / "manifests"
_LOOK_EVERY_S = 0.2


class Cluster:
    """The cluster of a checkout."""

    def __init__(self, place: Place | None = None) -> None:
        self.place = place or Place()
        self._processes = Processes(self.place.pids, self.place.logs)

    def up(self) -> None:
        """Brings it up. Raises `SystemExit` where that cannot be, `RuntimeError` with a log's end where it fails."""
        self._prepare()
        self._control_plane()
        self._node()
        self._furnish()

    def down(self) -> None:
        """Ends it, and takes away everything but the images: they need not be loaded again."""
        # The kubelet first, or it would start anew what is ended.
        for name in ("kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager"):
            self._processes.end(name)
        if containerd.answers(self.place):
            containerd.end_containers(self.place)
        for name in ("containerd", "kube-apiserver", "etcd", *self._processes.names()):
            self._processes.end(name)
        mounts.undo(self.place.folder)
        node.forget_logs(self.place)
        if self.place.network.exists():
            network.take_down(self.place)
        self._forget()

    def running(self) -> dict[str, int | None]:
        """The process id of each program that was started; None of one that has ended."""
        return {name: self._processes.running(name) for name in self._processes.names()}

    def kubectl(self, *arguments: str, stdin: object = None) -> str:
        """Runs kubectl as an administrator. Raises `RuntimeError` where it fails."""
        done = subprocess.run(
            [str(build("kubectl")), *arguments],
            env={**os.environ, "KUBECONFIG": str(self.place.kubeconfig)},
            input=None if stdin is None else json.dumps(stdin),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    # Bringing it up

    def _prepare(self) -> None:
        packages.need(*packages.CLUSTER)
        if words := able.problems(able.facts()):
            raise SystemExit(able.refuse(words))
        if network.has_bridge() and not self.place.network.exists():
            raise SystemExit(able.taken())
        for program in PROGRAMS:
            build(program)
        self.place.make()
        certificates.make_all(self.place.certificates)
        for name in control_plane.CLIENTS:
            write_private(self.place.kubeconfigs / name, kubeconfig_of(self.place.certificates, name))
        write_private(self.place.kubeconfig, kubeconfig_of(self.place.certificates, "admin"))
        (self.place.settings / "containerd.toml").write_text(containerd.config(self.place))
        (self.place.settings / "kubelet.yaml").write_text(yaml.safe_dump(node.kubelet_config(self.place)))
        (self.place.settings / "kube-proxy.yaml").write_text(yaml.safe_dump(node.proxy_config(self.place)))
        network.bring_up(self.place)

    def _control_plane(self) -> None:
        self._processes.start("etcd", control_plane.etcd_command(self.place))
        self._processes.start("containerd", containerd.command(self.place))
        self._processes.start("kube-apiserver", control_plane.api_server_command(self.place))
        self._until(self._api_ready, "kube-apiserver")
        self._processes.start("kube-controller-manager", control_plane.controller_manager_command(self.place))
        self._processes.start("kube-scheduler", control_plane.scheduler_command(self.place))

    def _node(self) -> None:
        self._until(lambda: containerd.answers(self.place), "containerd")
        own = [base_images.make_pause(), base_images.make_coredns()]
        loading.load(self.place, {name: name for name in own})
        self._processes.start("kubelet", node.kubelet_command(self.place))
        self._processes.start("kube-proxy", node.proxy_command(self.place))
        self._until(self._node_ready, "kubelet")

    def _furnish(self) -> None:
        """Volumes and names, without which nothing of the product starts."""
        volumes = json.loads(self.kubectl("get", "persistentvolumes", "-o", "json"))["items"]
        released = storage.let_go(volumes)
        if released:
            self.kubectl("delete", "persistentvolumes", *released)
            for name in released:
                storage.empty(self.place, name)
        there = {volume["metadata"]["name"] for volume in volumes} - set(released)
        lacking = [name for name in storage.names() if name not in there]
        if lacking:
            self.kubectl("create" if not there else "apply", "-f", "-", stdin=storage.shelf(self.place, lacking))
        self.kubectl("apply", "--server-side", "-f", str(_MANIFESTS / "dns.yaml"))
        self.kubectl("rollout", "status", "--namespace", "kube-system", "deployment/coredns", "--timeout=100s")

    def _api_ready(self) -> bool:
        return self._says("ok", "get", "--raw", "/readyz", "--request-timeout=5s")

    def _node_ready(self) -> bool:
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        return self._says("True", "get", "node", NODE_NAME, "-o", f"jsonpath={ready}")

    def _says(self, wanted: str, *arguments: str) -> bool:
        try:
            return self.kubectl(*arguments).strip() == wanted
        except RuntimeError:
            return False

    def _until(self, condition: Callable[[], bool], program: str) -> None:
        deadline_s = time.monotonic() + READY_WITHIN_S
        while not condition():
            ended = [name for name, pid in self.running().items() if pid is None]
            if ended or time.monotonic() > deadline_s:
                name = ended[0] if ended else program
                raise RuntimeError(f"{name} did not become ready:\n{self._processes.last_words(name)}")
            time.sleep(_LOOK_EVERY_S)

    def _forget(self) -> None:
        images = self.place.containerd
        for path in self.place.folder.glob("*"):
            if path in (images, self.place.logs):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def nodes(cluster: Cluster) -> list[dict[str, Any]]:
    """What the API server says of the cluster's nodes."""
    found: list[dict[str, Any]] = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    return found
