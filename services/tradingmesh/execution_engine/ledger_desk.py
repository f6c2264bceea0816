"""Sees to it that an approval counts only from a ledger that has all it must have.

The risk manager may come back with an empty journal, or with an older one. What it acknowledged it can be asked for by
number. Orders that work as they were approved it knows from its own approvals alone, so each new life of it is told of
them anew, and until it has taken that its approvals do not count.
"""

from collections.abc import Callable

from msgspec.structs import replace

from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.core.checks import RiskCheckRequest
from tradingmesh.core.orders.effects import Effect
from tradingmesh.core.orders.table import OrderTable


class LedgerDesk:
    """`do(effects)` has the reports of what works put into the outbox."""

    def __init__(self, outbox: Outbox, table: OrderTable, do: Callable[[list[Effect]], None]) -> None:
        self._outbox = outbox
        self._table = table
        self._do = do
        self._epoch = outbox.number("ledger_epoch")
        self._must_have: dict[str, int] = {}
        self._must_have_count = 0
        self._must_take_all()

    def hear(self, epoch: int) -> bool:
        """A life of the risk manager speaks. Whether it is another than before, and was told of orders that work."""
        if epoch == self._epoch:
            return False
        self._epoch = epoch
        self._outbox.set_number("ledger_epoch", epoch)
        working = self._table.standing()
        self._do(working)
        self._must_take_all()
        return bool(working)

    def stamped(self, request: RiskCheckRequest) -> RiskCheckRequest:
        """The request with what its ledger must have: all that was acknowledged, and all that the life was told."""
        symbol = request.signal.symbol
        symbol_acked = max(self._must_have.get(symbol, 0), self._outbox.acked_of(symbol))
        acked = max(self._must_have_count, self._outbox.acked_count)
        return replace(request, symbol_acked=symbol_acked, acked=acked)

    def _must_take_all(self) -> None:
        """Every report that there is now comes first."""
        self._must_have = self._outbox.sequences()
        self._must_have_count = sum(self._must_have.values())
