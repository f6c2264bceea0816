"""Many seeds, one after the other or in several processes, and what they find."""

import gc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from tests.simulation.plan import Focus
from tests.simulation.stand_ins import stand_ins
from tests.simulation.world import World

CHUNK = 50
SHOWN = 80


class Finding(NamedTuple):
    """A rule that a seed breaks."""

    seed: int
    rule: str
    detail: str


def findings(seeds: range, focus: Focus | None = None) -> Iterator[Finding]:
    """What these seeds break, as they are lived through."""
    with stand_ins(), _without_collections():
        for count, seed in enumerate(seeds):
            yield from (Finding(seed, *broken) for broken in World(seed, focus=focus).run().violations)
            if count % CHUNK == CHUNK - 1:
                gc.collect()


def explore(seeds: range, workers: int) -> list[Finding]:
    """What these seeds break."""
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if workers == 1:
        return list(findings(seeds))
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        return [finding for found in pool.map(_listed, chunks) for finding in found]


def first_finding(seeds: range, focus: Focus) -> Finding | None:
    """The first thing that these seeds break, with the plan's attention on something."""
    return next(findings(seeds, focus), None)


def traced(seed: int) -> World:
    """One seed again, with its trace."""
    with stand_ins():
        return World(seed, tracing=True).run()


def story(finding: Finding) -> str:
    """A finding for a person: how to see it again, and the end of its trace."""
    world = traced(finding.seed)
    assert world.trace is not None
    lines = [line[:300] for line in world.trace.lines[-SHOWN:]]
    again = f"seed {finding.seed} breaks a rule; the whole trace: python -m tests.simulation {finding.seed}"
    return "\n".join([again, *lines, f"{finding.rule}: {finding.detail[:2_000]}"])


def _listed(seeds: range) -> list[Finding]:
    return list(findings(seeds))


class _without_collections:  # noqa: N801 - a context, as the standard library writes them
    """No garbage collection between two seeds costs a sixth of the time."""

    def __enter__(self) -> None:
        self._was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_on:
            gc.enable()
