"""What was approved and has not ended: each reservation counts against the limits until it fills, closes or expires."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from heapq import heapify, heappop, heappush

import msgspec
from msgspec.structs import replace

from tradingmesh.core.checks import NOBODY, Writer
from tradingmesh.core.money import EXACT
from tradingmesh.core.risk.units import scaled
from tradingmesh.core.signal import Side, Signal

RESERVATION_LIFE_NS = 30_000_000_000
SIGNAL_HORIZON_NS = 3_600_000_000_000


class Reservation(msgspec.Struct):
    """An order that may still fill: `open_e9` is left (x 1e9), at `price_e9` a share (0 is the mark).

    `confirmed_by` is the request (the client order id) that confirmed it before submission, `writer` whose it was;
    until then it expires at `expires_ns` (wall). An order placed elsewhere has no `signal`; one by notional has
    `money_e18` dollars (x 1e18) left to trade instead of a quantity.
    """

    reservation_id: str
    symbol: str
    side: Side
    open_e9: int
    price_e9: int
    signal: Signal | None = None
    expires_ns: int = 0
    confirmed_by: str = ""
    writer: Writer = NOBODY
    money_e18: int = 0

    def used_by(self, client_order_id: str) -> bool:
        """Whether that order may use it: nobody else has confirmed it."""
        return self.confirmed_by in ("", client_order_id)

    def take_fill(self, quantity: Decimal, price: Decimal) -> None:
        """So much of it traded; more than was left leaves nothing."""
        self.open_e9 -= min(scaled(quantity, 9), self.open_e9)
        if self.money_e18:
            self.money_e18 -= min(scaled(EXACT.multiply(quantity, price), 18), self.money_e18)


class ReservationSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reservation as a snapshot keeps it: its amounts as decimals, for MessagePack's integers have 64 bits."""

    reservation: Reservation
    open_e9: Decimal
    money_e18: Decimal


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

    @property
    def approved(self) -> list[tuple[int, str]]:
        """The signals that had a reservation, each with the end of its validity (wall)."""
        return sorted(self._signal_ends)

    def snapshot(self) -> list[ReservationSnapshot]:
        """Those that are open, oldest first."""
        return [
            ReservationSnapshot(
                replace(found, open_e9=0, money_e18=0), Decimal(found.open_e9), Decimal(found.money_e18)
            )
            for found in self
        ]

    def load(self, reservations: Iterable[ReservationSnapshot], approved: list[tuple[int, str]]) -> None:
        """Takes what a snapshot has, in place of all."""
        opened = [replace(r.reservation, open_e9=int(r.open_e9), money_e18=int(r.money_e18)) for r in reservations]
        self._open = {found.reservation_id: found for found in opened}
        self._expiries = [(found.expires_ns, key) for key, found in self._open.items() if not found.confirmed_by]
        heapify(self._expiries)
        self._signal_ends = sorted(approved)
        self._signals = {signal_id for _, signal_id in approved}

    def get(self, key: str) -> Reservation | None:
        """The open reservation of that id."""
        return self._open.get(key)

    def was_approved(self, signal_id: str) -> bool:
        """Whether a signal of that id, valid still, was approved before."""
        return signal_id in self._signals

    def add(self, reservation: Reservation, now_ns: int) -> None:
        """Takes a signal's new reservation, and forgets signals that are not valid any more."""
        while self._signal_ends and self._signal_ends[0][0] <= now_ns:
            self._signals.discard(heappop(self._signal_ends)[1])
        self.put(reservation)
        heappush(self._expiries, (reservation.expires_ns, reservation.reservation_id))
        signal = reservation.signal
        if signal is not None:
            self._signals.add(signal.signal_id)
            heappush(self._signal_ends, (signal.valid_until_ns, signal.signal_id))

    def put(self, reservation: Reservation) -> None:
        """Takes one that ends with its order, not with time."""
        self._open[reservation.reservation_id] = reservation

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
