"""A fill on its way into the ledger: what it does to cash, and how far its price was from the one decided on."""

from decimal import Decimal

from tradingmesh.core.errors import InputError
from tradingmesh.core.events import OrderFilled, PositionClosed, PositionOpened, PositionUpdated
from tradingmesh.core.fills import BookedReport, Fill, Position, Report, ReportApplied
from tradingmesh.core.money import EXACT, ZERO
from tradingmesh.core.orders.effects import Tell
from tradingmesh.core.risk.ledger import cash_impact, taken_over
from tradingmesh.core.risk.units import PRICE_MAX, QUANTITY_MAX, e9
from tradingmesh.core.standing import OpeningPosition


def booked(report: Report, commission_per_share: Decimal) -> BookedReport:
    """The report with its figures; the end of an order moves nothing. Raises `InputError` for a fill that is none."""
    fill = report.body
    if isinstance(fill, OpeningPosition):
        return BookedReport(report, ZERO, _taken_over(fill))
    if not isinstance(fill, Fill):
        return BookedReport(report, ZERO, ZERO)
    _check(fill)
    commission = EXACT.multiply(fill.quantity, commission_per_share)
    impact = cash_impact(fill.side, fill.quantity, fill.price, commission)
    return BookedReport(report, commission, impact, slippage(fill))


def unbooked(report: Report) -> BookedReport:
    """A report that cannot be booked, as it is: the risk manager sets it aside, with its own reason."""
    return BookedReport(report, ZERO, ZERO)


def slippage(fill: Fill) -> Decimal | None:
    """Dollars that the fill cost more than at the reference price; negative where it was better.

    None without one, and where it is no price: a strategy's odd word must not keep a fill from being booked.
    """
    if fill.reference_price is None:
        return None
    try:
        e9(fill.reference_price, "reference_price", PRICE_MAX)
    except InputError:
        return None
    worse_by = EXACT.multiply(EXACT.subtract(fill.price, fill.reference_price), fill.side.sign)
    return EXACT.multiply(worse_by, fill.quantity)


def events_of(booked_report: BookedReport, answer: ReportApplied) -> list[Tell]:
    """What to tell of a report that was applied: the fill, and what became of the position. Nothing of a duplicate."""
    report = booked_report.report
    fill = report.body
    if not isinstance(fill, Fill) or answer.duplicate:
        return []
    figures = {"fill": fill, "commission": booked_report.commission, "slippage": booked_report.slippage}
    return [Tell(OrderFilled, report.trace_id, figures), _moved(answer.before, answer.after, report.trace_id)]


def _moved(before: Position, after: Position, trace_id: str) -> Tell:
    if after.quantity == 0:
        return Tell(PositionClosed, trace_id, {"symbol": after.symbol, "realised": after.realised})
    opened = before.quantity == 0
    return Tell(PositionOpened if opened else PositionUpdated, trace_id, {"position": after})


def _taken_over(opening: OpeningPosition) -> Decimal:
    e9(opening.quantity.copy_abs(), "quantity", QUANTITY_MAX)
    e9(opening.price, "price", PRICE_MAX)
    return taken_over(opening.quantity, opening.price)


def _check(fill: Fill) -> None:
    e9(fill.quantity, "quantity", QUANTITY_MAX)
    e9(fill.price, "price", PRICE_MAX)
    e9(fill.cumulative_quantity, "cumulative_quantity", QUANTITY_MAX)
    if not fill.fill_id or not fill.symbol:
        raise InputError("a fill needs its id and its symbol")
