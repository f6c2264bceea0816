"""The adapter that trades at Alpaca, as it is, with somebody who looks on: what it is asked, and what it answers."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.simulation.process import Process
from tradingmesh.adapters.alpaca_trading_broker import AlpacaBroker
from tradingmesh.core.orders.effects import BrokerEvent, Snapshot, StreamState
from tradingmesh.core.orders.record import Order
from tradingmesh.ports import ReadyOrder


class WatchedBroker(AlpacaBroker):
    """A `Broker`; its process may end before and after whatever is asked of it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._process = Process.starting

    def start(self, deliver: Callable[[BrokerEvent], None]) -> None:
        """Connects."""

        def heard(event: BrokerEvent) -> None:
            self._process.world.tell("broker", event)
            if isinstance(event, StreamState):
                self._process.world.watch.on_stream(event.problem)
            elif isinstance(event, Snapshot):
                self._process.world.watch.on_snapshot()
            deliver(event)

        super().start(heard)

    def submit(self, ready: ReadyOrder) -> None:
        """Places an order."""
        self._process.step("submit")
        super().submit(ready)
        self._process.step("submit")

    def cancel(self, order: Order) -> None:
        """Cancels an order."""
        self._process.step("cancel")
        super().cancel(order)

    def reconcile(self, since_ns: int, fills_since_ns: int, look_up: Sequence[str]) -> None:
        """Asks for everything."""
        self._process.world.watch.on_reconcile()
        super().reconcile(since_ns, fills_since_ns, look_up)
