"""The mesh with its journal in PostgreSQL: traded, judged and read again, and the database crashes meanwhile."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tradingmesh.testing.postgres_server import PostgresServer

pytestmark = pytest.mark.processes
WITHIN_S = 30.0


@pytest.fixture
def with_postgres(system: Any, postgres_server: PostgresServer) -> Any:
    """The system with its journal there."""
    system.spec["persistence"] = {"postgres": {"urlSecretRef": {"name": "pg", "key": "url"}}}
    system.environment["TRADINGMESH_POSTGRES_URL"] = postgres_server.url
    return system


def _journal(system: Any, command: str) -> str:
    """`tradingmesh journal` of the last run, in a shell that knows it."""
    told = f". {system.data_dir}/runs/latest/environment; {sys.executable} -m tradingmesh journal {command}"
    shell = ["sh", "-c", told]
    return subprocess.run(shell, env=system.environment, capture_output=True, text=True, check=True, timeout=60).stdout


def _until_said(log: Path, words: str) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while words not in log.read_text():
        assert time.monotonic() < deadline_s, log.read_text()[-2_000:]
        time.sleep(0.05)


def test_a_crash_of_the_database_loses_and_doubles_nothing(
    with_postgres: Any, postgres_server: PostgresServer, begin: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """Under trading: no process has to be restarted, the run is judged by that journal, and the command reads it."""
    with_postgres.spec["broker"]["simulator"] |= {"speed": 60, "duration": "240m", "ticksPerSecond": 10}
    running = begin()
    assert running.stdout is not None
    folder = with_postgres.data_dir / "runs" / "latest"
    for line in running.stdout:
        if any(int(fills) for fills in re.findall(r"  fills \d+/(\d+)", line)):
            break
    postgres_server.crash()
    _until_said(folder / "risk-manager.log", "the journal cannot be written")
    postgres_server.start()
    _until_said(folder / "risk-manager.log", "the journal can be written again")
    running.send_signal(signal.SIGINT)
    said = running.stdout.read()
    assert running.wait(60) == 0, said
    report = with_postgres.report()
    assert (report["fills"]["lost"], report["fills"]["doubled"]) == (0, 0)
    assert report["fills"]["applied"] > 0
    assert report["components"]["risk-manager"]["restarts"] == 0
    assert list(folder.rglob("risk.journal*")) == []
    assert _journal(with_postgres, "verify").startswith("PostgreSQL schema test-")
    shown = [json.loads(line) for line in _journal(with_postgres, "show").splitlines()]
    bodies = [record["booked"]["report"]["body"]["type"] for record in shown if record["type"] == "report-booked"]
    assert bodies.count("fill") == report["fills"]["applied"]


def test_without_its_url_nothing_is_started(with_postgres: Any) -> None:
    """The variable is named, before any process starts."""
    del with_postgres.environment["TRADINGMESH_POSTGRES_URL"]
    done = with_postgres.run()
    assert done.returncode == 2
    assert "environment: TRADINGMESH_POSTGRES_URL is not set" in done.stderr
    assert not (with_postgres.data_dir / "runs").exists()
