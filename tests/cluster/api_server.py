"""A real Kubernetes API server for tests: etcd and kube-apiserver on loopback, with no node behind them.

It admits, validates, defaults, answers watches and checks RBAC as any cluster does; nothing runs in its pods. Who needs
owned objects collected, Deployments to make pods, or namespaces to vanish asks for the controllers as well.
"""

import json
import os
import secrets
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

import yaml

from tests.cluster.build_tools import build, etcd
from tests.cluster.flags import flags
from tests.cluster.waiting import until
from tradingmesh.cli.up_ports import counted_from

READY_WITHIN_S = 120.0
"""It takes some 8 s; a machine on which everybody works at once takes longer."""

_SERVICES = "10.96.0.0/16"
_CONTROLLERS = (
    "*,-nodeipam,-nodelifecycle,-node-route-controller,-cloud-node-lifecycle-controller,-service-lb-controller"
)


class ApiServer:
    """One API server with its etcd in a folder of its own. `close` ends what was started, by its process id.

    `kubeconfig` is an administrator's. A process that outlives neither a crash of the test nor `kill -9`: the kernel
    ends each with the process that started it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._token = secrets.token_hex(16)
        self._ports = counted_from(0)
        self._port = next(self._ports)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []
        self._tls: ssl.SSLContext | None = None
        self._keys()
        self._etcd()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def kubeconfig(self) -> Path:
        """An administrator's credentials for it."""
        return self.folder / "kubeconfig"

    @property
    def certificate(self) -> Path:
        """The certificate it shows, which its clients trust."""
        return self.folder / "certs" / "apiserver.crt"

    def start(self) -> None:
        """Starts it (again) and waits until it is ready. Raises `RuntimeError` with the end of its log if it is not."""
        self._run("kube-apiserver", str(build("kube-apiserver")), *self._api_options())
        self._until_ready("kube-apiserver", f"{self.url}/readyz")
        self.kubeconfig.write_text(self.kubeconfig_of(self._token))

    def start_controllers(self) -> None:
        """Starts kube-controller-manager, unless it runs: it collects owned objects and ends namespaces."""
        if "kube-controller-manager" in self._running:
            return
        options = {
            "kubeconfig": self.kubeconfig,
            "bind-address": "127.0.0.1",
            "secure-port": next(self._ports),
            "cert-dir": self.folder / "controller-certs",
            "service-account-private-key-file": self.folder / "service-accounts.pem",
            "root-ca-file": self.certificate,
            "leader-elect": "false",
            "controllers": _CONTROLLERS,
            "horizontal-pod-autoscaler-sync-period": "2s",
        }
        self._run("kube-controller-manager", str(build("kube-controller-manager")), *flags(options))

    def end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends `kube-apiserver`, `etcd` or `kube-controller-manager`, and waits until it is gone."""
        process = self._running.pop(name)
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def close(self) -> None:
        """Ends everything that was started here."""
        for name in reversed(list(self._running)):
            self.end(name, signal.SIGKILL)
        for log in self._logs:
            log.close()

    def kubeconfig_of(self, token: str) -> str:
        """A kubeconfig for whoever this bearer token is, as a service account's from `kubectl create token`."""
        cluster = {"server": self.url, "certificate-authority": str(self.certificate)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        return str(yaml.safe_dump(content))

    def kubectl(
        self, *arguments: str, stdin: object = None, check: bool = True, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl. What is given as `stdin` and is no text goes in as JSON. Raises `RuntimeError` if it fails."""
        given = stdin if stdin is None or isinstance(stdin, str) else json.dumps(stdin)
        done = subprocess.run(
            [str(build("kubectl")), *arguments],
            env={**os.environ, "KUBECONFIG": str(kubeconfig or self.kubeconfig), "HOME": str(self.folder)},
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done

    def read(self, path: str) -> dict[str, Any]:
        """What is at a path of the API; empty where there is nothing. Costs a hundredth of what kubectl does.

        Raises `OSError` where nobody answers, or refuses.
        """
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._trusted()) as answer:  # noqa: S310 - ours
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return {}
        return found

    def until_defined(self, name: str) -> None:
        """Waits until a CustomResourceDefinition is in force. `kubectl wait` gives up on one that is a moment old."""
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"

        def established() -> bool:
            told = self.read(path).get("status", {}).get("conditions") or []
            return any(one["type"] == "Established" and one["status"] == "True" for one in told)

        until(established, f"{name} in force")

    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self.certificate)
        return self._tls

    def _keys(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # system:masters may do everything; who wants less asks for a service account's token.
        (self.folder / "tokens.csv").write_text(f'{self._token},admin,admin,"system:masters"\n')
        key = ["openssl", "genrsa", "-out", str(self.folder / "service-accounts.pem"), "2048"]
        subprocess.run(key, check=True, capture_output=True, timeout=60)

    def _etcd(self) -> None:
        self._etcd_url, peers = (f"http://127.0.0.1:{next(self._ports)}" for _ in range(2))
        options = {
            "data-dir": self.folder / "etcd",
            "listen-client-urls": self._etcd_url,
            "advertise-client-urls": self._etcd_url,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
        }
        self._run("etcd", etcd(), *flags(options), "--unsafe-no-fsync")
        self._until_ready("etcd", f"{self._etcd_url}/health")

    def _api_options(self) -> list[str]:
        options = {
            "etcd-servers": self._etcd_url,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": self._port,
            "cert-dir": self.folder / "certs",
            "token-auth-file": self.folder / "tokens.csv",
            "authorization-mode": "Node,RBAC",
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": _SERVICES,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self.folder / "service-accounts.pem",
            "service-account-signing-key-file": self.folder / "service-accounts.pem",
            "enable-admission-plugins": "PodSecurity,ResourceQuota",
        }
        return flags(options)

    def _run(self, name: str, *command: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self._logs.append(log)
        # The kernel ends it with us: a killed test run leaves no server behind.
        self._running[name] = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command], stdout=log, stderr=log
        )

    def _until_ready(self, name: str, url: str) -> None:
        deadline_s = time.monotonic() + READY_WITHIN_S
        while not self._answers(url):
            if self._running[name].poll() is not None or time.monotonic() > deadline_s:
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                raise RuntimeError(f"{name} did not become ready:\n{log[-3000:]}")
            time.sleep(0.1)

    def _answers(self, url: str) -> bool:
        trusted = None
        if url.startswith("https:"):
            if not self.certificate.exists():
                return False
            trusted = self._trusted()
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=5, context=trusted) as answer:  # noqa: S310 - ours
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False
