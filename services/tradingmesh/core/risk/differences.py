"""Where the ledger is not what the broker has: a fill or a position was set aside, or never reported at all.

The broker's word stands in the symbol's line behind every fill that is in it. Another outbox of the same account may
have brought newer fills meanwhile, so a difference is certain once it was found twice in a row.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from tradingmesh.core.money import EXACT, plain
from tradingmesh.core.risk.units import scaled


class Difference(msgspec.Struct, frozen=True):
    """How many shares more the broker has than the ledger (negative: fewer)."""

    quantity: Decimal
    certain: bool


class Differences:
    """By symbol; of those that agree there is none."""

    def __init__(self) -> None:
        self._found: dict[str, Difference] = {}

    def compare(self, symbol: str, ledger: Decimal, broker: Decimal) -> None:
        """Takes the broker's word."""
        quantity = EXACT.subtract(broker, ledger)
        before = self._found.pop(symbol, None)
        if quantity:
            certain = before is not None and (before.certain or before.quantity == quantity)
            self._found[symbol] = Difference(quantity, certain)

    def of_e9(self, symbol: str) -> int:
        """How many shares (x 1e9) the broker certainly has more than the ledger."""
        found = self._found.get(symbol)
        return scaled(found.quantity, 9) if found is not None and found.certain else 0

    def told(self) -> Iterator[tuple[str, str]]:
        """The symbols that certainly differ, each with how, in a sentence."""
        for symbol, found in self._found.items():
            if found.certain:
                more = "more" if found.quantity > 0 else "fewer"
                yield symbol, f"the broker has {plain(found.quantity.copy_abs())} {more} {symbol} than the ledger"

    def snapshot(self) -> dict[str, Difference]:
        """What survives a restart."""
        return self._found

    def load(self, found: Mapping[str, Difference]) -> None:
        """Takes what a snapshot has, in place of all."""
        self._found = dict(found)
