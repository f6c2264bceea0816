"""What one seed does: how big the mesh is, how slow its links, and which faults come how often.

A swarm rather than one average: each seed has some kinds of faults and not the others, for faults hide one another.
"""

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

MS = 1_000_000
S = 1_000 * MS
SYMBOLS = ("BAC", "IBM")
FAULTS = (
    "kill",
    "restart",
    "freeze",
    "cut",
    "stall",
    "stream",
    "outage",
    "clock",
    "halt",
    "limits",
    "manual",
    "disk",
    "prices",
    "power",
)

CHANCES = {"kill": 0.8, "power": 0.1}
"""How likely a seed has a fault; 0.4 where nothing is said."""

RATES = {"power": 0.3}
"""How often a second it then happens; where nothing is said that is drawn, too."""

Focus = dict[str, Any]
"""Fields of a plan."""
Aim = tuple[str, str]
"""A process, and the kind of its steps at which it is killed."""


@dataclass(frozen=True)
class Plan:
    """The draw of one seed. Rates are per second of virtual time; what is not in `rates` does not happen.

    After a `warm_up` things go wrong only once orders may go out; otherwise from the first moment on. With an `aim`
    every kill is that one.
    """

    run_ns: int
    fill_processors: int
    delay_ns: int
    capacity: int
    turn_ns: int
    quote_every_ns: int
    wishes_per_s: float
    warm_up: bool
    position_limit: int
    daily_loss: Decimal
    rates: dict[str, float]
    api_fault_chance: float
    stream_fault_chance: float
    slow_disk_chance: float
    unique_client_ids: bool
    fill_ids_agree: bool
    tape_time: bool
    aim: Aim | None = None


def drawn(random: Random) -> Plan:
    """The plan that this generator gives."""
    chosen = [fault for fault in FAULTS if random.random() < CHANCES.get(fault, 0.4)]
    return Plan(
        run_ns=random.randrange(2, 5) * S,
        fill_processors=random.randrange(1, 4),
        delay_ns=random.choice([MS // 5, MS, 5 * MS, 30 * MS]),
        capacity=random.choice([2, 10, 1_000]),
        turn_ns=random.choice([MS // 20, MS]),
        quote_every_ns=random.choice([40, 100, 200, 200]) * MS,
        wishes_per_s=random.choice([5.0, 10.0, 20.0]),
        warm_up=random.random() < 0.9,
        position_limit=random.choice([100, 200, 1_000]),
        daily_loss=Decimal(random.choice([20, 100, 100_000])),
        rates={fault: RATES.get(fault) or random.choice([0.3, 0.6, 1.2, 2.5]) for fault in chosen},
        api_fault_chance=random.choice([0.0, 0.03, 0.15]),
        stream_fault_chance=random.choice([0.0, 0.0, 0.1]),
        slow_disk_chance=random.choice([0.0, 0.1, 0.3]),
        unique_client_ids=random.random() < 0.7,
        fill_ids_agree=random.random() < 0.7,
        tape_time=random.random() < 0.3,
    )
