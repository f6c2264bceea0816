"""Reports in their order: each takes effect once, in the sequence of its symbol, whatever the number of processors."""

import hashlib
from collections import Counter
from decimal import Decimal
from typing import NamedTuple

import msgspec

from tradingmesh.core.errors import InputError
from tradingmesh.core.fills import Body, BookedReport, Fill, Report
from tradingmesh.core.money import plain
from tradingmesh.core.place import Place, PoisonReport
from tradingmesh.core.risk.ledger import Ledger, cash_impact, taken_over
from tradingmesh.core.risk.units import PRICE_MAX, QUANTITY_MAX, e9
from tradingmesh.core.signal import Side
from tradingmesh.core.standing import BrokerPosition, OpeningPosition, OrderWorking

HELD_MAX = 10_000
FILL_IDS_MAX = 100_000
KEPT_MAX = 10_000
COMMISSION_DECIMALS = 27
CONTESTED = "another report had this place, or the same one too long ago to be known; it is not booked"

Line = tuple[int, str]
"""One sequence: the outbox and the symbol."""
Handed = BookedReport | PoisonReport
"""What a fill processor hands in: a report with its figures, or one that must not take effect."""
_encode = msgspec.msgpack.Encoder().encode


def place_of(handed: Handed) -> Place:
    """Where a report stands."""
    if isinstance(handed, PoisonReport):
        return handed.place
    report = handed.report
    return Place(report.outbox_epoch, report.body.symbol, report.symbol_sequence)


def identity_of(handed: Handed) -> str:
    """What a report is known by, wherever it stands: the execution's id, or else a digest of what it says."""
    if isinstance(handed, PoisonReport):
        return _digest(handed.raw)
    return _known_by(handed.report.body)


def _progress(fill: Fill) -> str:
    """An order, and how far it was filled (x 1e9); empty where that is no quantity."""
    try:
        return f"{fill.order_id}={e9(fill.cumulative_quantity, 'cumulative_quantity', QUANTITY_MAX)}"
    except InputError:
        return ""


def _known_by(body: Body) -> str:
    return body.fill_id if isinstance(body, Fill) else _digest(_encode(body))


def _digest(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def fault_of(booked: BookedReport) -> str:
    """Why a report cannot be booked, in a sentence; empty where it can."""
    body = booked.report.body
    try:
        if isinstance(body, Fill):
            _check_fill(body, booked)
            return ""
        if isinstance(body, OpeningPosition):
            _check_opening(body, booked)
            return ""
        _check_moves_nothing(booked)
        if isinstance(body, OrderWorking):
            _check_working(body)
        elif isinstance(body, BrokerPosition) and not body.quantity.is_zero():
            e9(body.quantity.copy_abs(), "quantity", QUANTITY_MAX)
    except InputError as error:
        return str(error)
    return ""


def opening_fault(opening: OpeningPosition, ledger: Ledger) -> str:
    """Why what an account held cannot be taken over: the ledger has booked another position. A person must look."""
    held = ledger.position(opening.symbol).quantity
    if not ledger.knows(opening.symbol) or held == opening.quantity:
        return ""
    return f"the broker has {plain(opening.quantity)} {opening.symbol} as this outbox begins, the ledger {plain(held)}"


def _check_moves_nothing(booked: BookedReport) -> None:
    if not (booked.cash_impact.is_zero() and booked.commission.is_zero()):
        raise InputError("only a fill moves cash")


def _check_opening(opening: OpeningPosition, booked: BookedReport) -> None:
    e9(opening.quantity.copy_abs(), "quantity", QUANTITY_MAX)
    e9(opening.price, "price", PRICE_MAX)
    if not booked.commission.is_zero() or booked.cash_impact != taken_over(opening.quantity, opening.price):
        raise InputError("a position that is taken over costs what it is worth, and no commission")


def _check_working(working: OrderWorking) -> None:
    if working.side not in (Side.BUY, Side.SELL):
        raise InputError(f"side {working.side!r} is neither buy nor sell")
    if (working.open_quantity is None) == (working.open_notional is None):
        raise InputError("a working order has either a quantity or a notional")
    if working.open_quantity is not None and not working.open_quantity.is_zero():
        e9(working.open_quantity, "open_quantity", QUANTITY_MAX)
    if working.open_notional is not None:
        e9(working.open_notional, "open_notional", QUANTITY_MAX)
    if working.price is not None:
        e9(working.price, "price", PRICE_MAX)


def _check_fill(fill: Fill, booked: BookedReport) -> None:
    if fill.side not in (Side.BUY, Side.SELL):
        raise InputError(f"side {fill.side!r} is neither buy nor sell")
    e9(fill.quantity, "quantity", QUANTITY_MAX)
    e9(fill.price, "price", PRICE_MAX)
    _check_commission(booked.commission)
    expected = cash_impact(fill.side, fill.quantity, fill.price, booked.commission)
    if not booked.cash_impact.is_finite() or booked.cash_impact != expected:
        raise InputError(
            f"cash_impact {booked.cash_impact} is not {expected}, what quantity, price and commission give"
        )


def _check_commission(commission: Decimal) -> None:
    """Finer than prices: it is a rate times a quantity. The bound keeps every sum within the digits of `EXACT`."""
    if not commission.is_finite() or not 0 <= commission <= PRICE_MAX:
        raise InputError(f"commission {commission} is not between 0 and {PRICE_MAX}")
    exponent = commission.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > COMMISSION_DECIMALS:
        raise InputError(f"commission {commission} has more than {COMMISSION_DECIMALS} decimals")


class Taken(NamedTuple):
    """The last report that was taken of a line: its number, and what it is known by."""

    number: int
    identity: str


_NOTHING = Taken(0, "")


class ReportsSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The durable part of `ReportSequences`, what is forgotten in time with the oldest first."""

    taken: list[tuple[Line, Taken]]
    kept: list[tuple[Place, str, str]]
    known: dict[str, str]
    progress: dict[str, str]
    fills_booked: int
    kept_count: int


class ReportSequences:
    """What was taken of each line, and what waits for the reports before it.

    Waiting reports are bounded and not journaled: one that finds no room, or is lost by a restart, was not
    acknowledged, so it is sent again. The last 100,000 reports are known by their identities, fills by their orders
    too: a second guard, should one come twice, or another one in its place. Fills are also known by how far their order
    was filled with them: two outboxes may have heard of one execution under two names. The last of each line is known
    however long ago it came: while a line is quiet, that one is shown again and again.
    """

    def __init__(self) -> None:
        self._taken: dict[Line, Taken] = {}
        self._taken_of: Counter[int] = Counter()
        self._waiting: dict[Line, dict[int, Handed]] = {}
        self._kept: dict[tuple[Place, str], str] = {}
        self._known: dict[str, str] = {}
        self._progress: dict[str, str] = {}
        self.fills_booked = 0
        self.kept_count = 0
        """How many were set aside since the start of the journal."""
        self.waiting_count = 0
        self.dropped_count = 0

    def snapshot(self) -> ReportsSnapshot:
        """What survives a restart."""
        kept = [(place, identity, reason) for (place, identity), reason in self._kept.items()]
        return ReportsSnapshot(
            list(self._taken.items()), kept, self._known, self._progress, self.fills_booked, self.kept_count
        )

    def load(self, snapshot: ReportsSnapshot) -> None:
        """Takes what a snapshot has, in place of all."""
        self._taken = dict(snapshot.taken)
        for (outbox_epoch, _), last in snapshot.taken:
            self._taken_of[outbox_epoch] += last.number
        self._kept = {(place, identity): reason for place, identity, reason in snapshot.kept}
        self._known = dict(snapshot.known)
        self._progress = dict(snapshot.progress)
        self.fills_booked = snapshot.fills_booked
        self.kept_count = snapshot.kept_count

    def next_of(self, line: Line) -> int:
        """The sequence number that the line expects."""
        return self._taken.get(line, _NOTHING).number + 1

    def taken_of(self, outbox_epoch: int) -> int:
        """How many reports of an outbox were taken, over all its lines."""
        return self._taken_of[outbox_epoch]

    def hold(self, handed: Handed) -> None:
        """Keeps a report that came early. Where there is no room it is dropped and counted: it comes again."""
        place = place_of(handed)
        line, number = place[:2], place.symbol_sequence
        if number in self._waiting.get(line, ()):
            return
        if self.waiting_count >= HELD_MAX:
            self.dropped_count += 1
            return
        self._waiting.setdefault(line, {})[number] = handed
        self.waiting_count += 1

    def take_waiting(self, line: Line) -> Handed | None:
        """The report that the line expects next, if it waits."""
        held = self._waiting.get(line)
        found = held.pop(self.next_of(line), None) if held else None
        if held is not None and not held:
            del self._waiting[line]
        if found is not None:
            self.waiting_count -= 1
        return found

    def gaps(self) -> dict[Line, int]:
        """The lines that wait, and the sequence number each waits for."""
        return {line: self.next_of(line) for line in self._waiting}

    def kept_reason(self, handed: Handed) -> str | None:
        """Why this very report was set aside at its place, if it was."""
        return self._kept.get((place_of(handed), identity_of(handed))) if self._kept else None

    def knows_fill(self, fill: Fill) -> bool:
        """Whether the execution was booked, under that id or another."""
        return fill.fill_id in self._known or _progress(fill) in self._progress

    def took(self, handed: Handed) -> bool:
        """Whether this very report took effect, as far as is known."""
        if not isinstance(handed, BookedReport):
            return False
        place, identity = place_of(handed), identity_of(handed)
        return identity in self._known or self._taken.get(place[:2]) == (place.symbol_sequence, identity)

    def clash(self, fill: Fill) -> str:
        """Why the fill cannot be booked: its id is another order's, or its order was filled as far by another one."""
        order_id = self._known.get(fill.fill_id, fill.order_id)
        if order_id != fill.order_id:
            return f"fill {fill.fill_id} was booked for order {order_id}, now it is said to be of {fill.order_id}"
        quantity = plain(fill.quantity)
        booked = self._progress.get(_progress(fill), quantity)
        if booked == quantity:
            return ""
        filled = f"order {fill.order_id} was filled to {plain(fill.cumulative_quantity)}"
        return f"{filled} by an execution of {booked}, now it is said to be one of {quantity}"

    def advance(self, report: Report) -> None:
        """The report takes its place."""
        body = report.body
        identity = _known_by(body)
        self._take((report.outbox_epoch, body.symbol), Taken(report.symbol_sequence, identity))
        if not isinstance(body, Fill):
            self._remember(identity, "")

    def keep(self, handed: Handed, reason: str) -> None:
        """The report is set aside. It takes its place, unless another one has it."""
        place = place_of(handed)
        line = place[:2]
        if place.symbol_sequence == self.next_of(line):
            self._take(line, Taken(place.symbol_sequence, identity_of(handed)))
        self.kept_count += 1
        self._kept[place, identity_of(handed)] = reason
        if len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]

    def remember_fill(self, fill: Fill) -> None:
        """An execution was booked."""
        self.fills_booked += 1
        self._remember(fill.fill_id, fill.order_id)
        progress = _progress(fill)
        if progress:
            self._progress[progress] = plain(fill.quantity)
            if len(self._progress) > FILL_IDS_MAX:
                del self._progress[next(iter(self._progress))]

    def _take(self, line: Line, last: Taken) -> None:
        self._taken[line] = last
        self._taken_of[line[0]] += 1

    def _remember(self, identity: str, order_id: str) -> None:
        self._known[identity] = order_id
        if len(self._known) > FILL_IDS_MAX:
            del self._known[next(iter(self._known))]
