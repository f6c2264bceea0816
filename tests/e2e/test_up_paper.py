"""`tradingmesh up` in mode paper: no simulator of its own, the keys from the environment, the ledger kept."""

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import yaml

from tradingmesh.cli.up_ports import counted_from
from tradingmesh.cli.up_watch import fetch

pytestmark = pytest.mark.processes

KEYS = {"APCA_API_KEY_ID": "key", "APCA_API_SECRET_KEY": "secret"}


@pytest.fixture
def alpaca(system: Any) -> Iterator[int]:
    """Somebody else's broker: a simulator that `up` knows nothing of. Gives its port."""
    port, admin_port = islice(counted_from(0), 2)
    file = system.write().with_name("alpaca.yaml")
    manifest = yaml.safe_load(system.file.read_text())
    manifest["spec"]["broker"]["simulator"] |= {"speed": 10}
    file.write_text(yaml.safe_dump(manifest))
    environment = {
        **system.environment,
        **KEYS,
        "TRADINGMESH_SYSTEM_FILE": str(file),
        "TRADINGMESH_ADMIN_PORT": str(admin_port),
        "TRADINGMESH_SIMULATOR_PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tradingmesh", "run", "alpaca-simulator"], env=environment, stderr=subprocess.DEVNULL
    )
    deadline_s = time.monotonic() + 60
    while fetch(admin_port, "/readyz") is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    yield port
    process.terminate()
    assert process.wait(20) == 0


def test_paper_runs_at_a_broker_of_its_own(system: Any, alpaca: int) -> None:
    """Nine processes drain and end with 0; what is not compared is said; the ledger is kept outside the run folder."""
    system.spec["mode"] = "paper"
    system.spec["broker"] = {
        "kind": "alpaca",
        "tradingUrl": f"http://127.0.0.1:{alpaca}",
        "tradingStreamUrl": f"ws://127.0.0.1:{alpaca}/stream",
        "dataStreamUrl": f"ws://127.0.0.1:{alpaca}/v2/iex",
    }
    without_keys = system.run()
    assert without_keys.returncode == 2
    assert "APCA_API_KEY_ID" in without_keys.stderr
    system.environment |= KEYS
    done = system.run("--duration", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    report = system.report()
    assert len(report["components"]) == 9
    assert "alpaca-simulator" not in report["components"]
    assert report["ticks"]["published"] > 100
    # The tape is of another year: no quote of it is fresh by the wall clock, which is the market's clock in mode paper.
    assert set(report["risk"]["refused"]) <= {"quote-age"}
    assert report["cash"] == {"ledger": "0", "broker": None}
    assert "was not compared" in done.stdout
    assert (system.data_dir / "systems" / "test" / "risk-manager" / "risk.journal").exists()
