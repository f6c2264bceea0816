"""The rules of the house that a script can see."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "services").rglob("*.py"), *(ROOT / "operator").rglob("*.py")])
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
SOCKET_FACTORY = "adapters/zmq_sockets.py"
YARDSTICKS = ROOT / "services" / "tradingmesh" / "bench"
"""Measures the mesh against bare pyzmq, which needs bare sockets. No component imports it."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_something_to_check() -> None:
    """The lists are not empty, or every other test here would pass for nothing."""
    assert len(SOURCES) > 30
    assert len(TESTS) > 10


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    """A file has one noun, a function fits a screen."""
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX
    long = [f.name for f in functions(path) if (f.end_lineno or 0) - f.lineno >= FUNCTION_LINES_MAX]
    assert long == []


@pytest.mark.parametrize("path", [path for path in SOURCES if YARDSTICKS not in path.parents], ids=name)
def test_only_the_factory_makes_zeromq_sockets(path: Path) -> None:
    """A socket made elsewhere would lack the limits, the heartbeats and, one day, the keys."""
    made = re.findall(r"zmq\.Context\(|_context\.socket\(|\bcontext\.socket\(", path.read_text())
    assert bool(made) == str(path).endswith(SOCKET_FACTORY)


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_every_test_says_what_it_shows(path: Path) -> None:
    """A test has a docstring."""
    silent = [f.name for f in functions(path) if f.name.startswith("test_") and ast.get_docstring(f) is None]
    assert silent == []


def test_the_source_roots_are_no_packages() -> None:
    """A package named `operator` would shadow the standard library's; its sibling keeps to the same rule."""
    assert not (ROOT / "services" / "__init__.py").exists()
    assert not (ROOT / "operator" / "__init__.py").exists()
