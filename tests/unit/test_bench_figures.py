"""What a benchmark reports: ratios, goals, medians, and the table and JSON that people and machines get."""

import io
import json

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from tradingmesh.bench.figures import Goal, Report, best, medians, row
from tradingmesh.cli import bench
from tradingmesh.cli.app import app


@pytest.mark.parametrize(
    ("goal", "value", "yardstick", "text", "met"),
    [
        (Goal("ratio", 0.8), 90.0, 100.0, "≥ 0.8 x", True),
        (Goal("ratio", 0.8), 79.0, 100.0, "≥ 0.8 x", False),
        (Goal("ratio", 1.4, at_most=True), 140.0, 100.0, "≤ 1.4 x", True),
        (Goal("ratio", 1.4, at_most=True), 141.0, 100.0, "≤ 1.4 x", False),
        (Goal("value", 100), 100.0, None, "≥ 100 K/s", True),
        (Goal("value", 30, at_most=True), 31.0, 1.0, "≤ 30 K/s", False),
        (Goal("ratio", 10), 5.0, None, "≥ 10 x", None),
    ],
)
def test_a_goal_is_met_or_not(goal: Goal, value: float, yardstick: float | None, text: str, met: object) -> None:
    """By the figure itself or by its ratio; without a yardstick nobody can tell."""
    made = row("figure", "K/s", value, beside=("yardstick", yardstick), goal=goal)
    assert (made.goal, made.met) == (text, met)
    assert made.ratio == (value / yardstick if yardstick else None)


def test_contestants_take_turns_and_the_median_counts() -> None:
    """One run each a round, in order; a round that went wrong for one does not carry its figure."""
    ran: list[str] = []
    values = {"a": iter([1.0, 100.0, 3.0]), "b": iter([5.0, 5.0, 5.0])}

    def contestant(name: str) -> float:
        ran.append(name)
        return next(values[name])

    measured = medians({name: lambda name=name: contestant(name) for name in values}, rounds=3)  # type: ignore[misc]
    assert measured == {"a": 3.0, "b": 5.0}
    assert ran == ["a", "b"] * 3


def test_the_best_round_counts_for_what_only_computes() -> None:
    """The highest rate of each contestant."""
    values = iter([1.0, 9.0, 3.0])
    assert best({"a": lambda: next(values)}, rounds=3) == {"a": 9.0}


REPORT = Report(
    "wire",
    3,
    [
        row("trade", "K/s", 3_600.0, beside=("json", 300.0), goal=Goal("ratio", 10), note="2 lost"),
        row("batch", "M/s", 4.0, goal=Goal("value", 5)),
        row("pubsub", "K/s", 1.0, beside=("C libzmq", None), note="no compiler"),
    ],
)


def test_the_table_says_it_all() -> None:
    """Figure, yardstick, ratio, what it must reach and whether it does; what is missing, and what was lost."""
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(bench.table(REPORT))
    text = console.export_text()
    for part in ("trade (2 lost)", "json: 300 K/s", "12.00", "≥ 10 x", "yes", "≥ 5 M/s", "NO", "C libzmq: no compiler"):
        assert part in text


def test_json_is_for_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of reports with every field of every row, and nothing else on standard output."""
    asked: list[str] = []

    def measure(name: str) -> Report:
        asked.append(name)
        return REPORT

    monkeypatch.setattr(bench, "measure", measure)
    done = CliRunner().invoke(app, ["bench", "all", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == [msgspec.to_builtins(REPORT)] * 6
    assert asked == ["wire", "pubsub", "riskcheck", "tick-to-order", "fills", "replay"]


def test_people_get_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the one benchmark that was asked for."""
    monkeypatch.setattr(bench, "measure", lambda _: REPORT)
    done = CliRunner().invoke(app, ["bench", "wire"])
    assert done.exit_code == 0
    assert "median of 3 rounds" in done.stdout


def test_an_unknown_benchmark_is_refused() -> None:
    """With exit code 2, as any wrong command line."""
    assert CliRunner().invoke(app, ["bench", "nonsense"]).exit_code == 2
