"""The mesh with its journal in PostgreSQL: traded, judged and read again, and the database crashes meanwhile."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tradingmesh.testing.postgres_server import PostgresServer

pytestmark = pytest.mark.processes
STARTED_WITHIN_S = 60.0


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


def test_a_crash_of_the_database_loses_and_doubles_nothing(
    with_postgres: Any, postgres_server: PostgresServer, begin: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """Under trading: no process has to be restarted, the run is judged by that journal, and the command reads it."""
    with_postgres.spec["broker"]["simulator"] |= {"speed": 60, "duration": "240m", "ticksPerSecond": 10}
    running = begin("--duration", "5")
    assert running.stdout is not None
    folder = with_postgres.data_dir / "runs" / "latest"
    deadline_s = time.monotonic() + STARTED_WITHIN_S
    while not ((log := folder / "signal-generator.log").exists() and '"started"' in log.read_text()):
        assert running.poll() is None, running.stdout.read()
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    time.sleep(1.5)
    postgres_server.crash()
    time.sleep(0.7)
    postgres_server.start()
    said = running.stdout.read()
    assert running.wait(60) == 0, said
    report = with_postgres.report()
    assert (report["fills"]["lost"], report["fills"]["doubled"]) == (0, 0)
    assert report["fills"]["applied"] > 0
    assert report["components"]["risk-manager"]["restarts"] == 0
    assert "the journal can be written again" in (folder / "risk-manager.log").read_text()
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
