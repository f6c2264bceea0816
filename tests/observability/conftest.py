"""What the tests of observability share: the real processes of a mesh, as the tests of chaos have them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.conftest import Mesh


@pytest.fixture
def mesh(tmp_path: Path, seed: int) -> Iterator[Any]:
    """A system whose processes are the test's to start and to end; none outlives it."""
    folder = tmp_path / "mesh"
    folder.mkdir()
    made = Mesh(folder, seed)
    yield made
    made.close()
