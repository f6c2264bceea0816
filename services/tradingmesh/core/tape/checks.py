"""What can be wrong with a row of a tape, and what is done then."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Literal

BadRows = Literal["skip", "stop"]

TIME_MAX_NS = 4_102_444_800 * 10**9
"""The year 2100: a later time is no market data."""


class Skip(IntEnum):
    """Why a row of a tape is not an event. In the order in which a row is judged."""

    NONE = 0
    COLUMNS = 1
    NOT_A_NUMBER = 2
    TOO_LARGE = 3
    SUSPICIOUS = 4
    OUT_OF_HOURS = 5
    BACKWARDS = 6
    ZERO_PRICE = 7
    CROSSED = 8
    ONE_SIDED = 9

    @property
    def is_fault(self) -> bool:
        """Whether a tape that stops at bad rows stops here. The others are as they should be, and only not wanted."""
        return self not in {Skip.SUSPICIOUS, Skip.OUT_OF_HOURS, Skip.ONE_SIDED}

    @property
    def words(self) -> str:
        """The same for people."""
        return _WORDS[self]


_WORDS = {
    Skip.NONE: "",
    Skip.COLUMNS: "wrong number of columns",
    Skip.NOT_A_NUMBER: "text where a number belongs",
    Skip.TOO_LARGE: "number too large",
    Skip.SUSPICIOUS: "marked suspicious",
    Skip.OUT_OF_HOURS: "out of hours",
    Skip.BACKWARDS: "time goes backwards",
    Skip.ZERO_PRICE: "zero price",
    Skip.CROSSED: "crossed quote",
    Skip.ONE_SIDED: "quote with one side only",
}


class Skipped(Counter[Skip]):
    """How many rows were left out, by why. `first` has the place of the first of each fault: file, line and text."""

    def __init__(self, counts: Mapping[Skip, int] | None = None, first: Mapping[Skip, str] | None = None) -> None:
        super().__init__(counts or {})
        self.first = dict(first or {})

    @classmethod
    def of_all(cls, parts: Iterable["Skipped"]) -> "Skipped":
        """What was left out of several files together."""
        total = cls()
        for part in parts:
            total.update(part)
            total.first = part.first | total.first
        return total
