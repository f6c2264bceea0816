"""Whose money is at stake, and who executes the orders."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tradingmesh.contract.broker_api import ApiCircuitBreakerSpec, RetrySpec
from tradingmesh.contract.faults import FaultsSpec
from tradingmesh.contract.fields import DurationMs, Exact, Positive, Spec


class Mode(StrEnum):
    """Whose money is at stake."""

    SIMULATED = "simulated"
    PAPER = "paper"
    LIVE = "live"


class SecretRef(Spec):
    """A Kubernetes secret, by name and optional key."""

    name: str
    key: str | None = None


class SimulatorSpec(Spec):
    """The Alpaca-compatible simulator: what it plays and how fast."""

    tape: str = "generated"
    seed: int = 7
    speed: Annotated[Decimal, Field(gt=0)] | Literal["max"] = Decimal(1)
    duration_ms: DurationMs = Field(default=60_000, alias="duration")
    """Market time that a generated tape covers."""
    ticks_per_second: int = Field(default=200, ge=1, le=100_000)
    """Market events a second and symbol of a generated tape."""
    cash: Positive = Decimal(1_000_000)
    bad_rows: Literal["skip", "stop"] = "skip"
    faults: FaultsSpec = FaultsSpec()


class BrokerSpec(Spec):
    """Who executes the orders. The URLs are Alpaca's own unless overridden."""

    kind: Literal["simulator", "alpaca"] = "simulator"
    credentials_secret_ref: SecretRef | None = None
    feed: Literal["iex", "sip", "delayed_sip"] = "iex"
    trading_url: str | None = None
    trading_stream_url: str | None = None
    data_stream_url: str | None = None
    data_timeout_ms: DurationMs = Field(default=60_000, alias="dataTimeout")
    """A market data stream that says nothing for so long is made anew; 0s: never. At night every stream is silent."""
    commission_per_share: Annotated[Exact, Field(ge=0)] = Decimal(0)
    retry: RetrySpec = RetrySpec()
    api_circuit_breaker: ApiCircuitBreakerSpec = ApiCircuitBreakerSpec()
    simulator: SimulatorSpec = SimulatorSpec()
