"""Approvals whose order never came, by a monotonic clock: their own times are of a wall clock, which may be set."""

from collections.abc import Iterable

from tradingmesh.core.risk.reservations import RESERVATION_LIFE_NS, Reservation


class Lapses:
    """Remembers since when each unconfirmed reservation was seen. Kept in memory only: a restart begins anew."""

    def __init__(self) -> None:
        self._seen_ns: dict[str, int] = {}

    def due(self, reservations: Iterable[Reservation], monotonic_ns: int) -> list[str]:
        """The reservations that have waited for longer than any may. To be asked often."""
        seen_ns = self._seen_ns
        waiting = [found.reservation_id for found in reservations if not found.confirmed_by]
        self._seen_ns = {key: seen_ns.get(key, monotonic_ns) for key in waiting}
        return [key for key, since_ns in self._seen_ns.items() if monotonic_ns - since_ns > RESERVATION_LIFE_NS]
