"""`tradingmesh run alpaca-simulator` as a process: it starts, says what is wrong, and stops clean."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import psutil
import pytest
import requests

from tradingmesh.cli.up_ports import counted_from

pytestmark = pytest.mark.processes

MANIFEST = """
apiVersion: tradingmesh.io/v1alpha1
kind: TradingSystem
metadata: {name: demo}
spec:
  symbols: [IBM, BAC]
  broker: {commissionPerShare: "0.01", simulator: {speed: max, duration: 1s, cash: "50000"}}
"""
KEYS = {"APCA_API_KEY_ID": "key-id", "APCA_API_SECRET_KEY": "secret"}
HEADERS = {"APCA-API-KEY-ID": "key-id", "APCA-API-SECRET-KEY": "secret"}
RSS_MAX_BYTES = 80 * 1024 * 1024
WAIT_S = 60.0

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(**environment)`: the process; it is killed at the end if it still runs."""
    manifest = tmp_path / "system.yaml"
    manifest.write_text(MANIFEST)
    started: list[subprocess.Popen[str]] = []

    def run(**environment: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TRADINGMESH", "APCA"))}
        process = subprocess.Popen(
            [sys.executable, "-m", "tradingmesh", "run", "alpaca-simulator"],
            env={**inherited, "TRADINGMESH_SYSTEM_FILE": str(manifest), **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=WAIT_S)


def wait_for(url: str, process: subprocess.Popen[str]) -> requests.Response:
    """The first good answer of the URL; fails when the process ends or takes too long."""
    give_up_s = time.monotonic() + WAIT_S
    while time.monotonic() < give_up_s:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            answer = requests.get(url, headers=HEADERS, timeout=WAIT_S)
            if answer.ok:
                return answer
        except requests.ConnectionError:
            time.sleep(0.02)
    raise AssertionError(f"{url} did not answer")


def test_it_serves_and_stops_clean(start: Start) -> None:
    """Ready, lean, one account as the manifest has it, the tape plays to its end; SIGTERM ends it with 0."""
    port, admin = islice(counted_from(0), 2)
    process = start(TRADINGMESH_SIMULATOR_PORT=str(port), TRADINGMESH_ADMIN_PORT=str(admin), **KEYS)
    assert wait_for(f"http://127.0.0.1:{admin}/readyz", process).json() == {"ready": True, "reasons": []}
    assert requests.get(f"http://127.0.0.1:{admin}/healthz", timeout=WAIT_S).ok
    assert wait_for(f"http://127.0.0.1:{port}/v2/account", process).json()["cash"] == "50000"
    requests.post(f"http://127.0.0.1:{port}/simulator/start", timeout=WAIT_S).raise_for_status()
    give_up_s = time.monotonic() + WAIT_S
    while not (status := requests.get(f"http://127.0.0.1:{admin}/configz", timeout=WAIT_S).json()["status"])["tape"][
        "done"
    ]:
        assert time.monotonic() < give_up_s
    assert status["tape"]["published"] == status["tape"]["total"] == 400
    order = {"symbol": "IBM", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}
    requests.post(f"http://127.0.0.1:{port}/v2/orders", json=order, headers=HEADERS, timeout=WAIT_S).raise_for_status()
    assert requests.get(f"http://127.0.0.1:{port}/simulator/state", timeout=WAIT_S).json()["commissions"] == "0.01"
    metrics = requests.get(f"http://127.0.0.1:{admin}/metrics", timeout=WAIT_S).text
    assert 'tradingmesh_tape_events_played_total{component="alpaca-simulator",system="' in metrics
    assert psutil.Process(process.pid).memory_info().rss < RSS_MAX_BYTES
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0


def test_a_port_that_is_taken_is_named(start: Start) -> None:
    """One line, exit 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = start(TRADINGMESH_SIMULATOR_PORT=port, TRADINGMESH_ADMIN_PORT="0", **KEYS)
        _, told = process.communicate(timeout=WAIT_S)
    assert process.returncode == 2
    assert told.startswith(f"tradingmesh: simulator port {port} cannot be used: ")
    assert told.count("\n") == 1


def test_without_keys_it_does_not_start(start: Start) -> None:
    """One line naming both variables, exit 2."""
    process = start(TRADINGMESH_SIMULATOR_PORT="0", TRADINGMESH_ADMIN_PORT="0", APCA_API_KEY_ID="key-id")
    _, told = process.communicate(timeout=WAIT_S)
    assert process.returncode == 2
    assert told.startswith("tradingmesh: APCA_API_KEY_ID and APCA_API_SECRET_KEY: ")
    assert told.count("\n") == 1
