"""The commands, one module each."""

from pathlib import Path
from typing import Annotated

import typer

from tradingmesh import __version__
from tradingmesh.cli import bench, control, faults, journal, tape

DEMO = Path("manifests/demo.yaml")

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _tell_version(asked: bool) -> None:  # noqa: FBT001 - an option's callback
    if asked:
        typer.echo(f"tradingmesh {__version__}")
        raise typer.Exit


@app.callback()
def tradingmesh(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """An algorithmic trading system as a mesh of small services that trade through Alpaca."""


@app.command()
def run(component: str = typer.Argument(help="Which component, for example risk-manager.")) -> None:
    """Run one component in this process, until SIGTERM."""
    from tradingmesh.cli.run import run as run_  # noqa: PLC0415 - the services' imports are heavy

    run_(component)


@app.command()
def up(
    file: Annotated[Path, typer.Option("--file", "-f", help="The TradingSystem manifest.")] = Path(
        "manifests/demo.yaml"
    ),
    tape_: Annotated[
        str | None, typer.Option("--tape", help="A tape instead of the manifest's: a path, or `generated`.")
    ] = None,
    speed: Annotated[str | None, typer.Option(help="How many times faster than the market, or `max`.")] = None,
    duration: Annotated[float | None, typer.Option(help="End after so many seconds of playing.")] = None,
    report: Annotated[Path | None, typer.Option(help="Where to write the JSON report.")] = None,
) -> None:
    """Run the whole mesh on this machine, and judge it: exit 0 only if nothing was lost or doubled."""
    from tradingmesh.cli import up as mesh  # noqa: PLC0415 - `--help` does without it

    raise typer.Exit(0 if mesh.up(mesh.Options(file, tape_, speed, duration, report)) else 1)


control.register(app)
app.add_typer(tape.app, name="tape")
app.add_typer(faults.app, name="faults")
app.add_typer(journal.app, name="journal")
app.add_typer(bench.app, name="bench")
