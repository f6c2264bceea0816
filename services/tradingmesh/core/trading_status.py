"""What may be traded now, and which orders must go: told to the mesh as a state, again and again, never as an event.

Whoever missed one message learns it from the next. It only withdraws: that an order may go a risk check alone says.
"""

from enum import StrEnum

import msgspec

from tradingmesh.contract import TradingState
from tradingmesh.core.risk.breaker import BreakerState


class Withdraw(StrEnum):
    """Which open orders are to be canceled."""

    NONE = "none"
    LISTED = "listed"
    """The orders of the reservations that `reservation_ids` names."""
    ALL_BUT = "all-but"
    """Every order, whoever placed it, but those of the reservations named."""


class TradingStatus(msgspec.Struct, frozen=True):
    """The trading state in force, with whose word it is; the breaker, why and since when (wall time); what follows.

    `refused` is why no order but a flatten's may go, empty where a risk check has to say. `generation` counts the
    changes since the risk manager began.
    """

    trading: TradingState
    manifest_trading: TradingState
    switch: TradingState
    breaker: BreakerState
    breaker_reason: str
    breaker_since_ns: int
    flattening: bool
    refused: str
    withdraw: Withdraw
    reservation_ids: tuple[str, ...] = ()
    generation: int = 0

    def withdraws(self, reservation_id: str) -> bool:
        """Whether the order of that reservation is to be canceled; the id is empty for an order without one."""
        if self.withdraw is Withdraw.ALL_BUT:
            return reservation_id not in self.reservation_ids
        return self.withdraw is Withdraw.LISTED and reservation_id in self.reservation_ids
