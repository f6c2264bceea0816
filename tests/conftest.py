"""What holds for every test."""

import sqlite3
from collections.abc import Iterator
from typing import Any

# alpaca_library keeps pyarrow out of the process that imports it; here one process tests both sides.
import pyarrow as pa  # noqa: F401
import pytest


@pytest.fixture(autouse=True)
def databases(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[sqlite3.Connection]]:
    """The databases that the test opened, in order; closed at its end, for a crash is tested by not closing them.

    From Python 3.13 on an unclosed one is a warning, and that is an error in whatever test runs by then.
    """
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    yield opened
    for database in opened:
        database.close()
