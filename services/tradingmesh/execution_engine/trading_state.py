"""Hears what may be traded, and acts on it: a state that stops trading also takes back what is at the broker.

The refusal here is early, not the authority: that is the risk check before each submission. So a state that was not
repeated for two seconds refuses nothing, and the check decides alone. Cancels go by the last state heard, however old:
to go on canceling what was to be canceled does no harm, and the risk manager may be away just then. So does what has
passed its check and waits at the broker's gate: what would be canceled as soon as it is there is not sent.
"""

from collections.abc import Callable
from typing import Any

from tradingmesh.adapters.zmq_trading_state import TradingStateSubscriber
from tradingmesh.contract import Channel
from tradingmesh.core.orders.effects import Cancel, Effect
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.core.orders.withdrawals import Withdrawals
from tradingmesh.execution_engine.ledger_desk import LedgerDesk
from tradingmesh.ports import Broker
from tradingmesh.runtime.component import Context

LOOK_EVERY_S = 0.1


class TradingStateDesk:
    """`do(effects)` has the cancels carried out; `table.withdrawn` is kept true."""

    def __init__(
        self,
        context: Context,
        broker: Broker,
        table: OrderTable,
        ledger: LedgerDesk,
        do: Callable[[list[Effect]], None],
    ) -> None:
        self._broker = broker
        self._table = table
        self._ledger = ledger
        self._do = do
        self._log = context.log
        self._monotonic_ns = context.clock.monotonic_ns
        self._withdrawals = Withdrawals()
        self._cancels = context.metrics.counter("cancels_asked")
        socket = context.sockets.sub(Channel.TRADING_STATE)
        self._state = TradingStateSubscriber(socket, self._monotonic_ns, context.metrics)
        context.loop.on_readable(socket, self._hear)
        context.loop.every(LOOK_EVERY_S, self._look)

    def status(self) -> dict[str, Any]:
        """What was heard last, and what follows."""
        heard = self._state.status
        return {
            "trading": heard.trading.value if heard is not None else "",
            "breaker": heard.breaker.value if heard is not None else "",
            "refused": self._table.withdrawn,
            "cancels": self._cancels.value,
        }

    def _hear(self) -> None:
        self._state.drain()
        if self._state.status is not None:
            self._ledger.hear(self._state.epoch)
            self._broker.withdraw(self._state.status)
        self._look()

    def _look(self) -> None:
        known, last = self._state.known, self._state.status
        self._table.withdrawn = known.refused if known is not None else ""
        if last is None:
            return
        due = self._withdrawals.due(self._table.cancelable(), last, self._monotonic_ns())
        if due:
            self._cancels.inc(len(due))
            names = ", ".join(order.client_order_id for order in due[:5])
            self._log.warning("cancels asked", count=len(due), orders=names, trading=last.trading, breaker=last.breaker)
            self._do([Cancel(order) for order in due])
