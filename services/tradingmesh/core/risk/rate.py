"""What was approved lately, by market time: for the order rate and for duplicates."""

from bisect import bisect_right
from decimal import Decimal

from tradingmesh.core.signal import Side, Signal

MINUTE_NS = 60_000_000_000

OrderKey = tuple[str, str, bool, Decimal, str, Decimal | None, Decimal | None]


def order_key(signal: Signal) -> OrderKey:
    """What makes two orders the same order: strategy, symbol, side, quantity, kind and prices."""
    return (
        signal.strategy,
        signal.symbol,
        signal.side is Side.BUY,
        signal.quantity,
        signal.order_type._value_,
        signal.limit_price,
        signal.stop_price,
    )


class RecentOrders:
    """The orders approved within a minute (or the duplicate window, where that is longer), oldest first.

    Market time may step back: a little by a clock that is set, far where another tape is played after a restart. What
    was approved on that other tape is not of this one's last minute.
    """

    def __init__(self) -> None:
        self.times_ns: list[int] = []
        self._keys: list[OrderKey] = []
        self._last_ns: dict[OrderKey, int] = {}

    @property
    def orders(self) -> list[tuple[int, OrderKey]]:
        """All of them, each with its market time."""
        return list(zip(self.times_ns, self._keys, strict=True))

    def load(self, orders: list[tuple[int, OrderKey]]) -> None:
        """Takes what a snapshot has, in place of all."""
        self.times_ns = [time_ns for time_ns, _ in orders]
        self._keys = [key for _, key in orders]
        self._last_ns = {key: time_ns for time_ns, key in orders}

    def within_minute(self, market_ns: int) -> int:
        """How many were approved in the minute up to `market_ns`, or the one after it, by a clock since set back."""
        before = bisect_right(self.times_ns, market_ns - MINUTE_NS)
        return bisect_right(self.times_ns, market_ns + MINUTE_NS) - before

    def last_ns(self, key: OrderKey) -> int | None:
        """When an equal order was last approved."""
        return self._last_ns.get(key)

    def add(self, key: OrderKey, market_ns: int, keep_ns: int) -> None:
        """Takes an approved order, and forgets those older than `keep_ns`."""
        if self.times_ns and self.times_ns[-1] > market_ns + keep_ns:
            self._forget(self.times_ns[-1])
        elif self.times_ns:  # the list must stay sorted: the order counts as no older than the last one
            market_ns = max(market_ns, self.times_ns[-1])
        self._forget(market_ns - keep_ns)
        self.times_ns.append(market_ns)
        self._keys.append(key)
        self._last_ns[key] = market_ns

    def _forget(self, until_ns: int) -> None:
        count = bisect_right(self.times_ns, until_ns)
        if not count:
            return
        for time_ns, key in zip(self.times_ns[:count], self._keys[:count], strict=True):
            if self._last_ns.get(key) == time_ns:
                del self._last_ns[key]
        del self.times_ns[:count]
        del self._keys[:count]
