"""The risk manager's journal is lost, or an older one put back, while orders work: the limits hold all the same."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.simulation.plan import Focus, S
from tests.simulation.stand_ins import stand_ins
from tests.simulation.world import World

SEEDS_SHORT, SEEDS_FULL = 5, 200
LOST_AFTER_NS = 4 * S
BACK_WITHIN_NS = 3 * S
"""After the death: what works is reserved again by then."""
BUSY: Focus = {
    "rates": {},
    "api_fault_chance": 0.0,
    "stream_fault_chance": 0.0,
    "slow_disk_chance": 0.0,
    "warm_up": True,
    "position_limit": 100,
    "run_ns": 6 * S,
    "wishes_per_s": 20.0,
    "daily_loss": Decimal(100_000),
}


@pytest.fixture(autouse=True)
def _virtual() -> Iterator[None]:
    with stand_ins():
        yield


def lose(world: World, part_kept: float) -> None:
    """The risk manager dies, and of its journal only the beginning is there when it comes back."""
    manager = world.processes["risk-manager"]
    manager.kill()
    for disk in manager.journals.values():
        del disk.entries[int(len(disk.entries) * part_kept) :]
        disk.synced = min(disk.synced, len(disk.entries))
    world.watch._picture = None
    world.watch.journal_lost = True
    world.watch._forgiven |= world.watch._approved
    world.time.after(BACK_WITHIN_NS, world.watch._forgiven.clear)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part_kept", [0.0, 0.5, 0.9])
def test_no_limit_is_passed_on_a_ledger_that_was_lost(part_kept: float, seed: int, *, full: bool) -> None:
    """Nothing is approved until all that was acknowledged is booked again, and all that works is reserved again."""
    for number in range(seed, seed + (SEEDS_FULL if full else SEEDS_SHORT)):
        world = World(number, focus=BUSY)
        world.time.after(LOST_AFTER_NS, lose, world, part_kept)
        assert not world.run().violations, f"seed {number}"
