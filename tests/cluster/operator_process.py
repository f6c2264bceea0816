"""The operator as a process of its own, as its image starts it."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.cluster.api_server import ApiServer
from tests.cluster.build_tools import build
from tests.cluster.waiting import until
from tradingmesh.cli.up_ports import counted_from


class OperatorProcess:
    """Runs against a test's API server. What is read of it comes from its own metrics."""

    def __init__(
        self, server: ApiServer, charts: Path, log: Path, *, kubeconfig: Path | None = None, **told: str
    ) -> None:
        self.server = server
        self._port = next(counted_from(0))
        self.log = log
        settings = {
            "HELM": str(build("helm")),
            "CHARTS": str(charts),
            "ADMIN_PORT": str(self._port),
            "IMAGE_TAG": "test",
            "NAMESPACE": "default",
            "LEASE_DURATION_S": "12",
            "DRAIN_TIMEOUT_S": "4",
            **told,
        }
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig or server.kubeconfig),
            **{f"TRADINGMESH_OPERATOR_{name}": value for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True) -> None:
        """Starts it, and waits until it works; unready, only until it answers."""
        with self.log.open("ab") as log:
            # The kernel ends it with us: a killed test run leaves no operator behind.
            command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "tradingmesh_operator"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        try:
            until(
                lambda: self.metric("leading") == 1.0 if ready else self.answers("healthz"),
                "an operator that works",
                90,
            )
        except AssertionError:
            self.end(signal.SIGKILL)
            raise AssertionError(self.log.read_text()[-3000:]) from None

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ends it and returns its exit code."""
        assert self._process is not None
        self._process.send_signal(how)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def send(self, how: signal.Signals) -> None:
        """Sends it a signal."""
        assert self._process is not None
        self._process.send_signal(how)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def memory_mb(self) -> float:
        """Its resident memory."""
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def cpu_s(self) -> float:
        """The processor time that it has used, without that of helm."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def answers(self, path: str) -> bool:
        """Whether that path answers well."""
        try:
            return bool(self._get(path))
        except urllib.error.HTTPError:
            return False

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all its series with these labels; 0 where there is none or nobody answers."""
        total = 0.0
        for line in self._get("metrics").splitlines():
            series, _, value = line.rpartition(" ")
            head, _, rest = series.partition("{")
            wanted = all(f'{label}="{text}"' in rest for label, text in labels.items())
            if head == f"tradingmesh_operator_{name}" and wanted:
                total += float(value)
        return total

    def _get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError:
            raise
        except OSError:
            return ""
