"""Each image has the packages that its program imports, and no others; the lock says which."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tradingmesh.contract import Component

ROOT = Path(__file__).parents[2]
SOURCES = {"tradingmesh": ROOT / "services", "tradingmesh_operator": ROOT / "operator"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
IMAGES: dict[str, list[str]] = {
    line.split(": ")[0]: line.split(": ")[1].split()
    for line in (ROOT / "requirements" / "images.txt").read_text().splitlines()
}
PROGRAMS = [*Component, "operator"]
HEAVY = {"pandas", "numpy", "pyarrow", "duckdb", "alpaca-py", "kopf", "aiohttp", "psycopg", "psycopg-binary"}
DISTRIBUTIONS = {
    module: {str(canonicalize_name(name)) for name in names} for module, names in packages_distributions().items()
}


def _script() -> Any:
    spec = spec_from_file_location("images", ROOT / "requirements" / "images.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _starts(program: str) -> list[str]:
    """What is imported by name or in a process of its own, and the commands that are given where the ticks are."""
    if program == "operator":
        return ["tradingmesh_operator.__main__"]
    own = [f"tradingmesh.{program.replace('-', '_')}.main"]
    strategies = sorted((ROOT / "services/tradingmesh/strategies").glob("*.py"))
    more = {
        "market-data-store": ["tradingmesh.market_data_store.writer", "tradingmesh.cli.tape"],
        "signal-generator": [f"tradingmesh.strategies.{path.stem}" for path in strategies],
        "alpaca-simulator": [],
    }
    return [*own, *more.get(program, []), *(["tradingmesh.runtime.component"] if program != "alpaca-simulator" else [])]


def _file(module: str) -> Path | None:
    base = SOURCES[module.split(".", maxsplit=1)[0]].joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)


def _imports(tree: ast.AST) -> Iterator[str]:
    """Every module imported, in functions too; not what only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from _imports(node)


def _reached(program: str) -> set[str]:
    """The distributions that a program imports, at once or later."""
    seen: set[str] = set()
    foreign: set[str] = set()
    waiting = _starts(program)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        if module.split(".")[0] not in SOURCES:
            foreign |= _distributions(module)
            continue
        waiting += [module.rpartition(".")[0]] if "." in module else []
        if (path := _file(module)) is not None:
            waiting += _imports(ast.parse(path.read_text()))
    return foreign


def _distributions(module: str) -> set[str]:
    """One, or those that share a namespace, of which the one with the module counts."""
    top = module.split(".", maxsplit=1)[0]
    found = DISTRIBUTIONS.get(top, set())
    return (
        found
        if len(found) == 1
        else {name for name in found if name.replace("-", ".").startswith(top)}
        & {"opentelemetry-sdk" if ".exporter" not in module else "opentelemetry-exporter-otlp-proto-http"}
    )


def test_the_list_is_what_the_lock_and_the_extras_come_to() -> None:
    """`python requirements/images.py` writes it anew."""
    script = _script()
    written = script.written((ROOT / "requirements/lock.txt").read_text(), (ROOT / "pyproject.toml").read_text())
    assert written == (ROOT / "requirements/images.txt").read_text()


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("image", IMAGES)
def test_each_python_gets_one_version_of_each_package(image: str, python: str) -> None:
    """The lock has two of some, for different Pythons: that of the base image must be among what is installed."""
    lock = (ROOT / "requirements/lock.txt").read_text()
    chosen = _script().selected(image, lock, (ROOT / "requirements/images.txt").read_text())
    lines = [line.rstrip(" \\") for line in chosen.splitlines() if line and not line.startswith(" ")]
    world = {"python_version": python, "python_full_version": f"{python}.0"}
    there = [one.name for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate(world)]
    assert sorted(there) == sorted(IMAGES[image])


def test_what_all_images_need_is_in_every_one() -> None:
    """It is installed once for all of them; nothing that only some need is in it."""
    lock, images = (ROOT / "requirements/lock.txt").read_text(), (ROOT / "requirements/images.txt").read_text()
    common = set(_script().pinned(_script().selected("common", lock, images)))
    assert common == set.intersection(*(set(IMAGES[program]) for program in PROGRAMS))
    assert {"pydantic", "structlog", "pyzmq"} <= common
    assert not common & HEAVY


def test_there_is_an_image_for_each_program() -> None:
    """And one more list, of what builds them."""
    assert sorted(IMAGES) == sorted([*PROGRAMS, "build"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_image_has_what_its_program_imports(program: str) -> None:
    """Also what it imports only when it is asked to, such as a database's driver."""
    assert _reached(program) - set(IMAGES[program]) == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_extra_is_there_because_it_is_imported(program: str) -> None:
    """Of each extra that an image has, its program imports something."""
    extras = PROJECT["project"]["optional-dependencies"]
    reached = _reached(program)
    for extra in PROJECT["tool"]["tradingmesh"]["images"][program]:
        assert reached & {str(canonicalize_name(Requirement(one).name)) for one in extras[extra]}, extra


def test_what_is_heavy_is_only_where_it_is_used() -> None:
    """Pandas comes with alpaca-py; nobody else has it."""
    heavy = {program: sorted(HEAVY & set(IMAGES[program])) for program in PROGRAMS}
    assert {program: names for program, names in heavy.items() if names} == {
        "market-data-feed": ["alpaca-py", "numpy", "pandas"],
        "market-data-store": ["duckdb", "numpy", "pyarrow"],
        "risk-manager": ["psycopg", "psycopg-binary"],
        "execution-engine": ["alpaca-py", "numpy", "pandas"],
        "alpaca-simulator": ["aiohttp", "numpy", "pyarrow"],
        "operator": ["aiohttp", "kopf"],
    }


_WITHOUT = """
import importlib, json, sys
hidden, modules = json.loads(sys.argv[1])
class Hide:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = map(Hide, sys.meta_path)
for module in modules:
    importlib.import_module(module)
"""


def _imported(modules: list[str], packages: list[str]) -> str:
    """What Python says of importing them where only these packages are installed; nothing, where it can."""
    hidden = [top for top, names in DISTRIBUTIONS.items() if not names & {*packages, "tradingmesh"}]
    command = [sys.executable, "-c", _WITHOUT, json.dumps([hidden, modules])]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_imported_with_what_its_image_has(program: str) -> None:
    """As the image would: every other package that is installed here is hidden."""
    assert _imported(_starts(program), IMAGES[program]) == ""


def test_commands_can_be_given_from_the_risk_managers_image() -> None:
    """`tradingmesh halt` by `kubectl exec`, and the Job that flattens, run in it."""
    assert _imported(["tradingmesh.cli.app"], IMAGES["risk-manager"]) == ""


def test_a_package_that_is_missing_is_noticed() -> None:
    """The two tests before can fail."""
    without = [name for name in IMAGES["execution-engine"] if name != "pandas"]
    assert "No module named 'pandas'" in _imported(["tradingmesh.execution_engine.main"], without)
    assert _reached("execution-engine") - set(IMAGES["risk-manager"]) == {"alpaca-py", "stamina", "websockets"}
