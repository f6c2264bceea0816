"""The commands, one module each."""

import typer

app = typer.Typer(
    help="An algorithmic trading system as a mesh of small services that trade through Alpaca.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def run(component: str = typer.Argument(help="Which component, for example risk-manager.")) -> None:
    """Run one component in this process, until SIGTERM."""
    from tradingmesh.cli.run import run as run_  # noqa: PLC0415 - the services' imports are heavy

    run_(component)
