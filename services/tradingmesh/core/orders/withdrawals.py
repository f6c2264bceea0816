"""When an open order's cancel is asked for: at once, and again while it does not come about, at a bounded rate."""

from collections.abc import Iterable

from tradingmesh.core.orders.record import Order
from tradingmesh.core.trading_status import TradingStatus

AGAIN_NS = 3_000_000_000
"""How long a cancel has before it is asked for again."""
AT_ONCE = 50
"""So many cancels may go in one burst; after that one every `PACE_NS`, within Alpaca's 200 requests a minute."""
PACE_NS = 330_000_000


class Withdrawals:
    """Remembers which cancels were asked for, and when by a monotonic clock."""

    def __init__(self) -> None:
        self._asked_ns: dict[str, int] = {}
        self._paid_until_ns = 0

    def due(self, orders: Iterable[Order], status: TradingStatus, monotonic_ns: int) -> list[Order]:
        """Of these orders, which may all still fill, those to ask the cancel of now: who waited longest goes first."""
        last_ns = self._asked_ns
        wanted = {order.client_order_id: order for order in orders if status.withdraws(order.reservation_id)}
        self._asked_ns = {client: last_ns[client] for client in wanted if client in last_ns}
        due = []
        for order in sorted(wanted.values(), key=lambda order: last_ns.get(order.client_order_id, -AGAIN_NS)):
            waited_ns = monotonic_ns - last_ns.get(order.client_order_id, monotonic_ns - AGAIN_NS)
            if waited_ns < AGAIN_NS or not self._pay(monotonic_ns):
                break
            self._asked_ns[order.client_order_id] = monotonic_ns
            due.append(order)
        return due

    def _pay(self, monotonic_ns: int) -> bool:
        paid_until_ns = max(self._paid_until_ns, monotonic_ns - AT_ONCE * PACE_NS) + PACE_NS
        if paid_until_ns > monotonic_ns:
            return False
        self._paid_until_ns = paid_until_ns
        return True
