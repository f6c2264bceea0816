"""Whose money is at stake, and who executes the orders."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tradingmesh.contract.broker_api import ApiCircuitBreakerSpec, RetrySpec
from tradingmesh.contract.faults import FaultsSpec
from tradingmesh.contract.fields import DurationMs, Exact, ObjectName, Positive, Spec, Text, Whole


class Mode(StrEnum):
    """Whose money is at stake."""

    SIMULATED = "simulated"
    PAPER = "paper"
    LIVE = "live"


class SecretName(Spec):
    """A Kubernetes secret."""

    name: ObjectName
    """In the namespace of the TradingSystem."""


class UrlSecretRef(SecretName):
    """A URL in a Kubernetes secret."""

    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)] = "url"
    """Under which name the secret has it."""


Url = Annotated[
    str, Field(pattern=r"^(https?|wss?)://[a-z0-9-]+([.][a-z0-9-]+)*(:[0-9]{1,5})?(/[^\s@]*)?$", max_length=512)
]
"""Host in small letters and without a password, so that nobody mistakes whose it is."""


class SimulatorSpec(Spec):
    """The Alpaca-compatible simulator: what it plays and how fast."""

    tape: Text = "generated"
    """`generated`, or the path of ticks to play: a folder of LEAN's, a .parquet or a .csv."""
    seed: Whole = 7
    """Another seed is another market."""
    speed: Positive | Literal["max"] = Decimal(1)
    """How many times faster than the market; `max` is as fast as the slowest subscriber takes it."""
    duration_ms: DurationMs = Field(default=60_000, alias="duration")
    """Market time that a generated tape covers."""
    ticks_per_second: Whole = Field(default=200, ge=1, le=100_000)
    """Market events a second and symbol of a generated tape."""
    cash: Positive = Decimal(1_000_000)
    """What the account begins with."""
    bad_rows: Literal["skip", "stop"] = "skip"
    """What a row of the tape that cannot be read does: it is left out and counted, or it ends the start."""
    faults: FaultsSpec = FaultsSpec()
    """What goes wrong, on demand."""


class BrokerSpec(Spec):
    """Who executes the orders. The URLs are Alpaca's own unless overridden."""

    kind: Literal["simulator", "alpaca"] = "simulator"
    """Who executes; it goes with the mode and cannot be changed."""
    credentials_secret_ref: SecretName | None = None
    """The secret with APCA_API_KEY_ID and APCA_API_SECRET_KEY; on one machine they are in the environment."""
    feed: Literal["iex", "sip", "delayed_sip"] = "iex"
    """Which of Alpaca's market data streams is heard: iex is free, sip needs a subscription."""
    trading_url: Url | None = None
    """The REST API that takes orders, if not the usual one of the mode."""
    trading_stream_url: Url | None = None
    """The websocket that tells of orders and fills, if not the usual one."""
    data_stream_url: Url | None = None
    """The websocket of market data, if not the usual one."""
    data_timeout_ms: DurationMs = Field(default=60_000, alias="dataTimeout")
    """A market data stream that says nothing for so long is made anew; 0s: never. At night every stream is silent."""
    commission_per_share: Annotated[Exact, Field(ge=0)] = Decimal(0)
    """Booked on every share that is bought or sold."""
    retry: RetrySpec = RetrySpec()
    api_circuit_breaker: ApiCircuitBreakerSpec = ApiCircuitBreakerSpec()
    simulator: SimulatorSpec = SimulatorSpec()
