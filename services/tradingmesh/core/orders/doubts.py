"""Orders of which the broker may know more than we do, and for how long: times are of a monotonic clock.

The wall clock would not do: set back, an order would be in doubt for as long as it was set back by; set forward, one
would be given up whose request is still on its way.
"""

from collections.abc import Iterable

SETTLED_AFTER_NS = 5_000_000_000
"""By then a request that died with its sender has arrived, or never will."""


class Doubts:
    """Since when each doubtful order is one."""

    def __init__(self) -> None:
        self._since_ns: dict[str, int] = {}

    def observe(self, doubtful: Iterable[str], now_ns: int) -> bool:
        """Takes which orders are doubtful now. Whether one of them was so at the last call already."""
        before = self._since_ns
        self._since_ns = {client: before.get(client, now_ns) for client in doubtful}
        return not before.keys().isdisjoint(self._since_ns)

    def settled(self, now_ns: int) -> set[str]:
        """Those in doubt for so long that no request of theirs can still be on its way."""
        return {client for client, since_ns in self._since_ns.items() if now_ns - since_ns >= SETTLED_AFTER_NS}
