"""The commands as somebody types them who has not yet read anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradingmesh import __version__
from tradingmesh.contract import Component


def tradingmesh(folder: Path, *words: str, **environment: str) -> tuple[int, str]:
    """Exit code, and what was said."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TRADINGMESH_", "APCA_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "tradingmesh", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=folder,
        env=plain | environment,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("command", ["status", "halt", "resume"])
def test_without_a_manifest_it_says_how_to_name_one(tmp_path: Path, command: str) -> None:
    """In one line, with the two ways to do it."""
    code, said = tradingmesh(tmp_path, command)
    assert code == 2
    assert said.count("\n") == 1
    assert "-f" in said
    assert ". var/runs/latest/environment" in said


@pytest.mark.parametrize("component", [Component.RISK_MANAGER, Component.ALPACA_SIMULATOR])
def test_a_component_without_a_manifest_says_which_variable_names_it(tmp_path: Path, component: Component) -> None:
    """The file it looked for, and the variable."""
    code, said = tradingmesh(tmp_path, "run", component, TRADINGMESH_SYSTEM_FILE="nowhere.yaml")
    assert code == 2
    assert said == "tradingmesh: nowhere.yaml: no such file: name the manifest in TRADINGMESH_SYSTEM_FILE\n"


def test_an_unknown_component_is_told_which_there_are(tmp_path: Path) -> None:
    """Every one of them."""
    code, said = tradingmesh(tmp_path, "run", "risk-manger")
    assert code == 2
    assert all(component in said for component in Component)


def test_it_says_its_version(tmp_path: Path) -> None:
    """Which program is in an image."""
    assert tradingmesh(tmp_path, "--version") == (0, f"tradingmesh {__version__}\n")
