"""How a run looks: the line and the table say the figures, with and without a terminal."""

import io

import pytest
from rich.console import Console

from tradingmesh.cli.up_figures import Figures, Held
from tradingmesh.cli.up_screen import LINE_EVERY_S, Lines, LiveTable, screen_for
from tradingmesh.cli.up_table import line, table

FIGURES = Figures(
    tape_published=430,
    tape_total=1000,
    market_time="2024-03-04T14:34:12.5Z",
    published=12_345,
    received={"risk-manager": 12_300, "feature-engine": 12_345},
    gaps=4,
    signals=120,
    approved=101,
    refused={"price-collar": 3, "duplicate": 16},
    orders=101,
    orders_open=2,
    fills_broker=140,
    fills_applied=139,
    redelivered=1,
    positions=(Held("IBM", "-100", "182.3456", "12.345", "-0.5"),),
    cash="987613.5",
    equity="1000100.129",
    day_profit="1248.019",
    breaker="Closed",
    latency_us={"risk-check": {"p50": 196.6, "p99": 1703.9}, "unknown-stage": {"p50": 1.0, "p99": 1.0}},
)


def _drawn(figures: Figures) -> str:
    console = Console(file=io.StringIO(), width=110)
    console.print(table(figures, "demo: simulated", ["risk-manager: started again"]))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_line_has_the_figures_that_matter() -> None:
    """Elapsed time, tape, ticks, signals, orders, fills booked of fills made, refusals, P&L, gaps."""
    assert line(FIGURES, 12.4) == (
        "   12 s  tape  43%  ticks 12,345  signals 120  orders 101  fills 139/140  refused 19  P&L 1,248.01  gaps 4"
    )


def test_a_tape_of_unknown_length_shows_its_events() -> None:
    """As do paper and live, which have no tape."""
    assert "tape 430" in line(Figures(tape_published=430), 1.0)


def test_the_table_shows_counts_positions_latencies_and_what_was_said() -> None:
    """Refusals by check, the slowest subscriber, money to the cent."""
    drawn = _drawn(FIGURES)
    for words in (
        "demo: simulated",
        "43%",
        "2024-03-04 14:34:12",
        "12,300 received by the slowest, 4 missed",
        "duplicate 16, price-collar 3",
        "139 booked, 1 sent again",
        "cash 987,613.50, equity 1,000,100.12",
        "182.34",
        "risk check, in the risk manager",
        "risk-manager: started again",
    ):
        assert words in drawn


def test_the_table_of_nothing_yet_can_be_drawn() -> None:
    """Before the first answers there are no figures."""
    assert "ticks" in _drawn(Figures())


def test_a_terminal_gets_the_table_and_a_pipe_gets_lines() -> None:
    """By the console, not by an option."""
    assert isinstance(screen_for(Console(file=io.StringIO(), force_terminal=True), "x"), LiveTable)
    assert isinstance(screen_for(Console(file=io.StringIO(), force_terminal=False), "x"), Lines)


def test_lines_come_at_once_for_sentences_and_now_and_then_for_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come several times a second; lines only every few seconds."""
    now_s = 100.0
    monkeypatch.setattr("tradingmesh.cli.up_screen.time.monotonic", lambda: now_s)
    out = io.StringIO()
    with Lines(Console(file=out, width=200)) as screen:
        screen.say("starting [bold]9[/bold] processes")
        screen.show(FIGURES)
        assert out.getvalue() == "starting [bold]9[/bold] processes\n"
        now_s += LINE_EVERY_S
        screen.show(FIGURES)
        screen.show(FIGURES)
    assert out.getvalue().count("ticks 12,345") == 1


def test_the_live_table_keeps_what_was_said() -> None:
    """Sentences before the first figures stand above the table, later ones in it."""
    out = io.StringIO()
    with LiveTable(Console(file=out, force_terminal=True, width=110), "demo") as screen:
        screen.say("risk-manager: ready")
        screen.show(FIGURES)
        screen.say("risk-manager: started again")
    assert out.getvalue().index("risk-manager: ready") < out.getvalue().index("demo")
    assert "risk-manager: started again" in out.getvalue()
