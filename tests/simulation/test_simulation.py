"""The real services under every fault at once, in virtual time: no seed may break a rule, and every planted bug must.

`python -m tests.simulation SEED` shows one seed with all that happened in it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.explore import explore, first_finding, story, traced
from tests.simulation.planted import PLANTED, Planted

ROOT = Path(__file__).parents[2]
SEEDS_SHORT = 200
SEEDS_FULL = 10_000
PLANTED_SEEDS = 200


@pytest.mark.timeout(1_800)
def test_no_seed_breaks_a_rule(seed: int, *, full: bool) -> None:
    """Fills are booked once, orders have their approval and stay within limits, and all comes to rest."""
    count = SEEDS_FULL if full else SEEDS_SHORT
    found = explore(range(seed, seed + count), workers=2 if full else 1)
    assert not found, story(found[0])


def test_a_seed_repeats_itself_exactly(seed: int) -> None:
    """Twice in one process, everything happens at the same nanosecond."""
    first, second = traced(seed).trace, traced(seed).trace
    assert first is not None
    assert second is not None
    assert first.lines == second.lines


def test_a_seed_repeats_itself_in_another_process(seed: int) -> None:
    """Whatever order Python's sets have there: the seed that a failing run prints shows the same failure again."""
    here = traced(seed).trace
    assert here is not None
    there = subprocess.run(
        [sys.executable, "-m", "tests.simulation", str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"trace {here.digest()}," in there.stdout


@pytest.mark.timeout(900)
@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Planted, *, full: bool) -> None:
    """A simulation that finds nothing proves nothing: each of these mistakes must break a rule."""
    with bug.planted():
        found = first_finding(range(PLANTED_SEEDS), bug.focus)
    assert found is not None, f"nobody noticed: {bug.name}"
    if full:
        assert first_finding(range(PLANTED_SEEDS), bug.focus) is None, "it is found also where it is not planted"
