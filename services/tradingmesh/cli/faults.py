"""`tradingmesh faults show | set | clear`: what goes wrong at the simulator of a running mesh."""

import http.client
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tradingmesh.core.errors import ConfigError, TradingMeshError
from tradingmesh.runtime.settings import load_manifest, load_settings

app = typer.Typer(help="Inject faults into the simulator of a running mesh.", no_args_is_help=True)

PATH = "/simulator/faults"
_HOST = "127.0.0.1"
_ANSWER_WITHIN_S = 3.0


@app.command()
def show() -> None:
    """Shows the faults in force, and how often each has struck."""
    _tell(_ask("GET"))


@app.command(name="set")
def set_(
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest that names them.")],
) -> None:
    """Puts a manifest's faults in force, from now on, instead of those that are."""
    faults = load_manifest(file).spec.broker.simulator.faults
    _tell(_ask("PUT", faults.model_dump_json(by_alias=True)))


@app.command()
def clear() -> None:
    """Nothing goes wrong from now on."""
    _tell(_ask("DELETE"))


def _ask(method: str, body: str | None = None) -> dict[str, Any]:
    port = load_settings().simulator_port
    if not port:
        raise ConfigError("TRADINGMESH_SIMULATOR_PORT: the simulator's port must be named (got 0)")
    connection = http.client.HTTPConnection(_HOST, port, timeout=_ANSWER_WITHIN_S)
    try:
        connection.request(method, PATH, body)
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        raise TradingMeshError(f"no answer from a simulator at {_HOST}:{port}: does it run?") from None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise ConfigError(str(told.get("message", answer.reason)))
    return told


def _tell(told: dict[str, Any]) -> None:
    """One line a fault: what was said of it, and how often it struck."""
    typer.echo(f"faults in force: {len(told['inject'])}, seed {told['seed']}")
    for fault, struck in zip(told["inject"], told["struck"], strict=True):
        words = [f"{name} {value}" for name, value in fault.items() if name not in ("where", "what")]
        typer.echo(f"{struck:>8} x {fault['where']} {fault['what']}: {', '.join(words)}")
