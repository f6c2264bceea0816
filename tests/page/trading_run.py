"""A whole mesh as `tradingmesh up` runs it, trading a generated tape for as long as a test looks at its page."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import requests
import yaml

from tradingmesh.cli.up_ports import counted_from

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
ENDS_WITHIN_S = 60.0
COLLECTOR = "metrics-collector"


class TradingRun:
    """The demo at a pace that lasts, on ports of its own. `close` ends it and keeps what `up` found."""

    def __init__(self, folder: Path) -> None:
        ports = counted_from(0)
        self.page_port, self._simulator_port = next(ports), next(ports)
        self._data, self._report = folder / "var", folder / "report.json"
        self._environment = {
            **os.environ,
            "TRADINGMESH_DATA_DIR": str(self._data),
            "TRADINGMESH_ADMIN_PORT": "0",
            "TRADINGMESH_SIMULATOR_PORT": str(self._simulator_port),
            "TRADINGMESH_PAGE_PORT": str(self.page_port),
        }
        up = ["up", "-f", str(_manifest(folder)), "--report", str(self._report)]
        self._said = (folder / "up.log").open("w+b")
        self._up = subprocess.Popen(
            [sys.executable, "-m", "tradingmesh", *up],
            env=self._environment,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.page_port}/"

    def said(self) -> str:
        """What `up` printed so far."""
        self._said.seek(0)
        return self._said.read().decode()

    def trades(self) -> bool:
        """Whether the broker has filled something. Fails where the run has ended."""
        assert self._up.poll() is None, self.said()
        try:
            return bool(self.account()[1])
        except (requests.ConnectionError, requests.Timeout):
            return False

    def account(self) -> tuple[Decimal, dict[str, Decimal]]:
        """Cash and positions that are not flat, as the broker itself has them."""
        state: dict[str, Any] = requests.get(f"http://{HOST}:{self._simulator_port}/simulator/state", timeout=10).json()
        return Decimal(state["cash"]), {symbol: Decimal(held) for symbol, held in state["positions"].items()}

    def command(self, *words: str) -> str:
        """Gives a command as a person would, who has read the file that `up` named; returns what it said."""
        lines = (self._data / "runs" / "latest" / "environment").read_text().splitlines()
        told = dict(shlex.split(line)[1].split("=", 1) for line in lines)
        command = [sys.executable, "-m", "tradingmesh", *words]
        given = subprocess.run(command, env=self._environment | told, capture_output=True, text=True, check=True)
        return given.stdout

    @contextmanager
    def without_collector(self) -> Iterator[None]:
        """Ends it as a crash does. `up` stands still meanwhile, and starts it again afterwards."""
        up, collector = psutil.Process(self._up.pid), self._process(COLLECTOR)
        up.suspend()
        try:
            collector.kill()
            yield
        finally:
            up.resume()

    @contextmanager
    def standing_still(self, component: str) -> Iterator[None]:
        """Every thread of the process stands still."""
        process = self._process(component)
        process.suspend()
        try:
            yield
        finally:
            process.resume()

    def _process(self, component: str) -> psutil.Process:
        children = psutil.Process(self._up.pid).children()
        [found] = [child for child in children if child.cmdline()[-1] == component]
        return found

    def close(self) -> dict[str, Any]:
        """Ends the run as Ctrl-C does; what `up` reports of it."""
        self._up.send_signal(signal.SIGINT)
        try:
            self._up.wait(ENDS_WITHIN_S)
        finally:
            self._up.kill()
            self._up.wait()
            said = self.said()
            self._said.close()
        assert self._report.exists(), said
        report: dict[str, Any] = json.loads(self._report.read_text())
        return report


def _manifest(folder: Path) -> Path:
    """The demo's, slower: its tape lasts for minutes."""
    system = yaml.safe_load((ROOT / "manifests" / "demo.yaml").read_text())
    system["spec"]["broker"]["simulator"] |= {"speed": 5, "duration": "40m"}
    system["spec"]["endpoints"]["transport"] = "ipc"
    path = folder / "system.yaml"
    path.write_text(yaml.safe_dump(system))
    return path
