"""The closing orders of a flatten: which are due, one after the other.

A symbol gets its next one when no order of it works any more: so none can meet another of ours at the exchange, and
what is left is known to the share. A position beyond the limits of one order is closed in several. They are market
orders and pass every check that any other does; what refuses one is told, and it is asked for again a second later.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal

from tradingmesh.contract import FLATTEN
from tradingmesh.core.checks import Approved, ApprovedSignal, Decision, RiskCheckRequest, Stage
from tradingmesh.core.money import EXACT
from tradingmesh.core.risk.limits import OrderLimits
from tradingmesh.core.risk.state import RiskState
from tradingmesh.core.risk.symbol_book import SymbolBook
from tradingmesh.core.risk.units import E9
from tradingmesh.core.signal import Side, Signal

VALID_NS = 5_000_000_000
"""How long a closing order may take to the broker; after that its reservation lapses, and another one is given."""
AGAIN_NS = 1_000_000_000
"""How soon a position that did not move gets another closing order."""

Decide = Callable[[RiskCheckRequest, int], Decision]


class ClosingOrders:
    """Gives the closing orders of one core. What was given when, by a monotonic clock, is kept in memory only."""

    def __init__(self, state: RiskState, decide: Decide) -> None:
        self._state = state
        self._decide = decide
        self._given: dict[str, tuple[int, int]] = {}

    def give(self, now_ns: int, market_ns: int, monotonic_ns: int) -> list[ApprovedSignal]:
        """Those that are due and approved. What holds up the others is told in the state's `flatten.held_up`."""
        given = []
        held_up = self._held_up()
        for book in self._due(monotonic_ns):
            signal = self._signal(book, now_ns, market_ns)
            asked = RiskCheckRequest(f"{signal.signal_id}/signal", Stage.SIGNAL, signal, signal.reference_price, now_ns)
            decision = self._decide(asked, now_ns)
            if isinstance(decision, Approved):
                given.append(ApprovedSignal(signal, decision))
                held_up[book.symbol] = _waits_for(decision.reservation_id)
            else:
                held_up[book.symbol] = decision.reason
        return given

    def _held_up(self) -> dict[str, str]:
        """The orders that must end first, and the last refusal where there is none."""
        flatten = self._state.flatten
        for symbol in [symbol for symbol in flatten.held_up if not self._state.book(symbol).quantity_e9]:
            del flatten.held_up[symbol]
        for found in self._state.reservations:
            if flatten.covers(found.symbol):
                flatten.held_up[found.symbol] = _waits_for(found.reservation_id)
        return flatten.held_up

    def done(self) -> bool:
        """Whether nothing is held of what was to be closed and can be, and nothing works."""
        held = {book.symbol for book in self._state.books.values() if book.quantity_e9}
        open_ = held.difference(self._state.unquoted()) | self._state.working_symbols()
        return not any(map(self._state.flatten.covers, open_))

    def outcome(self) -> str:
        """How it ended, once it is `done`: what nobody quotes is left."""
        left = ", ".join(filter(self._state.flatten.covers, self._state.unquoted()))
        return f"all is flat but for {left}: nobody quotes it here, close it at the broker" if left else "all is flat"

    def _due(self, monotonic_ns: int) -> Iterator[SymbolBook]:
        passed_over = self._state.working_symbols().union(self._state.unquoted())
        for _, book in sorted(self._state.books.items()):  # not in the order of the ticks: a restart knows none
            if not book.quantity_e9 or book.symbol in passed_over or not self._state.flatten.covers(book.symbol):
                continue
            held_e9, last_ns = self._given.get(book.symbol, (0, 0))
            if book.quantity_e9 != held_e9 or monotonic_ns - last_ns >= AGAIN_NS:
                self._given[book.symbol] = (book.quantity_e9, monotonic_ns)
                yield book

    def _signal(self, book: SymbolBook, now_ns: int, market_ns: int) -> Signal:
        flatten = self._state.flatten
        side = Side.SELL if book.quantity_e9 > 0 else Side.BUY
        quantity_e9 = _quantity_e9(book, self._state.limits.of(book.symbol), book.far_side_e9(side))
        return Signal(
            signal_id=f"{FLATTEN}-{flatten.number}-{flatten.orders + 1}",
            strategy=FLATTEN,
            symbol=book.symbol,
            side=side,
            quantity=Decimal(quantity_e9).scaleb(-9, EXACT),
            reference_price=book.mark,
            generated_ns=market_ns,
            valid_until_ns=now_ns + VALID_NS,
            reason=f"flatten {flatten.number}",
        )


def _waits_for(reservation_id: str) -> str:
    return f"waits for the order of {reservation_id} to end"


def _quantity_e9(book: SymbolBook, limits: OrderLimits, price_e9: int) -> int:
    """As much of the position as one order may be; the fraction of a share goes with the last one."""
    held_e9 = abs(book.quantity_e9)
    most_e9 = held_e9 if limits.order_e9 is None else min(held_e9, limits.order_e9)
    if price_e9 and limits.order_e18 is not None:
        most_e9 = min(most_e9, limits.order_e18 // price_e9)
    if E9 < most_e9 < held_e9:
        most_e9 -= most_e9 % E9
    return max(most_e9, 1)
