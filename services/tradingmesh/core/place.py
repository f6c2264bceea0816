"""Where a report stands, and what stands there when none can be read or must not be booked."""

from typing import NamedTuple

import msgspec


class Place(NamedTuple):
    """A report's outbox, the symbol whose line it is in, and its number in that line, from 1."""

    outbox_epoch: int
    symbol: str
    symbol_sequence: int

    def __str__(self) -> str:
        return f"report {self.symbol_sequence} of {self.symbol or 'the engine'}, outbox {self.outbox_epoch}"


class PoisonReport(msgspec.Struct, frozen=True):
    """What must not take effect: its bytes as they are, for a person to look at, and why.

    It takes its place without an effect, so that the reports after it go on.
    """

    place: Place
    raw: bytes
    reason: str


class ReportsWanted(msgspec.Struct, frozen=True):
    """The risk manager does not have these reports, acknowledged or not: they are to be sent again, from `first` on."""

    first: Place
    count: int
