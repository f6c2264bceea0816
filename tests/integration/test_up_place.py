"""The folder of a run: fresh, complete, for its owner, and never more than some."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from tradingmesh.cli.up_place import LATEST, RUNS_KEPT, clear_up, make_place, schema_of, write_environment
from tradingmesh.contract import TradingSystem
from tradingmesh.contract.system import Metadata
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import Settings, load_manifest, parse_manifest


def _system(mode: str = "simulated") -> TradingSystem:
    content = {
        "apiVersion": "tradingmesh.io/v1alpha1",
        "kind": "TradingSystem",
        "metadata": {"name": "demo"},
        "spec": {
            "mode": mode,
            "symbols": ["IBM"],
            "broker": {"kind": "simulator" if mode == "simulated" else "alpaca"},
            "riskLimits": {"maxDailyLoss": "5000.50", "maxQuoteAge": "5s"},
        },
    }
    return parse_manifest(content, source="test")


def test_the_manifest_is_kept_as_it_is_run(tmp_path: Path) -> None:
    """What a component reads there is what the command line asked for, to the last digit."""
    place = make_place(Settings(data_dir=tmp_path), _system())
    assert load_manifest(place.system_file).spec == _system().spec
    assert place.data_dir == place.folder / "data"
    assert (tmp_path / "runs" / LATEST).resolve() == place.folder
    clear_up(place)
    assert not place.ipc_dir.exists()


def test_paper_keeps_its_data_from_run_to_run(tmp_path: Path) -> None:
    """The broker's account goes on, so must the ledger."""
    settings = Settings(data_dir=tmp_path)
    place = make_place(settings, _system("paper"))
    clear_up(place)
    assert place.data_dir == tmp_path / "systems" / "demo"
    assert place.data_dir.is_dir()


def test_the_environment_is_for_a_shell_and_for_its_owner(tmp_path: Path) -> None:
    """`. FILE` sets what `tradingmesh halt` needs; the token is nobody else's to read."""
    place = make_place(Settings(data_dir=tmp_path), _system())
    clear_up(place)
    path = write_environment(place, Settings(control_token=SecretStr("it's a token"), postgres_schema="demo-7"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = subprocess.run(["sh", "-c", f". {path}; env"], capture_output=True, text=True, check=True).stdout
    assert "TRADINGMESH_CONTROL_TOKEN=it's a token\n" in told
    assert f"TRADINGMESH_SYSTEM_FILE={place.system_file}\n" in told
    assert "TRADINGMESH_POSTGRES_SCHEMA=demo-7\n" in told


def test_a_simulated_run_has_a_schema_of_its_own(tmp_path: Path) -> None:
    """It begins anew; paper goes on where the last run ended. However long the system's name is, it fits."""
    place = make_place(Settings(data_dir=tmp_path), _system())
    clear_up(place)
    assert schema_of(_system(), place) == f"demo-{place.folder.name}"
    assert schema_of(_system("paper"), place) == "demo"
    long = _system().model_copy(update={"metadata": Metadata(name="x" * 34)})
    assert len(schema_of(long, place)) <= 63
    assert schema_of(long, place).endswith(f"-{place.folder.name}")


def test_old_runs_go_but_not_those_that_still_run(tmp_path: Path) -> None:
    """The oldest beyond `RUNS_KEPT`, by name; a run is named by its process."""
    runs = tmp_path / "runs"
    gone = 2**22 + 1  # above what Linux gives to a process
    for number in range(RUNS_KEPT + 3):
        (runs / f"20200101T0000{number:02d}Z-{gone}").mkdir(parents=True)
    running = runs / f"20190101T000000Z-{os.getpid()}"
    running.mkdir()
    clear_up(make_place(Settings(data_dir=tmp_path), _system()))
    left = sorted(folder.name for folder in runs.iterdir() if not folder.is_symlink())
    assert len(left) == RUNS_KEPT + 1
    assert left[0] == running.name
    assert left[1] == f"20200101T000004Z-{gone}"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With the variable that chose it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^TRADINGMESH_DATA_DIR: .*file"):
        make_place(Settings(data_dir=tmp_path / "file"), _system())
