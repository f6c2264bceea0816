"""What a benchmark reports: rows of a figure, its yardstick, and what the figure must reach."""

from collections.abc import Callable, Mapping
from statistics import median
from typing import Literal, NamedTuple

import msgspec

ROUNDS = 5


class Goal(NamedTuple):
    """What must be reached: a bound on the figure itself, or on its ratio to the yardstick."""

    of: Literal["value", "ratio"]
    bound: float
    at_most: bool = False

    def text(self, unit: str) -> str:
        """As a person reads it, for example `≥ 0.8 x`."""
        return f"{'≤' if self.at_most else '≥'} {self.bound:g} {'x' if self.of == 'ratio' else unit}"

    def met(self, value: float, ratio: float | None) -> bool | None:
        """Whether it is reached; None where there was no yardstick to tell by."""
        got = value if self.of == "value" else ratio
        if got is None:
            return None
        return got <= self.bound if self.at_most else got >= self.bound


class Row(msgspec.Struct, frozen=True):
    """One figure beside one yardstick; the ratio is figure : yardstick. `note` says what is missing or was lost."""

    figure: str
    unit: str
    value: float
    yardstick: str = ""
    yardstick_value: float | None = None
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""


class Report(msgspec.Struct, frozen=True):
    """A benchmark's rows, in how many rounds they were measured, and which of the rounds' values is shown."""

    benchmark: str
    rounds: int
    rows: list[Row]
    shown: Literal["median", "best"] = "median"


def row(
    figure: str,
    unit: str,
    value: float,
    *,
    beside: tuple[str, float | None] = ("", None),
    goal: Goal | None = None,
    note: str = "",
) -> Row:
    """A row with its ratio and its goal worked out."""
    yardstick, yardstick_value = beside
    ratio = value / yardstick_value if yardstick_value else None
    return Row(
        figure,
        unit,
        value,
        yardstick,
        yardstick_value,
        ratio,
        goal.text(unit) if goal else "",
        goal.met(value, ratio) if goal else None,
        note,
    )


def in_turn(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Lets each contestant run once a round, in turn, so that a noisy minute hits all alike."""
    measured: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            measured[name].append(run())
    return measured


def medians(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Each contestant's median over the rounds: for what waits for others, and may be lucky."""
    return {name: median(values) for name, values in in_turn(contestants, rounds).items()}


def best(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Each contestant's highest rate over the rounds: for what only computes, where noise can but slow it down."""
    return {name: max(values) for name, values in in_turn(contestants, rounds).items()}
