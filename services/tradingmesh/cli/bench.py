"""`tradingmesh bench`: each figure beside its yardstick, measured in the same run."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, cast

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tradingmesh.bench.figures import Report, Row

BENCHMARKS = {
    "wire": "The codec beside json and MessagePack.",
    "pubsub": "Market data between two processes beside raw pyzmq and C libzmq.",
    "riskcheck": "Round trips of a risk check beside an echo in raw pyzmq and in C libzmq.",
    "tick-to-order": "From a tick's publication to an order ready to be sent, beside the same chain in C libzmq.",
    "fills": "Fills a second from the broker's word to their acknowledgement on disk, beside the same in memory.",
    "replay": "Trades a second through strategy, risk, simulated fills and ledger in one process.",
}
app = typer.Typer(help="Measure, each figure beside its yardstick (bench/README.md).", no_args_is_help=True)


def _command(names: list[str]) -> Callable[[bool], None]:
    def command(
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,  # noqa: FBT002 - a flag of the command line
    ) -> None:
        reports = []
        for name in names:
            reports.append(measure(name))
            if not as_json:
                Console().print(table(reports[-1]))
        if as_json:
            typer.echo(json.dumps([msgspec.to_builtins(report) for report in reports], indent=2))

    return command


for _name, _help in BENCHMARKS.items():
    app.command(_name, help=_help)(_command([_name]))
app.command("all", help="All of them, one after the other.")(_command(list(BENCHMARKS)))


def measure(name: str) -> Report:
    """Runs one benchmark."""
    module = import_module(f"tradingmesh.bench.{name.replace('-', '_')}")
    return cast("Report", module.run())


def table(report: Report) -> Table:
    """A report for people."""
    drawn = Table(title=f"{report.benchmark} ({report.shown} of {report.rounds} rounds, in turn with the yardsticks)")
    for column in ("figure", "measured", "yardstick", "ratio", "must", "met"):
        drawn.add_column(column, justify="right" if column in {"measured", "ratio"} else "left")
    for one in report.rows:
        drawn.add_row(*_cells(one))
    return drawn


def _cells(one: Row) -> list[str]:
    return [
        f"{one.figure} ({one.note})" if one.note and one.yardstick_value is not None else one.figure,
        f"{_number(one.value)} {one.unit}",
        f"{one.yardstick}: {_its(one)}" if one.yardstick else "",
        f"{one.ratio:.2f}" if one.ratio is not None else "",
        one.goal,
        {None: "", True: "yes", False: "NO"}[one.met],
    ]


def _its(one: Row) -> str:
    return f"{_number(one.yardstick_value)} {one.unit}" if one.yardstick_value is not None else one.note


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.4g}"
