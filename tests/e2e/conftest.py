"""What the end-to-end tests share: manifests with free ports, and `tradingmesh up` as its user starts it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradingmesh.cli.up_ports import counted_from
from tradingmesh.contract import Channel

ENDS_WITHIN_S = 90
Spec = dict[str, Any]


def _spec() -> Spec:
    ports = counted_from(0)
    endpoints = {_camel(channel): {"port": next(ports)} for channel in Channel}
    return {
        "symbols": ["IBM", "BAC"],
        "broker": {
            "commissionPerShare": "0.0035",
            "simulator": {"tape": "generated", "seed": 7, "duration": "10m", "ticksPerSecond": 40, "speed": "max"},
        },
        "strategies": [
            {
                "name": "momentum",
                "uses": "ema-crossover",
                "symbols": ["IBM", "BAC"],
                "params": {"fast": 5, "slow": 20, "quantity": 300},
            },
            {
                "name": "reversion",
                "uses": "mean-reversion",
                "symbols": ["IBM"],
                "params": {"window": 100, "entry": "1.5"},
            },
        ],
        "endpoints": {"transport": "tcp", **endpoints},
        "riskLimits": {
            "maxOrderQuantity": 500,
            "maxOrderNotional": "100000",
            "maxPositionQuantity": 500,
            "maxPositionNotional": "200000",
            "maxGrossNotional": "400000",
            "maxDailyLoss": "50000",
            "maxOpenOrders": 20,
            "maxOrdersPerMinute": 600,
            "priceCollarPercent": "5",
            "maxQuoteAge": "10s",
        },
    }


def _camel(channel: Channel) -> str:
    head, *rest = channel.split("-")
    return head + "".join(word.title() for word in rest)


class System:
    """A manifest on disk, its run folder, and the command that runs it."""

    def __init__(self, folder: Path) -> None:
        self.spec = _spec()
        self.data_dir = folder / "var"
        self.report_file = folder / "report.json"
        self.environment = {
            **os.environ,
            "TRADINGMESH_DATA_DIR": str(self.data_dir),
            "TRADINGMESH_ADMIN_PORT": "0",
            "TRADINGMESH_SIMULATOR_PORT": "0",
        }
        self.file = folder / "system.yaml"

    def write(self) -> Path:
        """Writes the manifest as `spec` is now."""
        system = {
            "apiVersion": "tradingmesh.io/v1alpha1",
            "kind": "TradingSystem",
            "metadata": {"name": "test"},
            "spec": self.spec,
        }
        self.file.write_text(yaml.safe_dump(system))
        return self.file

    def command(self, *options: str) -> list[str]:
        """`tradingmesh up` of this manifest with a report."""
        up = [sys.executable, "-m", "tradingmesh", "up", "-f", str(self.write())]
        return [*up, "--report", str(self.report_file), *options]

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Runs it to its end."""
        return subprocess.run(
            self.command(*options),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN_S,
            check=False,
        )

    def report(self) -> dict[str, Any]:
        """The report that it wrote."""
        report: dict[str, Any] = json.loads(self.report_file.read_text())
        return report


@pytest.fixture
def system(tmp_path: Path) -> System:
    """A system that trades a generated tape at full speed on ports of its own."""
    return System(tmp_path)


Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def begin(system: System) -> Iterator[Begin]:
    """Starts `tradingmesh up` and leaves it running; whatever the test does, it is ended."""
    begun: list[subprocess.Popen[str]] = []

    def start(*options: str) -> "subprocess.Popen[str]":
        begun.append(
            subprocess.Popen(
                system.command(*options),
                env=system.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=ENDS_WITHIN_S)
        assert process.stdout is not None
        process.stdout.close()
