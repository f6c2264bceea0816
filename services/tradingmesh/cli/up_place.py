"""The folder of a run: the manifest as it is run, a log for each process, data, and how to talk to it meanwhile."""

import os
import shlex
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import psutil
import yaml

from tradingmesh.cli.up_plan import RunPlace
from tradingmesh.contract import Mode, TradingSystem
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import Settings

RUNS_KEPT = 10
LATEST = "latest"
_SCHEMA_CHARACTERS = 63


def make_place(settings: Settings, system: TradingSystem) -> RunPlace:
    """Makes a fresh folder under `runs`, and removes the oldest beyond `RUNS_KEPT`. Raises `ConfigError`.

    A simulated run has its data there as well: its broker's account begins anew each time. Paper and live keep theirs
    under the system's name, so that the next run knows what the last one did.
    """
    runs = settings.data_dir / "runs"
    folder = (runs / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}").absolute()
    simulated = system.spec.mode is Mode.SIMULATED
    data_dir = folder / "data" if simulated else (settings.data_dir / "systems" / system.metadata.name).absolute()
    try:
        folder.mkdir(parents=True)
        data_dir.mkdir(parents=True, exist_ok=True)
        # Not in the run folder: the path of a socket may have 107 bytes.
        place = RunPlace(folder, data_dir, Path(tempfile.mkdtemp(prefix="tradingmesh-")))
        dumped = system.model_dump(mode="json", by_alias=True)
        place.system_file.write_text(yaml.safe_dump(dumped, sort_keys=False), encoding="utf-8")
        _point_to(runs / LATEST, folder)
        _prune(runs)
    except OSError as error:
        raise ConfigError(f"TRADINGMESH_DATA_DIR: {error.filename}: {error.strerror}") from None
    return place


def schema_of(system: TradingSystem, place: RunPlace) -> str:
    """Where in PostgreSQL, if it is asked for: a simulated run begins anew, so it has a schema of its own."""
    name = system.metadata.name
    run = place.folder.name
    return f"{name[: _SCHEMA_CHARACTERS - len(run) - 1]}-{run}" if system.spec.mode is Mode.SIMULATED else name


def write_environment(place: RunPlace, settings: Settings) -> Path:
    """Writes what `tradingmesh status` and `halt` need to know of this run, for a shell to read. For the owner only."""
    path = place.folder / "environment"
    told = {
        "TRADINGMESH_SYSTEM_FILE": place.system_file,
        "TRADINGMESH_IPC_DIR": place.ipc_dir,
        "TRADINGMESH_CONTROL_TOKEN": settings.control_token.get_secret_value(),
        "TRADINGMESH_POSTGRES_SCHEMA": settings.postgres_schema,
    }
    path.touch(mode=0o600)
    path.write_text("".join(f"export {name}={shlex.quote(str(value))}\n" for name, value in told.items()))
    return path


def clear_up(place: RunPlace) -> None:
    """Removes what is of no use once the run is over."""
    shutil.rmtree(place.ipc_dir, ignore_errors=True)


def _point_to(link: Path, folder: Path) -> None:
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name)
    fresh.replace(link)


def _prune(runs: Path) -> None:
    folders = sorted(f for f in runs.iterdir() if f.is_dir() and not f.is_symlink())
    for folder in folders[:-RUNS_KEPT]:
        pid = folder.name.rpartition("-")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
