"""What the risk manager shows of itself: a picture of the state, ready for JSON."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tradingmesh.contract import TradingState
from tradingmesh.core.events import Ledger, LedgerPosition
from tradingmesh.core.money import EXACT, plain
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.risk.state import RiskState
from tradingmesh.core.risk.units import text_e9, text_e18

POSITIONS_TOLD_MAX = 200


class PositionStatus(LedgerPosition, frozen=True):
    """One position at its mark, and what works in its symbol."""

    working_buys: str
    working_sells: str


class BreakerStatus(msgspec.Struct, frozen=True):
    """Where the breaker stands, since when (wall time), and why."""

    state: BreakerState
    since_ns: int
    reason: str


class FlattenStatus(msgspec.Struct, frozen=True):
    """The flatten under way, or how the last one ended: `number` is 0 before any, `symbol` empty for all positions.

    `held_up` says by symbol what its next closing order waits for.
    """

    number: int
    active: bool
    symbol: str
    orders: int
    outcome: str
    held_up: dict[str, str]


class RiskStatus(msgspec.Struct, frozen=True):
    """Everything a person asks for first. `trading` is the stricter of the manifest's word and the switch's."""

    trading: TradingState
    manifest_trading: TradingState
    switch: TradingState
    breaker: BreakerStatus
    flatten: FlattenStatus
    cash: str
    equity: str
    realised: str
    unrealised: str
    day_profit: str
    gross_notional: str
    positions: tuple[PositionStatus, ...]
    working_reservations: int
    confirmed_reservations: int
    fills_booked: int
    reports_waiting: int
    reports_kept: int
    reports_dropped: int
    differing: tuple[str, ...]
    """Where the broker has another position than the ledger, a sentence each."""
    unquoted: tuple[str, ...]
    """The symbols that are held and not quoted."""


def status_of(state: RiskState) -> RiskStatus:
    """The picture now."""
    at, flatten = state.breaker.at, state.flatten
    positions = tuple(_position(state, position.symbol) for position in state.ledger.positions())
    return RiskStatus(
        trading=state.trading,
        manifest_trading=state.manifest_trading,
        switch=state.switch,
        breaker=BreakerStatus(at.state, at.since_ns, at.reason),
        flatten=FlattenStatus(
            number=flatten.number,
            active=flatten.active,
            symbol=flatten.symbol,
            orders=flatten.orders,
            outcome=flatten.outcome,
            held_up=dict(flatten.held_up),
        ),
        cash=plain(state.ledger.cash),
        equity=text_e18(state.equity_e18),
        realised=plain(state.ledger.realised),
        unrealised=plain(state.ledger.unrealised(state.marks())),
        day_profit=text_e18(state.day_profit_e18),
        gross_notional=text_e18(state.gross_e18),
        positions=positions,
        working_reservations=len(state.reservations),
        confirmed_reservations=sum(1 for found in state.reservations if found.confirmed_by),
        fills_booked=state.reports.fills_booked,
        reports_waiting=state.reports.waiting_count,
        reports_kept=state.reports.kept_count,
        reports_dropped=state.reports.dropped_count,
        differing=tuple(sentence for _, sentence in state.differences.told()),
        unquoted=tuple(state.unquoted()),
    )


def ledger_of(status: Mapping[str, Any]) -> Ledger:
    """The ledger of a `RiskStatus` in built-in values, with `POSITIONS_TOLD_MAX` positions: first those not flat."""
    positions = sorted(status["positions"], key=lambda position: position["quantity"] == "0")
    told = {"positions": positions[:POSITIONS_TOLD_MAX], "positions_count": len(positions)}
    return msgspec.convert({**status, **told}, Ledger)


def _position(state: RiskState, symbol: str) -> PositionStatus:
    position, book = state.ledger.position(symbol), state.book(symbol)
    value: Decimal = EXACT.multiply(position.quantity, book.mark)
    return PositionStatus(
        symbol=symbol,
        quantity=plain(position.quantity),
        cost=plain(position.cost),
        mark=text_e9(book.mark_e9),
        realised=plain(position.realised),
        unrealised=plain(EXACT.subtract(value, position.cost)),
        working_buys=text_e9(book.buying_e9),
        working_sells=text_e9(book.selling_e9),
    )
