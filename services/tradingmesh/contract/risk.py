"""What may be traded: limits, the circuit breaker, the kill switch."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tradingmesh.contract.fields import SYMBOLS_MAX, DurationMs, Positive, Spec, Symbol, Symbols, Whole

FLATTEN = "flatten"
"""The strategy that closing orders are said to be of. It is the risk manager's own: none of the manifest has it."""


class TradingState(StrEnum):
    """The kill switch: Reducing lets through only orders that shrink a position, Halted none."""

    ACTIVE = "Active"
    REDUCING = "Reducing"
    HALTED = "Halted"


class SymbolLimits(Spec):
    """Limits that one symbol has instead of the general ones."""

    max_order_quantity: Positive | None = None
    """The most shares of one order."""
    max_order_notional: Positive | None = None
    """The most money of one order: quantity times price, or times the quote for a market order."""
    max_position_quantity: Positive | None = None
    """The most shares held of one symbol, long or short, with what the working orders would add."""
    max_position_notional: Positive | None = None
    """The most money in one symbol, with what the working orders would add."""
    price_collar_percent: Positive | None = None
    """How far from the quote a price may be."""
    max_quote_age_ms: DurationMs | None = Field(default=None, alias="maxQuoteAge")
    """An order needs a quote that is no older."""


class RiskLimits(SymbolLimits):
    """The pre-trade limits. One that is unset refuses every order: "no limit" cannot be said."""

    max_gross_notional: Positive | None = None
    """The most money in all positions, long and short added up."""
    max_daily_loss: Positive | None = None
    """A loss of the day beyond it opens the circuit breaker."""
    max_open_orders: Annotated[Whole, Field(ge=1)] | None = None
    """How many orders may work at a time."""
    max_orders_per_minute: Annotated[Whole, Field(ge=1)] | None = None
    """How many orders may be sent in any minute."""
    duplicate_window_ms: DurationMs = Field(default=1_000, alias="duplicateWindow")
    """Within it a second order equal in strategy, symbol, side, quantity and price is a duplicate."""
    restricted_symbols: Symbols = Field(default_factory=list)
    """Not to be traded, whatever else is allowed."""
    per_symbol: dict[Symbol, SymbolLimits] = Field(default_factory=dict, max_length=SYMBOLS_MAX)
    """What one symbol has instead of the general limits."""

    @model_validator(mode="after")
    def _order_fits_position(self) -> Self:
        order, position = self.max_order_quantity, self.max_position_quantity
        if order is not None and position is not None and order > position:
            raise ValueError(f"maxOrderQuantity {order} is above maxPositionQuantity {position}")
        return self


class CircuitBreakerSpec(Spec):
    """When a tripped breaker lets trading go on again."""

    recovery_period_ms: DurationMs = Field(default=300_000, alias="recoveryPeriod")
    """How long it stays open at least."""
    stable_for_ms: DurationMs = Field(default=30_000, alias="stableFor")
    """How long the loss must then stay within its limit before it closes."""
    reset: Literal["Automatic", "Manual"] = "Automatic"
    """Whether it closes by itself, or a person has to."""
