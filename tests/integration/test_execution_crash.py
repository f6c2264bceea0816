"""The execution engine as a process, killed again and again while it trades with the simulator.

The truth is the simulator's own account: every fill of it must have been reported once in effect, in an unbroken
sequence, and no signal may have become two orders. The test plays the signal generator, the risk manager and the fill
processor; it forgets acknowledgements and repeats signals, as a bad day would.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
import zmq

from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.cli.up_ports import counted_from
from tradingmesh.contract import Component
from tradingmesh.core.fills import Fill, OrderClosed, Report
from tradingmesh.core.signal import Side
from tradingmesh.runtime.settings import load_manifest
from tradingmesh.testing.execution_peers import ExecutionPeers

pytestmark = pytest.mark.processes
SEED = 20240103
SIGNALS = 60
KILLS = 3
WAIT_S = 30.0
HEADERS = {"APCA-API-KEY-ID": "key-id", "APCA-API-SECRET-KEY": "secret"}
Symbols = dict[str, dict[int, Report]]


class Mesh:
    """Two processes and the peers between them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.broker_port, self.broker_admin, self.admin = islice(counted_from(0), 3)
        self.manifest = folder / "system.yaml"
        spec = {
            "symbols": ["IBM", "BAC"],
            "endpoints": {"transport": "ipc", "fills": {"redeliverAfter": "100ms"}},
            "broker": {"simulator": {"speed": 20, "duration": "30m", "ticksPerSecond": 20}},
        }
        head = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "crash"}}
        self.manifest.write_text(yaml.safe_dump({**head, "spec": spec}))
        endpoints = load_manifest(self.manifest).spec.endpoints
        self._factories = [
            SocketFactory(component, endpoints, ipc_dir=folder)
            for component in (Component.SIGNAL_GENERATOR, Component.RISK_MANAGER, Component.FILL_PROCESSOR)
        ]
        generator, risk, processor = self._factories
        self.peers = ExecutionPeers(generator, risk, processor, self.wait)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._log = (folder / "log").open("wb")
        self.reports: Symbols = {}
        self.asked: list[str] = []
        self.random = random.Random(SEED)  # noqa: S311 - replayable is what it must be

    def start(self, component: Component, admin: int, secret: str = "secret") -> subprocess.Popen[bytes]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TRADINGMESH", "APCA"))}
        settings = {
            "SYSTEM_FILE": self.manifest,
            "DATA_DIR": self._folder,
            "IPC_DIR": self._folder,
            "ADMIN_PORT": admin,
            "SIMULATOR_PORT": self.broker_port,
        }
        environment = {f"TRADINGMESH_{name}": str(value) for name, value in settings.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", "tradingmesh", "run", component.value],
            env={**inherited, "APCA_API_KEY_ID": "key-id", "APCA_API_SECRET_KEY": secret, **environment},
            stdout=self._log,
            stderr=self._log,
        )
        self._processes.append(process)
        return process

    def log(self) -> str:
        return (self._folder / "log").read_text()[-4_000:]

    def wait(self, condition: Callable[[], object]) -> None:
        """Plays the peers until the condition holds."""
        give_up_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < give_up_s, self.log()
            assert {process.poll() for process in self._processes} <= {None, -signal.SIGKILL}, self.log()
            self.play(0.02)

    def play(self, for_s: float) -> None:
        """Answers every risk check, takes every report, and acknowledges two of three."""
        until_s, peers = time.monotonic() + for_s, self.peers
        poller = zmq.Poller()
        for one in (peers.risk, peers.fills):
            poller.register(one, zmq.POLLIN)
        while (left_s := until_s - time.monotonic()) > 0:
            ready = dict(poller.poll(max(1, int(left_s * 1_000))))
            if peers.risk in ready:
                request = peers.request()
                self.asked.append(request.request_id)
                peers.answer(request)
            while peers.reports_wait:
                while peers.reports_wait:
                    self._take(peers.report())

    def _take(self, report: Report) -> None:
        line = self.reports.setdefault(report.body.symbol, {})
        assert line.setdefault(report.symbol_sequence, report) == report, "one place in the sequence, two reports"
        if self.random.random() < 0.66 and self.peers.acks.poll(0, zmq.POLLOUT):
            self.peers.ack(report)

    def signal(self, number: int) -> None:
        self.peers.signal(
            number,
            symbol="IBM" if number % 2 else "BAC",
            side=Side.BUY if self.random.random() < 0.6 else Side.SELL,
            quantity=self.random.choice([1, 50, 700]),
            valid_s=2.0,
            repeat=self.random.choice([1, 1, 2]),
        )

    def ready(self, admin: int) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{admin}/readyz", timeout=2).ok
        except requests.RequestException:
            return False

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = requests.get(f"http://127.0.0.1:{self.admin}/configz", timeout=5).json()["status"]
        return status

    def broker(self, path: str, **params: str) -> Any:
        answer = requests.get(f"http://127.0.0.1:{self.broker_port}{path}", params, headers=HEADERS, timeout=5)
        answer.raise_for_status()
        return answer.json()

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait(10)
        for factory in self._factories:
            factory.close()
        self._log.close()


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    made = Mesh(tmp_path)
    yield made
    made.close()


def activities(mesh: Mesh) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while page := mesh.broker("/v2/account/activities/FILL", direction="asc", page_size="100", **token):
        found += page
        token = {"page_token": page[-1]["id"]}
    return found


def test_killed_again_and_again(mesh: Mesh) -> None:
    """Fills lost 0, doubled 0; orders doubled 0; every order that ended is closed once; then a clean stop."""
    print(f"seed {SEED}")
    simulator = mesh.start(Component.ALPACA_SIMULATOR, mesh.broker_admin)
    mesh.wait(lambda: mesh.ready(mesh.broker_admin))
    requests.post(f"http://127.0.0.1:{mesh.broker_port}/simulator/start", timeout=5).raise_for_status()
    engine = mesh.start(Component.EXECUTION_ENGINE, mesh.admin)
    mesh.wait(lambda: mesh.ready(mesh.admin))
    kill_at = {SIGNALS * (number + 1) // (KILLS + 1) for number in range(KILLS)}
    for number in range(1, SIGNALS + 1):
        mesh.signal(number)
        mesh.play(mesh.random.uniform(0, 0.03))
        if number in kill_at:
            engine.send_signal(signal.SIGKILL)
            engine.wait(30)
            engine = mesh.start(Component.EXECUTION_ENGINE, mesh.admin)
            mesh.wait(lambda: mesh.ready(mesh.admin))
    mesh.wait(lambda: mesh.status()["backlog"] == 0 and not mesh.status()["orders_open"])
    assert mesh.ready(mesh.admin)

    orders = mesh.broker("/v2/orders", status="all", limit="500")
    clients = [order["client_order_id"] for order in orders]
    assert len(set(clients)) == len(clients) >= SIGNALS // 2
    assert set(clients) <= set(mesh.asked)
    reports = [report for line in mesh.reports.values() for report in line.values()]
    for line in mesh.reports.values():
        assert sorted(line) == list(range(1, len(line) + 1))
    booked = [report.body for report in reports if isinstance(report.body, Fill)]
    executed = activities(mesh)
    figures = sorted((a["order_id"], Decimal(a["cum_qty"]), Decimal(a["qty"]), Decimal(a["price"])) for a in executed)
    assert sorted((f.order_id, f.cumulative_quantity, f.quantity, f.price) for f in booked) == figures
    assert len(executed) > SIGNALS // 2
    closed = [report.body for report in reports if isinstance(report.body, OrderClosed)]
    ends = {body.client_order_id: body.filled_quantity for body in closed}
    assert len(ends) == len(closed)
    assert {order["client_order_id"]: Decimal(order["filled_qty"]) for order in orders}.items() <= ends.items()
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(30) == 0
    assert simulator.poll() is None


def test_wrong_keys_are_said_once(mesh: Mesh) -> None:
    """Alive and not ready, with a reason that names the variables; no storm of attempts, no storm of lines."""
    mesh.start(Component.ALPACA_SIMULATOR, mesh.broker_admin)
    mesh.wait(lambda: mesh.ready(mesh.broker_admin))
    engine = mesh.start(Component.EXECUTION_ENGINE, mesh.admin, secret="wrong")

    def reasons() -> list[str]:
        try:
            told: list[str] = requests.get(f"http://127.0.0.1:{mesh.admin}/readyz", timeout=2).json()["reasons"]
        except requests.RequestException:
            return []
        return told

    mesh.wait(lambda: any("refuses the keys" in reason for reason in reasons()))
    assert "APCA_API_SECRET_KEY" in reasons()[0]
    mesh.play(2.0)
    lines = [line for line in mesh.log().splitlines() if "execution-engine" in line and "keys" in line.lower()]
    assert len(lines) <= 2  # one of the stream, one of REST
    assert requests.get(f"http://127.0.0.1:{mesh.admin}/healthz", timeout=2).ok
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(30) == 0


def test_broker_that_comes_late(mesh: Mesh) -> None:
    """Without a broker the engine lives and is not ready; it becomes ready when there is one."""
    mesh.start(Component.EXECUTION_ENGINE, mesh.admin)
    mesh.wait(lambda: "cannot connect" in mesh.log())
    assert not mesh.ready(mesh.admin)
    mesh.start(Component.ALPACA_SIMULATOR, mesh.broker_admin)
    mesh.wait(lambda: mesh.ready(mesh.admin))
