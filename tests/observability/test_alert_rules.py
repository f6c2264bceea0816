"""Each alert fires when it should and not when it should not, as promtool evaluates it; and promtool would notice."""

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.observability.program import of_the_system, there
from tests.observability.rules import ALERTS, Series, fires, rules
from tradingmesh.contract import Component

ONE = 'system="demo", component="{}"'
SIMULATED = 'tradingmesh_component_info{system="demo", component="x", mode="simulated"}'
LIVE = 'tradingmesh_component_info{system="demo", component="x", mode="live"}'
A_DAY = 4 * 60 * 24


def of(name: str, component: str, more: str = "") -> str:
    """A series of the system that is watched here."""
    return f"tradingmesh_{name}{{{ONE.format(component)}{more}}}"


def links(channel: str) -> str:
    return of("links_lost_total", "risk-manager", f', channel="{channel}"')


def missed(count: str, received: str) -> Series:
    """Of what a subscriber was sent."""
    return {
        of("messages_missed_total", "feature-engine", ', channel="market-data"'): count,
        of("messages_received_total", "feature-engine", ', channel="market-data"'): received,
    }


def mesh(changed: Series) -> Series:
    """All components of a system for a day, but for those that are said to be otherwise."""
    known = {component.value: f"1x{A_DAY}" for component in Component if component is not Component.ALPACA_SIMULATOR}
    return {of("component_info", name, ', instance="1"'): values for name, values in {**known, **changed}.items()}


class Case(NamedTuple):
    """Series with which the alert must be like that, so long after they began: it fires, or is quiet."""

    alert: str
    must: str
    series: Series
    after_s: int = 300


ENGINE, RISK, COLLECTOR = "execution-engine", "risk-manager", "metrics-collector"
AGE = of("tick_age_seconds", "market-data-feed", ', symbol="IBM"')
OTHER_AGE = of("tick_age_seconds", "market-data-feed", ', symbol="KO"')
CASES = [
    Case("BreakerTripped", "fires", {of("breaker_state", RISK): "0x5 2x20"}),
    Case("BreakerTripped", "fires", {of("breaker_state", COLLECTOR): "0x5 2x20"}),
    Case("BreakerTripped", "quiet", {of("breaker_state", RISK): "1x30", of("breaker_state", COLLECTOR): "-1x30"}),
    Case("TradingHalted", "fires", {of("trading_state", COLLECTOR): "0x5 2x20"}),
    Case("TradingHalted", "quiet", {of("trading_state", COLLECTOR): "1x30"}),
    Case("ComponentDown", "quiet", mesh({})),
    Case("ComponentDown", "fires", mesh({RISK: "1x10 stale"})),
    Case("ComponentDown", "fires", mesh({RISK: "1x10 stale"}), 3 * 3_600),
    Case("ComponentDown", "fires", mesh({RISK: "_x30"})),
    Case("ComponentDown", "fires", mesh({"alpaca-simulator": "1x10 stale"})),
    Case("ComponentDown", "quiet", mesh({RISK: "1x17 stale"})),
    Case("ComponentDown", "fires", {of("component_info", RISK): "1x10 stale"}),
    Case("ComponentDown", "quiet", {of("component_info", RISK): "1x10 stale"}, 3_900),
    Case(
        "ComponentDown",
        "quiet",
        {
            **mesh({"fill-processor": "1x10 stale"}),
            of("component_info", "fill-processor", ', instance="2"'): f"1x{A_DAY}",
        },
    ),
    Case("FeedStale", "fires", {AGE: "0+15x30", SIMULATED: "1x30"}),
    Case("FeedStale", "quiet", {AGE: "0+15x30", OTHER_AGE: "0x30", SIMULATED: "1x30"}),
    Case("FeedStale", "quiet", {AGE: "50x30", SIMULATED: "1x30"}),
    Case("FeedStale", "quiet", {AGE: f"0+15x{A_DAY}", LIVE: f"1x{A_DAY}"}, 3 * 3_600),
    Case("FeedStale", "fires", {AGE: f"0+15x{A_DAY}", LIVE: f"1x{A_DAY}"}, 15 * 3_600),
    Case("FeedStale", "quiet", {AGE: f"0+15x{3 * A_DAY}", LIVE: f"1x{3 * A_DAY}"}, (2 * 24 + 15) * 3_600),
    Case("GapRate", "fires", missed("0+10x30", "0+1000x30")),
    Case("GapRate", "quiet", missed("0+1x30", "0+2000x30")),
    Case("GapRate", "quiet", missed("0x30", "0x30")),
    Case("SlowSubscriber", "fires", {of("slow_alarms_total", "feature-engine", ', channel="features"'): "0+1x30"}),
    Case("SlowSubscriber", "quiet", {of("slow_alarms_total", "feature-engine", ', channel="features"'): "0x10 1x20"}),
    Case("RiskTimeouts", "fires", {of("risk_timeouts_total", ENGINE): "0x10 4x20"}),
    Case("RiskTimeouts", "quiet", {of("risk_timeouts_total", ENGINE): "0x10 1x20"}),
    Case(
        "FillBacklog", "fires", {of("outbox_backlog", ENGINE): "1500x30", of("reports_acked_total", ENGINE): "0+50x30"}
    ),
    Case("FillBacklog", "fires", {of("outbox_backlog", ENGINE): "3x30", of("reports_acked_total", ENGINE): "7x30"}),
    Case(
        "FillBacklog", "quiet", {of("outbox_backlog", ENGINE): "900x30", of("reports_acked_total", ENGINE): "0+50x30"}
    ),
    Case("FillBacklog", "quiet", {of("outbox_backlog", ENGINE): "0x30", of("reports_acked_total", ENGINE): "7x30"}),
    Case("ReportsStuck", "fires", {of("reports_stuck", ENGINE): "1x30", of("report_gaps", RISK): "0x30"}),
    Case("ReportsStuck", "quiet", {of("reports_stuck", ENGINE): "0x30", of("report_gaps", RISK): "0x30"}),
    Case("ReportSetAside", "fires", {of("reports_set_aside_total", RISK): "0x10 1x20"}),
    Case("ReportSetAside", "quiet", {of("reports_set_aside_total", RISK): "3x30"}),
    Case("BrokerOutOfSync", "fires", {of("broker_in_sync", ENGINE): "0x30", of("broker_differing", ENGINE): "0x30"}),
    Case("BrokerOutOfSync", "fires", {of("broker_in_sync", ENGINE): "1x30", of("broker_differing", ENGINE): "1x30"}),
    Case("BrokerOutOfSync", "fires", {of("broker_in_sync", ENGINE): "1x30", of("ledger_differing", RISK): "1x30"}),
    Case(
        "BrokerOutOfSync", "quiet", {of("broker_in_sync", ENGINE): "1x18 0x10", of("broker_differing", ENGINE): "0x30"}
    ),
    Case("PositionUnquoted", "fires", {of("ledger_unquoted", RISK): "1x30"}),
    Case("PositionUnquoted", "quiet", {of("ledger_unquoted", RISK): "0x30"}),
    Case("BrokerApiBreakerOpen", "fires", {of("broker_api_breaker", ENGINE): "2x30"}),
    Case("BrokerApiBreakerOpen", "quiet", {of("broker_api_breaker", ENGINE): "1x30"}),
    Case("EngineFenced", "fires", {of("engine_fenced", ENGINE): "0x10 1x20"}),
    Case("EngineFenced", "quiet", {of("engine_fenced", ENGINE): "0x30"}),
    Case("JournalNotWritable", "fires", {of("journal_writable", RISK): "1x10 0x20"}),
    Case("JournalNotWritable", "quiet", {of("journal_writable", RISK): "1x30"}),
    Case("StrategyStopped", "fires", {of("strategies_stopped_total", "signal-generator"): "1x30"}),
    Case("StrategyStopped", "quiet", {of("strategies_stopped_total", "signal-generator"): "0x30"}),
    Case("LinkLost", "fires", {links("orders"): "0+1x30"}),
    Case("LinkLost", "quiet", {links("orders"): "0x10 3x20", links("fills"): "0x10 3x20"}),
]
"""promtool's clock begins on 1 January 1970 at midnight, a Thursday: the third day is a Saturday."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}-{case.must}")
def test_an_alert_fires_when_it_should(case: Case, tmp_path: Path) -> None:
    """And not when nothing is wrong, or what is wrong is over or too little."""
    assert fires(tmp_path, rules()[f"TradingMesh{case.alert}"], case.series, case.after_s) is (case.must == "fires")


@pytest.mark.parametrize("must", ["fires", "quiet"])
def test_every_alert_is_tried_both_ways(must: str) -> None:
    """A rule without a case that fires could be mute, one without a quiet case could cry for nothing."""
    assert {f"TradingMesh{case.alert}" for case in CASES if case.must == must} == set(rules())


@pytest.mark.parametrize(("expr", "does"), [("vector(0) > 1", "quiet"), ("vector(1)", "fires")])
def test_a_wrong_rule_is_noticed(expr: str, does: str, tmp_path: Path) -> None:
    """One that never fires fails each case that must, one that always does each that must not."""
    for case in CASES[:3]:
        rule = {**rules()[f"TradingMesh{case.alert}"], "expr": expr}
        assert fires(tmp_path, rule, case.series, case.after_s) is (does == "fires")


def test_promtool_takes_the_file() -> None:
    """Rules, templates and labels are as Prometheus wants them."""
    promtool = there(lambda: of_the_system("promtool"))
    done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
