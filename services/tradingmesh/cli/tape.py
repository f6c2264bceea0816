"""`tradingmesh tape info | convert | query`: what a tape holds, the same tape in another format, SQL over a store."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tradingmesh.adapters.tape import GENERATED, OpenTape, open_tape

app = typer.Typer(help="Look at tapes and convert them.", no_args_is_help=True)

Symbols = Annotated[list[str] | None, typer.Option("--symbol", "-s", help="Only this symbol; may be repeated.")]
AllHours = Annotated[bool, typer.Option("--all-hours", help="LEAN rows outside 09:30 to 16:00 New York as well.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad row instead of counting it.")]
Tape = Annotated[str, typer.Argument(help="A LEAN or store folder, a .zip, .parquet or .csv file, or `generated`.")]


@app.command()
def info(tape: Tape, symbol: Symbols = None, *, all_hours: AllHours = False, strict: Strict = False) -> None:
    """Shows how many trades and quotes of which symbols there are, from when to when, and what was left out."""
    opened = _open(tape, symbol, all_hours=all_hours, strict=strict)
    console = Console()
    console.print(_held(tape, opened))
    if opened.skipped:
        console.print(_left_out(opened))


@app.command()
def convert(
    source: Tape,
    target: Annotated[Path, typer.Argument(help="A .parquet or .csv file; without suffix, a folder in LEAN's layout.")],
    symbol: Symbols = None,
    *,
    all_hours: AllHours = False,
    strict: Strict = False,
) -> None:
    """Writes a tape in another format. What is left out on reading is not written."""
    from tradingmesh.adapters.tape_write import write_tape  # noqa: PLC0415 - pyarrow is slow to import

    opened = _open(source, symbol, all_hours=all_hours, strict=strict)
    write_tape(opened, target)
    typer.echo(f"{target}: {opened.length:,} events, {sum(opened.skipped.values()):,} rows left out")


@app.command()
def query(
    folder: Annotated[Path, typer.Argument(help="What the market data store wrote.")],
    sql: Annotated[str, typer.Argument(help="SQL over trade, quote, bar and feature.")],
) -> None:
    """Asks DuckDB about what a market data store wrote; one line a row, tabs between columns."""
    from tradingmesh.adapters.tick_store_parquet import query as ask  # noqa: PLC0415 - pyarrow is slow to import

    for row in ask(folder, sql):
        typer.echo("\t".join(map(str, row)))


def _open(where: str, symbols: list[str] | None, *, all_hours: bool, strict: bool) -> OpenTape:
    wanted = symbols or (["DEMO"] if where == GENERATED else [])
    return open_tape(where, wanted, all_hours=all_hours, bad_rows="stop" if strict else "skip")


def _held(title: str, tape: OpenTape) -> Table:
    from tradingmesh.adapters.tape_summary import summarise  # noqa: PLC0415 - numpy is slow to import

    table = Table("symbol", title=title)
    for name in ("trades", "quotes", "first (UTC)", "last (UTC)"):
        table.add_column(name, justify="right")
    for row in summarise(tape):
        table.add_row(row.symbol, f"{row.trades:,}", f"{row.quotes:,}", _time(row.first_ns), _time(row.last_ns))
    return table


def _left_out(tape: OpenTape) -> Table:
    table = Table("left out", title=f"{sum(tape.skipped.values()):,} rows are no events")
    table.add_column("rows", justify="right")
    table.add_column("the first of them", overflow="fold")
    for skip, count in sorted(tape.skipped.items()):
        table.add_row(skip.words, f"{count:,}", tape.skipped.first.get(skip, ""))
    return table


def _time(timestamp_ns: int) -> str:
    return f"{datetime.fromtimestamp(timestamp_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S}"
