"""What was approved and has not ended: each reservation counts against the limits until it fills, closes or expires."""

from collections.abc import Iterator
from heapq import heappop, heappush

import msgspec

from tradingmesh.core.signal import Signal

RESERVATION_LIFE_NS = 30_000_000_000
SIGNAL_HORIZON_NS = 3_600_000_000_000


class Reservation(msgspec.Struct):
    """An approved order. `open_e9` is the quantity (x 1e9) that may still fill, at `price_e9` a share (x 1e9).

    `confirmed_by` is the request that confirmed it before submission; until then it expires at `expires_ns` (wall).
    """

    reservation_id: str
    signal: Signal
    open_e9: int
    price_e9: int
    expires_ns: int
    confirmed_by: str = ""

    @property
    def open_e18(self) -> int:
        """The notional that may still fill, x 1e18."""
        return self.open_e9 * self.price_e9


def reservation_id(signal_id: str) -> str:
    """The id a signal's approval gets: one signal, one reservation."""
    return f"r-{signal_id}"


def expiry_ns(signal: Signal, now_ns: int) -> int:
    """When an unconfirmed approval of `signal` lapses: with the signal, and 30 s from now at the latest."""
    return min(signal.valid_until_ns, now_ns + RESERVATION_LIFE_NS)


class Reservations:
    """All that are open, and the signals that had one and are still valid, so that none gets a second."""

    def __init__(self) -> None:
        self._open: dict[str, Reservation] = {}
        self._expiries: list[tuple[int, str]] = []
        self._signals: set[str] = set()
        self._signal_ends: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Reservation]:
        return iter(self._open.values())

    def get(self, key: str) -> Reservation | None:
        """The open reservation of that id."""
        return self._open.get(key)

    def was_approved(self, signal_id: str) -> bool:
        """Whether a signal of that id, valid still, was approved before."""
        return signal_id in self._signals

    def add(self, reservation: Reservation, now_ns: int) -> None:
        """Takes a new reservation, and forgets signals that are not valid any more."""
        signal = reservation.signal
        while self._signal_ends and self._signal_ends[0][0] <= now_ns:
            self._signals.discard(heappop(self._signal_ends)[1])
        self._open[reservation.reservation_id] = reservation
        self._signals.add(signal.signal_id)
        heappush(self._expiries, (reservation.expires_ns, reservation.reservation_id))
        heappush(self._signal_ends, (signal.valid_until_ns, signal.signal_id))

    def remove(self, key: str) -> Reservation:
        """Ends a reservation. Raises `KeyError` where it is not open."""
        return self._open.pop(key)

    def expired(self, now_ns: int) -> list[Reservation]:
        """Those that were never confirmed and are past their time; they stay until removed, but are named once."""
        due: list[Reservation] = []
        while self._expiries and self._expiries[0][0] <= now_ns:
            found = self._open.get(heappop(self._expiries)[1])
            if found is not None and not found.confirmed_by:
                due.append(found)
        return due
