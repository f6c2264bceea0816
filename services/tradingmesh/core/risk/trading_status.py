"""What follows from the state of trading and of the breaker: what is refused anyway, and which orders must go."""

from tradingmesh.contract import FLATTEN, TradingState
from tradingmesh.core.checks import Check
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.risk.reservations import Reservation
from tradingmesh.core.risk.state import RiskState
from tradingmesh.core.signal import Side
from tradingmesh.core.trading_status import TradingStatus, Withdraw

LISTED_MAX = 1_000
"""More orders than this are canceled a part at a time: the next message names the next ones."""


def trading_status(state: RiskState) -> TradingStatus:
    """The status that follows from the state now; its generation is left to whoever tells it."""
    at = state.breaker.at
    withdraw, ids = _withdrawn(state)
    return TradingStatus(
        trading=state.trading,
        manifest_trading=state.manifest_trading,
        switch=state.switch,
        breaker=at.state,
        breaker_reason=at.reason,
        breaker_since_ns=at.since_ns,
        flattening=state.flatten.active,
        refused=_refused(state),
        withdraw=withdraw,
        reservation_ids=tuple(ids[:LISTED_MAX]),
    )


def trading_told(state: RiskState) -> str:
    """The trading state, and whose word it is."""
    return f"trading is {state.trading.value} (manifest {state.manifest_trading.value}, switch {state.switch.value})"


def breaker_told(state: RiskState) -> str:
    """The breaker, and why it stands there."""
    at = state.breaker.at
    return f"breaker {_BREAKER_WORDS[at.state]}: {at.reason}"


_BREAKER_WORDS = {BreakerState.CLOSED: "closed", BreakerState.OPEN: "open", BreakerState.HALF_OPEN: "half-open"}


def _refused(state: RiskState) -> str:
    if state.trading is TradingState.HALTED:
        return f"{Check.TRADING_STATE}: {trading_told(state)}"
    if state.breaker.state is BreakerState.OPEN:
        return f"{Check.CIRCUIT_BREAKER}: {breaker_told(state)}"
    return ""


def _withdrawn(state: RiskState) -> tuple[Withdraw, list[str]]:
    if state.trading is TradingState.HALTED:
        return Withdraw.ALL_BUT, []
    if state.breaker.state is BreakerState.OPEN:
        spared = [found.reservation_id for found in state.reservations if _closes(state, found)]
        return Withdraw.ALL_BUT, spared
    if state.trading is TradingState.ACTIVE and state.breaker.state is BreakerState.CLOSED:
        return Withdraw.NONE, []
    return Withdraw.LISTED, _not_only_reducing(state)


def _closes(state: RiskState, found: Reservation) -> bool:
    return state.flatten.active and found.signal is not None and found.signal.strategy == FLATTEN


def _not_only_reducing(state: RiskState) -> list[str]:
    """The orders that could increase a position, and all that stand in a flatten's way.

    Oldest first, an order may stay while it and those that stay before it cannot do more than close the position. How
    many shares one by notional will trade is not known, so it does not stay.
    """
    room_e9: dict[tuple[str, Side], int] = {}
    listed = []
    for found in state.reservations:
        if _closes(state, found):
            continue
        key = (found.symbol, found.side)
        held_e9 = state.book(found.symbol).quantity_e9
        left_e9 = room_e9.setdefault(key, -found.side.sign * held_e9) - found.open_e9
        if left_e9 < 0 or found.money_e18 or state.flatten.covers(found.symbol):
            listed.append(found.reservation_id)
        else:
            room_e9[key] = left_e9
    return listed
