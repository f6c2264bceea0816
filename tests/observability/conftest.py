"""What the tests of observability share: the real processes of a mesh, as the tests of chaos have them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.observability.trading import TradingMesh


@pytest.fixture
def mesh(tmp_path: Path, seed: int) -> Iterator[TradingMesh]:
    """A system whose processes are the test's to start and to end; none outlives it."""
    folder = tmp_path / "mesh"
    folder.mkdir()
    made = TradingMesh(folder, seed)
    yield made
    made.close()
