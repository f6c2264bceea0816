"""Flatten: a person's order to close every position, or one. Here is how far it is; `closing` has its orders."""

from tradingmesh.contract import FLATTEN
from tradingmesh.core.signal import Signal


class Flatten:
    """Whether one is under way, which, and how many orders it has given. Its records move it.

    `refused` says by symbol why the last closing order was not given; it is kept in memory only.
    """

    def __init__(self) -> None:
        self.number = 0
        self.active = False
        self.symbol = ""
        self.orders = 0
        self.outcome = ""
        self.refused: dict[str, str] = {}

    def begin(self, number: int, symbol: str) -> None:
        """From now on everything is to be closed, or `symbol` alone."""
        self.number, self.symbol, self.active = number, symbol, True
        self.orders, self.outcome = 0, ""
        self.refused.clear()

    def end(self, outcome: str) -> None:
        """It is over."""
        self.active, self.outcome = False, outcome
        self.refused.clear()

    def count(self, signal: Signal) -> None:
        """An order was reserved: where it is a closing order, the next one gets another id."""
        self.orders += signal.strategy == FLATTEN

    def covers(self, symbol: str) -> bool:
        """Whether the symbol is to be closed."""
        return self.active and self.symbol in ("", symbol)
