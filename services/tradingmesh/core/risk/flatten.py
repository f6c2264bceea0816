"""Flatten: a person's order to close every position, or one. Here is how far it is; `closing` has its orders."""

import msgspec

from tradingmesh.contract import FLATTEN
from tradingmesh.core.signal import Signal


class FlattenSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a flatten is, as a snapshot keeps it."""

    number: int
    active: bool
    symbol: str
    orders: int
    outcome: str


class Flatten:
    """Whether one is under way, which, and how many orders it has given. Its records move it.

    `held_up` says by symbol what its next closing order waits for; it is kept in memory only.
    """

    def __init__(self) -> None:
        self.number = 0
        self.active = False
        self.symbol = ""
        self.orders = 0
        self.outcome = ""
        self.held_up: dict[str, str] = {}

    def snapshot(self) -> FlattenSnapshot:
        """What survives a restart."""
        return FlattenSnapshot(self.number, self.active, self.symbol, self.orders, self.outcome)

    def load(self, snapshot: FlattenSnapshot) -> None:
        """Takes what a snapshot has, in place of all."""
        self.number, self.active, self.symbol = snapshot.number, snapshot.active, snapshot.symbol
        self.orders, self.outcome = snapshot.orders, snapshot.outcome
        self.held_up.clear()

    def begin(self, number: int, symbol: str) -> None:
        """From now on everything is to be closed, or `symbol` alone."""
        self.number, self.symbol, self.active = number, symbol, True
        self.orders, self.outcome = 0, ""
        self.held_up.clear()

    def end(self, outcome: str) -> None:
        """It is over."""
        self.active, self.outcome = False, outcome
        self.held_up.clear()

    def count(self, signal: Signal) -> None:
        """An order was reserved: where it is a closing order, the next one gets another id."""
        self.orders += signal.strategy == FLATTEN

    def covers(self, symbol: str) -> bool:
        """Whether the symbol is to be closed."""
        return self.active and self.symbol in ("", symbol)
