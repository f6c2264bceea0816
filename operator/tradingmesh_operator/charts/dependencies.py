"""Puts the charts that a chart depends on into its `charts/` folder, as helm wants them there.

Every dependency is a folder beside the chart (`file://../NAME`), so this is copying: no helm, no network, no archive
with a date in it, and the same files give the same folders. What the chart above has already is not copied once more
into the charts in it: helm knows templates by name, and reads one library faster than ten. `helm dependency build` does
the same by hand.
"""

import shutil
from pathlib import Path
from typing import Any

import yaml

VENDORED = "charts"
_LOCAL = "file://../"


def complete(source: Path, into: Path) -> list[str]:
    """Copies every chart in `source` to `into`, each with its dependencies inside; returns their names.

    With `into` the same folder as `source` the charts stay where they are and get their dependencies.
    Raises `ValueError` for a dependency that is no chart in `source`, or has another version there.
    """
    names = sorted(path.parent.name for path in source.glob("*/Chart.yaml"))
    for name in names:
        _copy(source, name, into / name, frozenset())
    return names


def _copy(source: Path, name: str, to: Path, above: frozenset[str]) -> None:
    if to != source / name:
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(source / name, to, ignore=shutil.ignore_patterns(VENDORED, "Chart.lock"))
    shutil.rmtree(to / VENDORED, ignore_errors=True)
    wanted = [_wanted(source, name, dependency) for dependency in _chart(source / name).get("dependencies", [])]
    for one in wanted:
        if one not in above:
            _copy(source, one, to / VENDORED / one, above | set(wanted))


def _wanted(source: Path, name: str, dependency: dict[str, str]) -> str:
    wanted, repository = dependency["name"], dependency["repository"]
    if repository != _LOCAL + wanted or not (source / wanted).is_dir():
        raise ValueError(f"chart {name}: dependency {wanted}: {repository} is no chart beside it")
    version: str = _chart(source / wanted)["version"]
    if version != dependency["version"]:
        raise ValueError(f"chart {name}: dependency {wanted}: asks for {dependency['version']}, there is {version}")
    return wanted


def _chart(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))
    return found
