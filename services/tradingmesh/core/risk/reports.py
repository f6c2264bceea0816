"""Reports in their order: each takes effect once, in the sequence of its symbol, whatever the number of processors."""

from decimal import Decimal

from tradingmesh.core.errors import InputError
from tradingmesh.core.fills import BookedReport, Fill, Report
from tradingmesh.core.risk.ledger import cash_impact
from tradingmesh.core.risk.units import PRICE_MAX, QUANTITY_MAX, e9
from tradingmesh.core.signal import Side
from tradingmesh.core.standing import OrderWorking

HELD_MAX = 10_000
FILL_IDS_MAX = 100_000
COMMISSION_DECIMALS = 27

Line = tuple[int, str]
"""One sequence: the outbox and the symbol."""


def line_of(report: Report) -> Line:
    """The sequence that a report belongs to."""
    return report.outbox_epoch, report.body.symbol


def fault_of(booked: BookedReport) -> str:
    """Why a report cannot be booked, in a sentence; empty where it can."""
    body = booked.report.body
    try:
        if isinstance(body, Fill):
            _check_fill(body, booked)
            return ""
        _check_moves_nothing(booked)
        if isinstance(body, OrderWorking):
            _check_working(body)
    except InputError as error:
        return str(error)
    return ""


def _check_moves_nothing(booked: BookedReport) -> None:
    if not (booked.cash_impact.is_zero() and booked.commission.is_zero()):
        raise InputError("only a fill moves cash")


def _check_working(working: OrderWorking) -> None:
    if working.side not in (Side.BUY, Side.SELL):
        raise InputError(f"side {working.side!r} is neither buy nor sell")
    if (working.open_quantity is None) == (working.open_notional is None):
        raise InputError("a working order has either a quantity or a notional")
    if working.open_quantity is not None:
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


class ReportSequences:
    """What was taken of each line, and what waits for the reports before it.

    Waiting reports are bounded and not journaled: one that finds no room, or is lost by a restart, was not
    acknowledged, so it is sent again. The ids of the last 100,000 fills are a second guard, should one come twice.
    """

    def __init__(self) -> None:
        self._taken: dict[Line, int] = {}
        self._waiting: dict[Line, dict[int, BookedReport]] = {}
        self._kept: dict[tuple[Line, int], str] = {}
        self._fill_ids: dict[str, None] = {}
        self.fills_booked = 0
        self.waiting_count = 0
        self.dropped_count = 0

    def next_of(self, line: Line) -> int:
        """The sequence number that the line expects."""
        return self._taken.get(line, 0) + 1

    def hold(self, booked: BookedReport) -> None:
        """Keeps a report that came early. Where there is no room it is dropped and counted: it comes again."""
        line, number = line_of(booked.report), booked.report.symbol_sequence
        if number in self._waiting.get(line, ()):
            return
        if self.waiting_count >= HELD_MAX:
            self.dropped_count += 1
            return
        self._waiting.setdefault(line, {})[number] = booked
        self.waiting_count += 1

    def take_waiting(self, line: Line) -> BookedReport | None:
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

    def kept_reason(self, report: Report) -> str | None:
        """Why the report of that place was set aside, if it was."""
        return self._kept.get((line_of(report), report.symbol_sequence))

    @property
    def kept_count(self) -> int:
        """How many were set aside since the start of the journal."""
        return len(self._kept)

    def knows_fill(self, fill_id: str) -> bool:
        """Whether an execution of that id was booked."""
        return fill_id in self._fill_ids

    def advance(self, report: Report) -> None:
        """The report takes its place."""
        self._taken[line_of(report)] = report.symbol_sequence

    def keep(self, report: Report, reason: str) -> None:
        """The report takes its place without an effect."""
        self.advance(report)
        self._kept[line_of(report), report.symbol_sequence] = reason

    def remember_fill(self, fill_id: str) -> None:
        """An execution was booked."""
        self.fills_booked += 1
        self._fill_ids[fill_id] = None
        if len(self._fill_ids) > FILL_IDS_MAX:
            del self._fill_ids[next(iter(self._fill_ids))]
