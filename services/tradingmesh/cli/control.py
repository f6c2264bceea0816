"""`tradingmesh status | halt | reduce | resume | flatten | reset-breaker`: asks the risk manager of a running mesh."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.contract import Channel
from tradingmesh.core.errors import ConfigError, TradingMeshError
from tradingmesh.runtime.component import WallClock
from tradingmesh.runtime.settings import Settings, load_endpoints, load_settings
from tradingmesh.wire.messages import CONTROL_REQUEST, CONTROL_RESPONSE, ControlRequest, ControlResponse

ANSWER_WITHIN_MS = 3_000

FileOption = Annotated[Path | None, typer.Option("--file", "-f", help="The manifest of the running mesh.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it goes into the risk manager's log.")]
_POSITION_COLUMNS = ("symbol", "quantity", "cost", "mark", "realised", "unrealised")


def ask(settings: Settings, request: ControlRequest, *, within_ms: int = ANSWER_WITHIN_MS) -> ControlResponse:
    """Asks the risk manager. Raises `TradingMeshError` where no answer comes in time."""
    endpoints = load_endpoints(settings.system_file)
    sockets = SocketFactory(None, endpoints, hosts=settings.hosts, ipc_dir=settings.ipc_dir)
    try:
        socket = sockets.req(Channel.CONTROL)
        now_ns = WallClock.now_ns()
        socket.send_multipart(Sender(CONTROL_REQUEST, "cli", now_ns).frames(request, now_ns))
        if not socket.poll(within_ms, zmq.POLLIN):
            where = sockets.address(Channel.CONTROL, bind=False)
            raise TradingMeshError(f"no answer from the risk manager at {where} within {within_ms} ms: does it run?")
        return read(CONTROL_RESPONSE, socket.recv_multipart())[1]
    finally:
        sockets.close()


def status_lines(state: dict[str, Any]) -> list[str]:
    """The state for a person."""
    breaker = state["breaker"]
    lines = [
        f"trading   {state['trading']} (manifest {state['manifest_trading']}, switch {state['switch']})",
        f"breaker   {breaker['state']}: {breaker['reason']}",
        *_flatten_lines(state["flatten"]),
        f"cash      {state['cash']}",
        f"equity    {state['equity']}",
        f"P&L       day {state['day_profit']}, realised {state['realised']}, unrealised {state['unrealised']}",
        f"orders    {state['working_reservations']} reserved, {state['confirmed_reservations']} of them submitted",
        f"checks    {state['approved']} approved, {sum(state['refused'].values())} refused"
        + "".join(f", {check} {count}" for check, count in sorted(state["refused"].items())),
        f"reports   {state['reports_waiting']} waiting for others, {state['reports_kept']} set aside",
    ]
    if state["positions"]:
        lines.append("".join(f"{name:>16}" for name in _POSITION_COLUMNS))
    lines += ["".join(f"{position[name]:>16}" for name in _POSITION_COLUMNS) for position in state["positions"]]
    return lines


def _flatten_lines(flatten: dict[str, Any]) -> list[str]:
    if not flatten["number"]:
        return []
    what = flatten["symbol"] or "every position"
    told = f"closing {what}, {flatten['orders']} orders given" if flatten["active"] else flatten["outcome"]
    held_up = [f"          {symbol}: {reason}" for symbol, reason in sorted(flatten["held_up"].items())]
    return [f"flatten   {told}", *held_up]


def _settings(file: Path | None) -> Settings:
    settings = load_settings()
    if file is not None:
        return settings.model_copy(update={"system_file": file})
    if not settings.system_file.exists():
        raise ConfigError(
            "which mesh? Name its manifest with -f, or source what `tradingmesh up` wrote for its run: "
            ". var/runs/latest/environment"
        )
    return settings


def _command(command: str, file: Path | None, reason: str, symbol: str = "") -> None:
    settings = _settings(file)
    token = settings.control_token.get_secret_value()
    response = ask(settings, ControlRequest(command, token, reason, symbol))
    if not response.ok:
        raise TradingMeshError(response.message)
    typer.echo(response.message)


def status(
    file: FileOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Show positions, cash, P&L, breaker, trading state and what was refused."""
    state = ask(_settings(file), ControlRequest("status")).state
    typer.echo(json.dumps(state) if as_json else "\n".join(status_lines(state)))


def halt(file: FileOption = None, reason: ReasonOption = "") -> None:
    """Let no order through and cancel all that are open, until `resume`."""
    _command("halt", file, reason)


def reduce(file: FileOption = None, reason: ReasonOption = "") -> None:
    """Let only orders through that shrink a position and cancel those that could do else, until `resume`."""
    _command("reduce", file, reason)


def resume(file: FileOption = None, reason: ReasonOption = "") -> None:
    """Let orders through again, as far as the manifest allows."""
    _command("resume", file, reason)


def flatten(
    file: FileOption = None,
    reason: ReasonOption = "",
    symbol: Annotated[str, typer.Option(help="Only this position; every one where it is left out.")] = "",
) -> None:
    """Cancel the open orders and close positions by market orders; `status` shows how far it is, `halt` stops it."""
    _command("flatten", file, reason, symbol)


def reset_breaker(file: FileOption = None, reason: ReasonOption = "") -> None:
    """Close the circuit breaker by hand; refused while the day's loss is past its limit."""
    _command("reset-breaker", file, reason)


def register(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    for function in (status, halt, reduce, resume, flatten, reset_breaker):
        app.command(function.__name__.replace("_", "-"))(function)
