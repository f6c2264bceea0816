"""What may be traded: limits, the circuit breaker, the kill switch."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tradingmesh.contract.fields import DurationMs, Positive, Spec, Symbol


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
    max_order_notional: Positive | None = None
    max_position_quantity: Positive | None = None
    max_position_notional: Positive | None = None
    price_collar_percent: Positive | None = None
    max_quote_age_ms: DurationMs | None = Field(default=None, alias="maxQuoteAge")


class RiskLimits(SymbolLimits):
    """The pre-trade limits. One that is unset refuses every order: "no limit" cannot be said."""

    max_gross_notional: Positive | None = None
    max_daily_loss: Positive | None = None
    max_open_orders: Annotated[int, Field(ge=1)] | None = None
    max_orders_per_minute: Annotated[int, Field(ge=1)] | None = None
    duplicate_window_ms: DurationMs = Field(default=1_000, alias="duplicateWindow")
    """Within it a second order equal in strategy, symbol, side, quantity and price is a duplicate."""
    restricted_symbols: list[Symbol] = Field(default_factory=list)
    per_symbol: dict[Symbol, SymbolLimits] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _order_fits_position(self) -> Self:
        order, position = self.max_order_quantity, self.max_position_quantity
        if order is not None and position is not None and order > position:
            raise ValueError(f"maxOrderQuantity {order} is above maxPositionQuantity {position}")
        return self


class CircuitBreakerSpec(Spec):
    """When a tripped breaker lets trading go on again."""

    recovery_period_ms: DurationMs = Field(default=300_000, alias="recoveryPeriod")
    stable_for_ms: DurationMs = Field(default=30_000, alias="stableFor")
    reset: Literal["Automatic", "Manual"] = "Automatic"
