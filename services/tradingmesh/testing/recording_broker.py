"""A `Broker` without a broker: always in sync, takes every order, and keeps what it was given."""

from collections.abc import Callable, Sequence

from tradingmesh.core.orders.effects import BrokerEvent, Snapshot, StreamState
from tradingmesh.core.orders.record import Order
from tradingmesh.core.trading_status import TradingStatus
from tradingmesh.ports import ReadyOrder


class RecordingBroker:
    """What happens at the broker is said by whoever holds this: `deliver` is the engine's ear."""

    def __init__(self) -> None:
        self.prepared: list[Order] = []
        self.submitted: list[ReadyOrder] = []
        self.canceled: list[Order] = []
        self.asked: list[tuple[int, list[str]]] = []
        self.asked_fills: list[int] = []
        self.held = ""
        self.withdrawn_by: TradingStatus | None = None
        self.snapshot: Snapshot | None = Snapshot(1, (), ())
        self.deliver: Callable[[BrokerEvent], None] = lambda _: None

    def start(self, deliver: Callable[[BrokerEvent], None]) -> None:
        """The stream listens at once."""
        self.deliver = deliver
        deliver(StreamState(""))

    def prepare(self, order: Order) -> ReadyOrder:
        """Keeps the order."""
        self.prepared.append(order)
        return ReadyOrder(order, {})

    def submit(self, ready: ReadyOrder) -> None:
        """Keeps the order, and leaves it unanswered."""
        self.submitted.append(ready)

    def hold(self, reason: str) -> None:
        """Keeps the reason."""
        self.held = reason

    def withdraw(self, status: TradingStatus) -> None:
        """Keeps the status."""
        self.withdrawn_by = status

    def cancel(self, order: Order) -> None:
        """Keeps the order."""
        self.canceled.append(order)

    def reconcile(self, since_ns: int, fills_since_ns: int, look_up: Sequence[str]) -> None:
        """Answers with `snapshot`; with None not at all."""
        self.asked.append((since_ns, list(look_up)))
        self.asked_fills.append(fills_since_ns)
        if self.snapshot is not None:
            self.deliver(self.snapshot)

    def stop(self) -> None:
        """Has nothing to let go."""
