"""Was anything lost or doubled? The broker's own account against the risk manager's journal, fill by fill. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from tradingmesh.core.fills import Fill
from tradingmesh.core.money import plain
from tradingmesh.core.risk.ledger import Ledger
from tradingmesh.core.risk.records import PoisonKept, ReportBooked, ReportKept, RiskRecord
from tradingmesh.core.signal import Side
from tradingmesh.core.standing import OpeningPosition

NAMED_MAX = 3
"""So many fills are named in a sentence; the count is of all."""


class Execution(NamedTuple):
    """What a fill did, whoever tells it."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal


class Account(NamedTuple):
    """Cash, the positions that are not flat, and the fills that led there, in order, by their ids."""

    cash: Decimal
    positions: Mapping[str, Decimal]
    fills: tuple[tuple[str, Execution], ...]


class Audit(NamedTuple):
    """How the ledger's account differs from the broker's. `differences` are sentences; without one they are equal."""

    lost: int
    doubled: int
    differences: tuple[str, ...]


def ledger_account(records: Iterable[RiskRecord], cash: Decimal) -> tuple[Account, tuple[str, ...]]:
    """The account that the journal's records lead to from `cash`, and what was set aside instead of booked.

    Two execution engines on one account each tell of every execution (0065): what another outbox told is no second one.
    """
    ledger = Ledger(cash)
    fills, aside = [], []
    told_by: dict[tuple[str, Decimal], int] = {}
    for record in records:
        if isinstance(record, ReportBooked) and isinstance(record.booked.report.body, Fill):
            fill, outbox = record.booked.report.body, record.booked.report.outbox_epoch
            if told_by.setdefault((fill.order_id, fill.cumulative_quantity), outbox) != outbox:
                continue
            ledger.book(fill, record.booked.commission)
            fills.append((fill.fill_id, Execution(fill.symbol, fill.side, fill.quantity, fill.price)))
        elif isinstance(record, ReportBooked) and isinstance(record.booked.report.body, OpeningPosition):
            opening = record.booked.report.body
            if not ledger.knows(opening.symbol):
                ledger.take_over(opening.symbol, opening.quantity, opening.price)
        elif isinstance(record, ReportKept):
            aside.append(f"{record.booked.report.body.symbol}: a report was set aside: {record.reason}")
        elif isinstance(record, PoisonKept):
            aside.append(f"{record.poison.place}: set aside: {record.poison.reason}")
    positions = {p.symbol: p.quantity for p in ledger.positions() if p.quantity}
    return Account(ledger.cash, positions, tuple(fills)), tuple(aside)


def audit(broker: Account, ledger: Account) -> Audit:
    """Every fill of the broker must be in the ledger once, as it was; then positions and cash are equal."""
    executed, booked = dict(broker.fills), dict(ledger.fills)
    times = Counter(fill_id for fill_id, _ in ledger.fills)
    lost = [fill_id for fill_id in executed if fill_id not in booked]
    doubled = [fill_id for fill_id, count in times.items() if count > 1]
    unknown = [fill_id for fill_id in booked if fill_id not in executed]
    changed = [fill_id for fill_id, done in executed.items() if booked.get(fill_id, done) != done]
    differences = [
        f"{len(ids)} {'fill' if len(ids) == 1 else 'fills'} {what}: {_named(ids)}"
        for ids, what in (
            (lost, "of the broker not in the ledger"),
            (doubled, "booked more than once"),
            (unknown, "in the ledger that the broker does not know"),
            (changed, "booked with another quantity or price"),
        )
        if ids
    ]
    return Audit(len(lost), sum(times[i] - 1 for i in doubled), (*differences, *_balances(broker, ledger)))


def _balances(broker: Account, ledger: Account) -> list[str]:
    differences = []
    for symbol in sorted({*broker.positions, *ledger.positions}):
        theirs, ours = broker.positions.get(symbol, Decimal(0)), ledger.positions.get(symbol, Decimal(0))
        if theirs != ours:
            differences.append(f"position {symbol}: the broker has {plain(theirs)}, the ledger {plain(ours)}")
    if broker.cash != ledger.cash:
        differences.append(f"cash: the broker has {plain(broker.cash)}, the ledger {plain(ledger.cash)}")
    return differences


def _named(fill_ids: list[str]) -> str:
    more = len(fill_ids) - NAMED_MAX
    return ", ".join(fill_ids[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
