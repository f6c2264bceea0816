"""Every chart is whole, lints without a word, and gets its dependencies without a network."""

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.rendering import (
    APPLICATIONS,
    CHARTS,
    LIBRARY,
    ROOT,
    UMBRELLA,
    HelmError,
    completed,
    helm,
    of_kind,
    render,
    spec_values,
)
from tradingmesh.contract import Component
from tradingmesh_operator.charts.dependencies import complete


def chart_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHARTS / name / "Chart.yaml").read_text())
    return found


def test_each_component_has_a_chart() -> None:
    """One for each, the library, the umbrella and the operator: nothing else lies about."""
    assert {path.parent.name for path in CHARTS.glob("*/Chart.yaml")} == {*APPLICATIONS, LIBRARY}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_chart_lints(name: str) -> None:
    """`helm lint --strict` finds nothing."""
    told = helm("lint", "--strict", completed() / name)
    assert "0 chart(s) failed" in told
    assert "[WARNING]" not in told


def test_lint_finds_a_wrong_value() -> None:
    """It can fail: the schema is asked."""
    with pytest.raises(HelmError, match="replicas"):
        helm("lint", "--strict", completed() / "risk-manager", "--set", "replicas=many")


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_chart_has_what_helm_shows_people(name: str) -> None:
    """A README, a schema, notes, a description, a version of Kubernetes."""
    for file in ("README.md", "values.yaml", "values.schema.json", "templates/NOTES.txt"):
        assert (CHARTS / name / file).stat().st_size > 0, file
    assert chart_of(name)["description"]
    assert chart_of(name)["kubeVersion"] == ">=1.30.0-0"


@pytest.mark.parametrize("name", [*APPLICATIONS, LIBRARY])
def test_charts_and_programs_have_one_version(name: str) -> None:
    """The image that a chart asks for is that of this checkout."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert chart_of(name)["appVersion"] == chart_of(name)["version"] == version


def test_the_umbrella_is_all_components() -> None:
    """Each is a dependency of it, beside it in the checkout."""
    names = [one["name"] for one in chart_of(UMBRELLA)["dependencies"]]
    assert sorted(names) == sorted([*Component, LIBRARY])


def test_a_components_chart_is_thin() -> None:
    """It is facts, values and two calls of the library; what it shares is there once."""
    for component in Component:
        files = {path.name for path in (CHARTS / component / "templates").iterdir()}
        assert files == {"_facts.tpl", "component.yaml", "NOTES.txt"}
        assert (CHARTS / component / "templates" / "component.yaml").read_text().count("\n") == 1


def test_no_archive_is_kept_in_git() -> None:
    """Dependencies are made when they are needed: a copy in git would be an old one some day."""
    kept = subprocess.run(["git", "ls-files", "charts"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [line for line in kept.split() if line.endswith(".tgz") or line.count("/charts/")]


def test_helm_resolves_the_dependencies_as_we_do(tmp_path: Path) -> None:
    """Without a Python at hand `helm dependency build` does, and no registry is asked."""
    shutil.copytree(CHARTS, tmp_path / "charts", ignore=shutil.ignore_patterns("charts"))
    for name in (*Component, UMBRELLA):
        helm("dependency", "build", tmp_path / "charts" / name)
    archives = {path.name.rpartition("-")[0] for path in (tmp_path / "charts" / UMBRELLA / "charts").iterdir()}
    assert archives == {*Component, LIBRARY}
    with_values = ("--namespace", "trading", "--set", "global.controlTokenSecret=control")
    ours, theirs = (
        helm("template", "demo", folder / UMBRELLA, *with_values) for folder in (completed(), tmp_path / "charts")
    )
    assert ours == theirs


def test_completing_in_place_changes_nothing_else(tmp_path: Path) -> None:
    """`make charts` may be run again and again."""
    shutil.copytree(CHARTS, tmp_path, ignore=shutil.ignore_patterns("charts"), dirs_exist_ok=True)
    before = contents(tmp_path)
    complete(tmp_path, tmp_path)
    once = contents(tmp_path)
    complete(tmp_path, tmp_path)
    assert contents(tmp_path) == once == before | {name: text for name, text in once.items() if "/charts/" in name}
    libraries = [name for name in once if name.endswith(f"charts/{LIBRARY}/Chart.yaml")]
    assert sorted(libraries) == sorted(f"{one}/charts/{LIBRARY}/Chart.yaml" for one in (*Component, UMBRELLA))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("repository", "version", "complaint"),
    [
        ("https://charts.example/x", "0.1.0", "is no chart beside it"),
        ("file://../nowhere", "0.1.0", "is no chart beside it"),
        ("file://../lib", "0.2.0", "asks for 0.2.0, there is 0.1.0"),
    ],
)
def test_a_dependency_that_is_not_there_is_named(tmp_path: Path, repository: str, version: str, complaint: str) -> None:
    """What cannot be resolved offline is refused, before helm fails with less."""
    for name in ("lib", "one"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Chart.yaml").write_text(yaml.safe_dump({"name": name, "version": "0.1.0"}))
    dependency = {"name": repository.rpartition("/")[2], "repository": repository, "version": version}
    (tmp_path / "one" / "Chart.yaml").write_text(yaml.safe_dump({"name": "one", "dependencies": [dependency]}))
    with pytest.raises(ValueError, match=f"chart one: .*{complaint}"):
        complete(tmp_path, tmp_path / "out")


def test_rendering_is_the_same_each_time() -> None:
    """Nothing of chance or of the clock is in it, or the operator would write for ever."""
    values = spec_values({}, monitoring={"podMonitor": True, "serviceMonitor": True})
    first = render(UMBRELLA, values)
    assert first == render(UMBRELLA, values)
    assert len(of_kind(first, "Deployment", "StatefulSet")) == len(Component)
