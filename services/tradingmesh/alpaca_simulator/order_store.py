"""Every order of the run, in its newest version, found by id, by client order id, and by symbol while it is open."""

from collections.abc import Iterator

from tradingmesh.alpaca_simulator import refusals
from tradingmesh.alpaca_simulator.orders import Order


class OrderStore:
    """Keeps orders in the order they were submitted in. `resting` has the ids of the open ones by symbol."""

    def __init__(self) -> None:
        self.resting: dict[str, dict[str, None]] = {}
        self._orders: dict[str, Order] = {}
        self._by_client_id: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._orders)

    @property
    def open_count(self) -> int:
        """How many can still trade. Any thread may ask: `list` takes the values in one step."""
        return sum(len(ids) for ids in list(self.resting.values()))

    def put(self, order: Order) -> None:
        """Takes a new order, or the newest version of a known one."""
        self._orders[order.order_id] = order
        self._by_client_id[order.client_order_id] = order.order_id
        resting = self.resting.setdefault(order.symbol, {})
        if order.is_open:
            resting[order.order_id] = None
        else:
            resting.pop(order.order_id, None)

    def get(self, order_id: str) -> Order:
        """The order with that id. Raises `RefusalError`."""
        order = self._orders.get(order_id)
        if order is None:
            raise refusals.not_found(f"order not found for {order_id[:128]}")
        return order

    def by_client_id(self, client_order_id: str) -> Order:
        """The order with that client order id. Raises `RefusalError`."""
        order_id = self._by_client_id.get(client_order_id)
        if order_id is None:
            raise refusals.not_found(f"order not found for {client_order_id[:128]}")
        return self._orders[order_id]

    def knows_client_id(self, client_order_id: str) -> bool:
        """Whether an order has that client order id."""
        return client_order_id in self._by_client_id

    def newest_first(self) -> Iterator[Order]:
        """Every order, the last submitted first."""
        for order_id in reversed(self._orders):
            yield self._orders[order_id]

    def open(self, symbol: str | None = None) -> list[Order]:
        """The orders that can still trade, oldest first."""
        if symbol is not None:
            return [self._orders[order_id] for order_id in self.resting.get(symbol, ())]
        resting = [self._orders[order_id] for ids in self.resting.values() for order_id in ids]
        return sorted(resting, key=lambda order: order.number)
