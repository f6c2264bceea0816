"""The orders in memory: every open one, the last closed ones, and the keys of the fills that were booked for each."""

from collections.abc import Iterable

from tradingmesh.core.orders.record import Order, OrderUpdate

CLOSED_KEPT = 10_000


class KnownOrders:
    """Orders by their client order id, and by the broker's id once that is known."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._client_ids: dict[str, str] = {}
        self._booked: dict[str, set[str]] = {}
        self._open: dict[str, None] = {}
        self._closed: dict[str, None] = {}

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._orders

    @property
    def open_count(self) -> int:
        """How many are not closed."""
        return len(self._open)

    def open(self) -> list[Order]:
        """Every order that is not closed."""
        return [self._orders[client] for client in self._open]

    def get(self, client_order_id: str, order_id: str = "") -> Order | None:
        """The order of that id of the broker's, or else of that client order id."""
        return self._orders.get(self._client_ids.get(order_id, "") or client_order_id)

    def of(self, update: OrderUpdate) -> Order | None:
        """The order that an update speaks of."""
        return self.get(update.client_order_id, update.order_id)

    def booked(self, order: Order) -> set[str]:
        """The keys of the fills that were booked for it: to be added to."""
        return self._booked.setdefault(order.client_order_id, set())

    def restore(self, order: Order, fill_keys: Iterable[str]) -> None:
        """Takes an order back from disk."""
        self._booked[order.client_order_id] = set(fill_keys)
        self.put(order)

    def name(self, order: Order, order_id: str) -> None:
        """The broker's id of an order, before the order itself is said to have one: activities know it by this only."""
        self._client_ids[order_id] = order.client_order_id

    def put(self, order: Order) -> None:
        """Takes the order as it is now."""
        client = order.client_order_id
        self._orders[client] = order
        if order.order_id:
            self._client_ids[order.order_id] = client
        if order.closed:
            self._open.pop(client, None)
            self._closed[client] = None
        else:
            self._closed.pop(client, None)
            self._open[client] = None

    def forget(self, now_ns: int) -> None:
        """Drops the oldest closed orders; while its signal is valid one stays, to know a duplicate by.

        Not by itself: a snapshot may have more orders than are kept, and each must be known until it was looked at, and
        until the disk has what became of it.
        """
        while len(self._closed) > CLOSED_KEPT:
            client = next(iter(self._closed))
            order = self._orders[client]
            if order.valid_until_ns >= now_ns:
                return
            del self._closed[client], self._orders[client]
            self._booked.pop(client, None)
            self._client_ids.pop(order.order_id, None)
