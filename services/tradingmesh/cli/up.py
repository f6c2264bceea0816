"""`tradingmesh up`: the whole mesh on this machine, from one manifest, judged at the end."""

import secrets
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr
from rich.console import Console

from tradingmesh.adapters.strategy_loader import load_strategy
from tradingmesh.adapters.tape import GENERATED
from tradingmesh.cli.up_place import clear_up, make_place, schema_of, write_environment
from tradingmesh.cli.up_plan import Process, overridden, ports_needed, processes
from tradingmesh.cli.up_ports import check_free, counted_from, is_free
from tradingmesh.cli.up_report import Report, report_of, summary, write_report
from tradingmesh.cli.up_run import Run
from tradingmesh.cli.up_screen import screen_for
from tradingmesh.contract import Channel, Mode, TradingSystem, TradingSystemSpec
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.journal_place import journal_place
from tradingmesh.runtime.settings import Settings, load_manifest, load_settings


class Options(NamedTuple):
    """What the command line asks for."""

    file: Path
    tape: str | None
    speed: str | None
    duration_s: float | None
    report: Path | None


class Ready(NamedTuple):
    """A run whose input is good and whose ports are free: nothing is started yet."""

    system: TradingSystem
    settings: Settings
    planned: Sequence[Process]
    simulator_port: int


def up(options: Options) -> bool:
    """Runs a mesh to its end; returns whether all was right. Raises `ConfigError` for bad input: nothing is started."""
    console = Console()
    console.print(f"tradingmesh up: {options.file}", markup=False, highlight=False)
    ready = check(options)
    place = make_place(ready.settings, ready.system)
    settings = ready.settings.model_copy(update={"postgres_schema": schema_of(ready.system, place)})
    told = write_environment(place, settings)
    console.print(
        f"logs in {place.folder}; for status and halt: . {told}", markup=False, highlight=False, soft_wrap=True
    )
    console.print(
        f"live page, once metrics-collector is ready: http://127.0.0.1:{settings.page_port}/",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    with screen_for(console, _heading(ready.system)) as screen:
        run = Run(ready.system, settings, place, ready.planned, ready.simulator_port, screen)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: run.interrupt())
        try:
            report = _to_the_end(run, options)
        finally:
            run.close()
            clear_up(place)
    for sentence in ["interrupted before the tape began"] if report is None else summary(report):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    return report is not None and report.verdict.ok


def check(options: Options) -> Ready:
    """Everything that can be known to be wrong before anything starts. Raises `ConfigError`, `InputError`."""
    settings = load_settings()
    system = overridden(load_manifest(options.file), tape=options.tape, speed=options.speed)
    if options.duration_s is not None and options.duration_s <= 0:
        raise ConfigError(f"--duration: must be greater than 0 (got {options.duration_s})")
    if options.report is not None and not options.report.absolute().parent.is_dir():
        raise ConfigError(f"--report {options.report}: there is no such folder")
    for strategy in system.spec.strategies:
        load_strategy(strategy, settings.strategy_path)
    _check_tape(system.spec)
    journal_place(system.spec, settings, Path())
    settings = settings.model_copy(update=_keys(settings, system.spec.mode))
    taken = [system.spec.endpoints.of(channel).port for channel in Channel]
    simulator_port = settings.simulator_port or next(counted_from(0, taken))
    page_port = _page_port(settings, [*taken, simulator_port])
    settings = settings.model_copy(update={"page_port": page_port})
    planned = processes(system.spec, counted_from(settings.admin_port, [*taken, simulator_port, page_port]))
    check_free(ports_needed(system.spec, planned, simulator_port, page_port))
    return Ready(system, settings, planned, simulator_port)


def _to_the_end(run: Run, options: Options) -> Report | None:
    if not run.start():
        return None
    run.play(options.duration_s)
    run.drain()
    report = report_of(run.stop())
    if options.report is not None:
        write_report(report, options.report)
    return report


def _page_port(settings: Settings, taken: Sequence[int]) -> int:
    """The live page's port: the one that was set; otherwise the usual one, or a free one where several meshes run."""
    port = settings.page_port
    if port and "page_port" in settings.model_fields_set:
        return port
    usual = port and settings.admin_port and port not in taken and is_free(port)
    return port if usual else next(counted_from(0, taken))


def _check_tape(spec: TradingSystemSpec) -> None:
    tape = spec.broker.simulator.tape
    if spec.mode is not Mode.SIMULATED or tape == GENERATED:
        return
    path, at, _ = tape.rpartition("@")
    if not Path(tape).exists() and not (at and Path(path).exists()):
        raise ConfigError(f"tape {tape}: there is no such file or folder")


def _keys(settings: Settings, mode: Mode) -> dict[str, object]:
    """The control token and the broker's keys: given, or for the simulator made up for this run."""
    found: dict[str, object] = {}
    if not settings.control_token.get_secret_value():
        found["control_token"] = SecretStr(secrets.token_urlsafe(24))
    if mode is Mode.SIMULATED:
        found["apca_api_key_id"] = "simulated"
        found["apca_api_secret_key"] = SecretStr(secrets.token_urlsafe(24))
    elif not (settings.apca_api_key_id and settings.apca_api_secret_key.get_secret_value()):
        raise ConfigError(f"environment: mode {mode} needs APCA_API_KEY_ID and APCA_API_SECRET_KEY")
    return found


def _heading(system: TradingSystem) -> str:
    spec = system.spec
    parts = [f"{system.metadata.name}: {spec.mode}, {', '.join(spec.symbols)}"]
    if spec.mode is Mode.SIMULATED:
        parts.append(f"tape {spec.broker.simulator.tape} at speed {spec.broker.simulator.speed}")
    return ", ".join(parts)
