"""The whole mesh as real processes trades a tape, and the ledger is the broker's account to the last digit."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.processes

REAL_TAPE = Path(__file__).parents[3] / "shared" / "data"
IMPORTS_ALPACA = ("market-data-feed", "execution-engine")


def _check(report: dict[str, Any]) -> None:
    """What holds for every good run."""
    assert report["verdict"] == {"ok": True, "differences": []}
    ticks, risk, fills = report["ticks"], report["risk"], report["fills"]
    assert ticks["gaps"] == 0
    assert ticks["published"] > 1_000
    assert set(ticks["received"].values()) == {ticks["published"]}
    assert report["signals"] == risk["approved"] + sum(risk["refused"].values())
    assert report["orders"] > 0
    assert fills["broker"] > 0
    assert fills["applied"] == fills["broker"]
    assert (fills["lost"], fills["doubled"]) == (0, 0)
    assert report["positions"]["ledger"] == report["positions"]["broker"]
    assert Decimal(report["cash"]["ledger"]) == Decimal(report["cash"]["broker"])
    assert {"risk-check", "tick_to_signal", "order_ready", "order_post"} <= set(report["latency_us"])
    assert report["breaker"] == "Closed"


def _check_components(components: dict[str, dict[str, Any]]) -> None:
    assert len(components) == 10
    for name, component in components.items():
        assert (component["restarts"], component["exit_code"]) == (0, 0), name
        assert component["ready_s"] is not None
        if name != "alpaca-simulator":
            assert 10 < component["rss_mb"] <= (130 if name in IMPORTS_ALPACA else 80), name


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_generated_tape_is_traded(system: Any, transport: str) -> None:
    """Both transports: fills are made, each is booked once, nothing is missed, every process ends with 0."""
    system.spec["endpoints"]["transport"] = transport
    done = system.run("--duration", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    report = system.report()
    _check(report)
    _check_components(report["components"])
    assert report["signals"] > 10
    assert "right: nothing lost" in done.stdout
    assert done.stderr == ""
    stored = list((system.data_dir / "runs" / "latest" / "data").rglob("*.parquet"))
    assert stored


@pytest.mark.skipif(not REAL_TAPE.is_dir(), reason=f"the real tape is not at {REAL_TAPE}")
def test_a_real_tape_is_traded_to_the_cent(system: Any) -> None:
    """IBM and BAC on 2013-10-07, whole, as fast as the slowest takes it."""
    system.spec["riskLimits"]["maxOrdersPerMinute"] = 6_000
    done = system.run("--tape", f"{REAL_TAPE}@20131007", "--speed", "max")
    assert done.returncode == 0, done.stdout + done.stderr
    report = system.report()
    _check(report)
    run, published = report["run"], report["ticks"]["published"]
    assert run["tape_events"] == run["tape_length"] > 300_000
    minute_bars = published - run["tape_events"]
    assert 2 * 380 < minute_bars <= 2 * 390
