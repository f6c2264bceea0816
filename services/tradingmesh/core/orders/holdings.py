"""What the account should hold by all that was booked since the first contact, to compare with what the broker says.

Whatever the broker counts and we do not (a fill that was never told, a split, a transfer, a fee) shows here, and only
here: an order that we never heard of leaves no order in doubt. Exact, though both sides move: the broker's answer is of
some moment after it was asked, so it may leave out the fills of that time, the newest first, and nothing else.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from tradingmesh.core.fills import Fill
from tradingmesh.core.money import EXACT, ZERO, plain
from tradingmesh.core.orders.effects import Held, Snapshot
from tradingmesh.core.risk.ledger import cash_impact

RECENT_MAX = 10_000
CASH = ""
"""Stands where a symbol does: no symbol is empty."""


class Holdings:
    """Positions by symbol, and cash. `amounts` are those kept from an earlier life; empty before the first contact.

    Cash is compared where `only_fills` move it: at a real broker fees, interest, dividends and deposits do as well.
    """

    def __init__(self, amounts: Mapping[str, Decimal], commission_per_share: Decimal, *, only_fills: bool) -> None:
        self._amounts = dict(amounts)
        self._commission_per_share = commission_per_share
        self._only_fills = only_fills
        self._recent: list[Fill] = []
        self._suspected: frozenset[str] = frozenset()
        self.agreed: dict[str, Decimal] = {}
        """The positions that the last answer has as they were booked."""
        self.differing: dict[str, str] = {}
        """The differences that two answers in a row have shown: what differs, and how, in a sentence."""

    @property
    def known(self) -> bool:
        """Whether there was a first contact that looked at the account."""
        return CASH in self._amounts

    def open(self, positions: Iterable[Held], cash: Decimal) -> dict[str, Decimal]:
        """Takes what the account has at the first contact. Returns the amounts to keep."""
        self._amounts = {CASH: cash, **{held.symbol: held.quantity for held in positions}}
        return dict(self._amounts)

    def book(self, fill: Fill) -> dict[str, Decimal]:
        """Takes a fill. Returns the amounts that changed, to keep."""
        if not self.known:
            return {}
        moved = EXACT.multiply(fill.quantity, fill.side.sign)
        self._recent.append(fill)
        del self._recent[:-RECENT_MAX]
        return {
            fill.symbol: self._add(fill.symbol, moved),
            CASH: self._add(CASH, self._cash_of(fill)),
        }

    def compare(self, snapshot: Snapshot) -> bool:
        """Takes the broker's answer, once its fills are booked. Whether to ask again, to be sure of a difference."""
        self.agreed = {}
        if snapshot.positions is None or snapshot.cash is None or not self.known:
            return False
        later = [fill for fill in self._recent if fill.timestamp_ns >= snapshot.broker_ns]
        self._recent = later
        theirs = {held.symbol: held.quantity for held in snapshot.positions}
        found = {
            symbol: f"position {symbol}: {self._sentence(symbol, theirs.get(symbol, ZERO))}"
            for symbol in sorted((self._amounts.keys() | theirs.keys()) - {CASH})
            if theirs.get(symbol, ZERO) not in self._possible(symbol, later)
        }
        self.agreed = {symbol: held for symbol, held in self._amounts.items() if symbol not in found and symbol != CASH}
        if self._only_fills and not later and snapshot.cash != self._amounts[CASH]:
            found[CASH] = f"cash: {self._sentence(CASH, snapshot.cash)}"
        certain = found.keys() & self._suspected
        self._suspected = frozenset(found)
        self.differing = {name: sentence for name, sentence in found.items() if name in certain}
        return bool(found.keys() - certain)

    def _sentence(self, name: str, theirs: Decimal) -> str:
        return f"the broker has {plain(theirs)}, booked are {plain(self._amounts.get(name, ZERO))}"

    def _possible(self, symbol: str, later: list[Fill]) -> set[Decimal]:
        """What the broker may have held at a moment since it was asked: all of it, less the newest fills."""
        amount = self._amounts.get(symbol, ZERO)
        possible = {amount}
        own = (fill for fill in later if fill.symbol == symbol)
        for fill in sorted(own, key=lambda fill: (fill.timestamp_ns, fill.cumulative_quantity), reverse=True):
            amount = EXACT.subtract(amount, EXACT.multiply(fill.quantity, fill.side.sign))
            possible.add(amount)
        return possible

    def _cash_of(self, fill: Fill) -> Decimal:
        commission = EXACT.multiply(fill.quantity, self._commission_per_share)
        return cash_impact(fill.side, fill.quantity, fill.price, commission)

    def _add(self, name: str, amount: Decimal) -> Decimal:
        self._amounts[name] = EXACT.add(self._amounts.get(name, ZERO), amount)
        return self._amounts[name]
