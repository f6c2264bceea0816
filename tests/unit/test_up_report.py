"""The report: its JSON has the agreed shape, and its verdict is right only where everything is."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tradingmesh.cli.up_audit import Account, Audit, Execution
from tradingmesh.cli.up_figures import Figures
from tradingmesh.cli.up_report import ComponentReport, Evidence, judge, report_of, summary, write_report
from tradingmesh.core.errors import ConfigError
from tradingmesh.core.signal import Side

FILL = ("fill-1", Execution("IBM", Side.BUY, Decimal(100), Decimal("20.05")))
ACCOUNT = Account(Decimal("997995.00"), {"IBM": Decimal(100)}, (FILL,))
FIGURES = Figures(
    published=1000,
    received={"risk-manager": 1000},
    signals=3,
    approved=2,
    refused={"duplicate": 1},
    orders=2,
    order_ends={"placed": 2},
    redelivered=1,
    cash="997995",
    breaker="Closed",
    latency_us={"risk-check": {"p50": 20.5, "p99": 80.0}},
)
GOOD = Evidence(
    run={"system": "demo"},
    figures=FIGURES,
    components={"risk-manager": ComponentReport(50.1, 0.31, 0, 0)},
    ledger=ACCOUNT,
    broker=ACCOUNT,
    audit=Audit(0, 0, ()),
    lossless=True,
    problems=(),
)


def test_the_json_has_the_agreed_shape(tmp_path: Path) -> None:
    """Every field that the issue names, money as exact text."""
    path = tmp_path / "report.json"
    write_report(report_of(GOOD), path)
    report = json.loads(path.read_text())
    assert report["ticks"] == {"published": 1000, "received": {"risk-manager": 1000}, "gaps": 0}
    assert report["signals"] == 3
    assert report["risk"] == {"approved": 2, "refused": {"duplicate": 1}}
    assert report["orders"] == 2
    assert report["fills"] == {"broker": 1, "applied": 1, "lost": 0, "doubled": 0, "redelivered": 1}
    assert report["positions"] == {"ledger": {"IBM": "100"}, "broker": {"IBM": "100"}}
    assert report["cash"] == {"ledger": "997995", "broker": "997995"}
    assert report["latency_us"] == {"risk-check": {"p50": 20.5, "p99": 80.0}}
    assert report["breaker"] == "Closed"
    assert report["verdict"] == {"ok": True, "differences": []}
    risk_manager = {"rss_mb": 50.1, "ready_s": 0.31, "restarts": 0, "exit_code": 0}
    assert report["components"] == {"risk-manager": risk_manager}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"audit": Audit(1, 0, ("1 fill lost",))}, "1 fill lost"),
        ({"problems": ("a report was set aside",)}, "a report was set aside"),
        ({"figures": replace(FIGURES, gaps=2)}, "2 ticks were missed at speed max, where none may be"),
        (
            {"figures": replace(FIGURES, cash="997995.01")},
            "cash: the risk manager showed 997995.01, its journal has 997995",
        ),
        (
            {"components": {"risk-manager": ComponentReport(50.1, 0.31, 0, -9)}},
            "risk-manager: ended with -9 instead of 0",
        ),
    ],
)
def test_anything_that_is_not_right_is_named(change: dict[str, Any], sentence: str) -> None:
    """And then the run is not right."""
    verdict = judge(replace(GOOD, **change))
    assert not verdict.ok
    assert verdict.differences == (sentence,)


def test_gaps_are_right_where_the_tape_keeps_its_own_time() -> None:
    """Market data may drop, never silently: only a tape at speed max waits for its slowest subscriber."""
    assert judge(replace(GOOD, lossless=False, figures=replace(FIGURES, gaps=2))).ok


def test_restarts_are_told_and_do_not_make_a_run_wrong() -> None:
    """What counts is that nothing was lost by them, and that the end was clean."""
    restarted = replace(GOOD, components={"risk-manager": ComponentReport(50.1, 0.31, 2, 0)})
    assert judge(restarted).ok
    assert report_of(restarted).components["risk-manager"].restarts == 2


def test_without_a_simulator_the_account_is_not_compared() -> None:
    """Paper and live: the broker's side is null."""
    report = report_of(replace(GOOD, broker=None))
    assert report.positions.broker is None
    assert report.cash.broker is None
    assert report.fills.broker == 1
    assert "was not compared" in summary(report)[-1]


def test_the_summary_is_short_and_ends_with_the_verdict() -> None:
    """A person sees the counts, the money, and whether it is right."""
    lines = summary(report_of(GOOD))
    assert len(lines) < 12
    assert "3: 2 approved, 1 refused (duplicate 1)" in lines[1]
    assert lines[-1] == "right: nothing lost, nothing doubled, the ledger is the broker's account"


def test_the_summary_of_a_wrong_run_says_what_differs() -> None:
    """One line for each difference."""
    wrong = summary(report_of(replace(GOOD, audit=Audit(1, 0, ("1 fill lost", "cash: differs")))))
    assert wrong[-2:] == ["WRONG: 1 fill lost", "WRONG: cash: differs"]


def test_a_report_that_cannot_be_written_names_the_option(tmp_path: Path) -> None:
    """And leaves nothing half written."""
    with pytest.raises(ConfigError, match=r"^--report .*report.json: No such file or directory$"):
        write_report(report_of(GOOD), tmp_path / "missing" / "report.json")
