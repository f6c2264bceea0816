"""`python -m tests.simulation SEED [COUNT]`: one seed with its whole trace, or many with what they find."""

import argparse
import time

from tests.simulation.explore import Finding, explore, traced


def main() -> None:
    """Lives the seeds through."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("count", type=int, nargs="?", default=1)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    began = time.perf_counter()
    if asked.count == 1:
        world = traced(asked.seed)
        assert world.trace is not None
        print("\n".join(world.trace.lines))
        print(f"trace {world.trace.digest()}, {world.plan}")
        found = [Finding(asked.seed, *broken) for broken in world.violations]
    else:
        found = explore(range(asked.seed, asked.seed + asked.count), asked.workers)
    for seed, rule, detail in found:
        print(f"seed {seed}: {rule}: {detail}"[:1_000])
    print(f"{asked.count} seeds in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
