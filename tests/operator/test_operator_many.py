"""Many systems at once; `--full` has the hundred and the five minutes that are promised."""

from pathlib import Path

import pytest

from tests.operator.many import measure


@pytest.mark.timeout(900)
def test_many_systems_are_reconciled_and_then_left_alone(tmp_path: Path, *, full: bool) -> None:
    """In time, in little memory, and without a write once all are as they should be."""
    systems = 100 if full else 15
    found = measure(tmp_path, systems, steady_s=300 if full else 6, resync_s=120 if full else 3)
    assert found.reconciled_s <= (120 if full else 60)
    assert found.memory_mb <= 150
    assert found.steady_writes == 0
    assert found.objects == systems * 39
