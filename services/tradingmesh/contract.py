"""What every part of the system agrees on: component names, channels, and the `TradingSystem` manifest.

This module is all that an operator shares with the services. It imports nothing else of tradingmesh.
Field names are the manifest's camelCase; Python names are snake_case with the unit last.
"""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

API_VERSION = "tradingmesh.io/v1alpha1"
KIND = "TradingSystem"
SYMBOL_MAX_BYTES = 8


class Component(StrEnum):
    """The services of the mesh, and the broker that stands in for Alpaca."""

    MARKET_DATA_FEED = "market-data-feed"
    MARKET_DATA_STORE = "market-data-store"
    FEATURE_ENGINE = "feature-engine"
    SIGNAL_GENERATOR = "signal-generator"
    RISK_MANAGER = "risk-manager"
    EXECUTION_ENGINE = "execution-engine"
    FILL_PROCESSOR = "fill-processor"
    METRICS_COLLECTOR = "metrics-collector"
    ALPACA_SIMULATOR = "alpaca-simulator"


class Channel(StrEnum):
    """The ZeroMQ channels between the services."""

    MARKET_DATA = "market-data"
    RISK_CHECK = "risk-check"
    FILLS = "fills"
    ORDERS = "orders"
    FEATURES = "features"
    EVENTS = "events"
    POSITIONS = "positions"
    FILL_ACKS = "fill-acks"
    CONTROL = "control"


class ChannelFacts(NamedTuple):
    """Which component binds a channel, and its port unless the manifest says otherwise."""

    binder: Component
    port: int


CHANNELS: dict[Channel, ChannelFacts] = {
    Channel.MARKET_DATA: ChannelFacts(Component.MARKET_DATA_FEED, 5555),
    Channel.RISK_CHECK: ChannelFacts(Component.RISK_MANAGER, 5556),
    Channel.FILLS: ChannelFacts(Component.EXECUTION_ENGINE, 5557),
    Channel.ORDERS: ChannelFacts(Component.EXECUTION_ENGINE, 5558),
    Channel.FEATURES: ChannelFacts(Component.FEATURE_ENGINE, 5559),
    Channel.EVENTS: ChannelFacts(Component.METRICS_COLLECTOR, 5560),
    Channel.POSITIONS: ChannelFacts(Component.RISK_MANAGER, 5561),
    Channel.FILL_ACKS: ChannelFacts(Component.EXECUTION_ENGINE, 5562),
    Channel.CONTROL: ChannelFacts(Component.RISK_MANAGER, 5563),
}
ADMIN_PORT = 9090

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def duration_ms(text: str | int) -> int:
    """Milliseconds of a duration such as `100ms`, `5s` or `1.5m`; an int is taken as milliseconds already."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 100ms, 5s or 1.5m")
    return int(Decimal(match[1]) * _MS[match[2]])


def _exact(value: object) -> object:
    if isinstance(value, float):
        raise ValueError(f"write {value} in quotes: a number with a fraction is read exactly only from text")  # noqa: TRY004
    return value


def _symbol(value: str) -> str:
    if len(value.encode()) > SYMBOL_MAX_BYTES:
        raise ValueError(f"{value!r} is longer than {SYMBOL_MAX_BYTES} bytes")
    if not re.fullmatch(r"[A-Z0-9./]+", value):
        raise ValueError(f"{value!r} is not a symbol: capitals, digits, dot and slash only")
    return value


Symbol = Annotated[str, AfterValidator(_symbol)]
DurationMs = Annotated[int, BeforeValidator(duration_ms), Field(ge=0)]
Exact = Annotated[Decimal, BeforeValidator(_exact), Field(allow_inf_nan=False)]
Positive = Annotated[Exact, Field(gt=0)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Spec(BaseModel):
    """Base of every manifest model: camelCase outside, unknown fields refused, frozen once read."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )


class Mode(StrEnum):
    """Whose money is at stake."""

    SIMULATED = "simulated"
    PAPER = "paper"
    LIVE = "live"


class TradingState(StrEnum):
    """The kill switch: Reducing lets through only orders that shrink a position, Halted none."""

    ACTIVE = "Active"
    REDUCING = "Reducing"
    HALTED = "Halted"


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
    faults: dict[str, Any] = Field(default_factory=dict)


class BrokerSpec(Spec):
    """Who executes the orders. The URLs are Alpaca's own unless overridden."""

    kind: Literal["simulator", "alpaca"] = "simulator"
    credentials_secret_ref: SecretRef | None = None
    feed: Literal["iex", "sip", "delayed_sip"] = "iex"
    trading_url: str | None = None
    trading_stream_url: str | None = None
    data_stream_url: str | None = None
    commission_per_share: Annotated[Exact, Field(ge=0)] = Decimal(0)
    simulator: SimulatorSpec = SimulatorSpec()


class StrategySpec(Spec):
    """One strategy instance: `uses` names an entry point or `module:Class`; `params` are the class's own."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")
    uses: str
    symbols: list[Symbol] = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)


class EndpointSpec(Spec):
    """One channel's socket settings."""

    port: Port
    send_high_water_mark: int = Field(default=1000, ge=1)
    receive_high_water_mark: int = Field(default=1000, ge=1)
    linger_ms: DurationMs = Field(default=100, alias="linger")


class RiskCheckEndpointSpec(EndpointSpec):
    """The risk-check channel and how long an answer is waited for."""

    port: Port = CHANNELS[Channel.RISK_CHECK].port
    timeout_ms: DurationMs = Field(default=1_000, alias="timeout")


class FillsEndpointSpec(EndpointSpec):
    """The fills channel and when a fill without an ack is sent again."""

    port: Port = CHANNELS[Channel.FILLS].port
    redeliver_after_ms: DurationMs = Field(default=500, alias="redeliverAfter")


def _endpoint(channel: Channel) -> Any:
    return Field(default_factory=lambda: EndpointSpec(port=CHANNELS[channel].port))


class HeartbeatSpec(Spec):
    """ZeroMQ heartbeats: a half-open link is found after `timeout`."""

    interval_ms: DurationMs = Field(default=500, alias="interval")
    timeout_ms: DurationMs = Field(default=1_500, alias="timeout")
    ttl_ms: DurationMs = Field(default=2_000, alias="ttl")


class EndpointsSpec(Spec):
    """Every channel, and what they share."""

    transport: Literal["tcp", "ipc"] = "tcp"
    heartbeat: HeartbeatSpec = HeartbeatSpec()
    market_data: EndpointSpec = _endpoint(Channel.MARKET_DATA)
    risk_check: RiskCheckEndpointSpec = RiskCheckEndpointSpec()
    fills: FillsEndpointSpec = FillsEndpointSpec()
    orders: EndpointSpec = _endpoint(Channel.ORDERS)
    features: EndpointSpec = _endpoint(Channel.FEATURES)
    events: EndpointSpec = _endpoint(Channel.EVENTS)
    positions: EndpointSpec = _endpoint(Channel.POSITIONS)
    fill_acks: EndpointSpec = _endpoint(Channel.FILL_ACKS)
    control: EndpointSpec = _endpoint(Channel.CONTROL)

    @model_validator(mode="before")
    @classmethod
    def _usual_ports(cls, given: Any) -> Any:
        usual = {to_camel(channel.value.replace("-", "_")): facts.port for channel, facts in CHANNELS.items()}
        told = given if isinstance(given, dict) else {}
        partly = {name: said for name, said in told.items() if name in usual and isinstance(said, dict)}
        return {**told, **{name: {"port": usual[name], **said} for name, said in partly.items()}} if told else given

    def of(self, channel: Channel) -> EndpointSpec:
        """The settings of one channel."""
        endpoint: EndpointSpec = getattr(self, channel.value.replace("-", "_"))
        return endpoint

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        taken: dict[int, Channel] = {}
        for channel in Channel:
            port = self.of(channel).port
            if port in taken:
                raise ValueError(f"{taken[port]} and {channel} both use port {port}")
            taken[port] = channel
        return self


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


class AutoscalingSpec(Spec):
    """How many fill processors to run for a backlog of fills."""

    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(default=8, ge=1)
    target_backlog: int = Field(default=200, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"minReplicas {self.min_replicas} is above maxReplicas {self.max_replicas}")
        return self


class FillProcessorsSpec(Spec):
    """The consumers of the fills channel."""

    replicas: int = Field(default=2, ge=1, le=64)
    autoscaling: AutoscalingSpec | None = None


class PostgresSpec(Spec):
    """Where the PostgreSQL URL is found."""

    url_secret_ref: SecretRef


class PersistenceSpec(Spec):
    """Where journals and ticks are kept."""

    size: str = Field(default="10Gi", pattern=r"^[1-9][0-9]*(Ki|Mi|Gi|Ti)$")
    postgres: PostgresSpec | None = None


class ObservabilitySpec(Spec):
    """Tracing and dashboards."""

    otlp_endpoint: str = ""
    trace_sample_ratio: Annotated[Exact, Field(ge=0, le=1)] = Decimal("0.01")
    service_monitor: bool = False
    dashboards: bool = False


class TradingSystemSpec(Spec):
    """Everything a TradingSystem is."""

    mode: Mode = Mode.SIMULATED
    acknowledge_live_trading: bool = False
    trading: TradingState = TradingState.ACTIVE
    symbols: list[Symbol] = Field(min_length=1, max_length=1000)
    broker: BrokerSpec = BrokerSpec()
    strategies: list[StrategySpec] = Field(default_factory=list)
    endpoints: EndpointsSpec = EndpointsSpec()
    risk_limits: RiskLimits = RiskLimits()
    circuit_breaker: CircuitBreakerSpec = CircuitBreakerSpec()
    fill_processors: FillProcessorsSpec = FillProcessorsSpec()
    persistence: PersistenceSpec = PersistenceSpec()
    observability: ObservabilitySpec = ObservabilitySpec()
    components: dict[Component, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("symbols")
    @classmethod
    def _symbols_differ(cls, symbols: list[str]) -> list[str]:
        if len(set(symbols)) != len(symbols):
            raise ValueError("a symbol is listed twice")
        return symbols

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mode is Mode.LIVE and not self.acknowledge_live_trading:
            raise ValueError("mode live trades real money: set acknowledgeLiveTrading: true")
        if (self.mode is Mode.SIMULATED) != (self.broker.kind == "simulator"):
            raise ValueError(f"mode {self.mode} does not go with broker.kind {self.broker.kind}")
        self._check_urls()
        names = [strategy.name for strategy in self.strategies]
        if len(set(names)) != len(names):
            raise ValueError("two strategies have one name")
        for strategy in self.strategies:
            unknown = sorted(set(strategy.symbols) - set(self.symbols))
            if unknown:
                raise ValueError(f"strategy {strategy.name} trades {', '.join(unknown)}, which symbols does not list")
        return self

    def _check_urls(self) -> None:
        """Keeps a copied URL from trading real money in a mode that promises none."""
        for url in (self.broker.trading_url, self.broker.trading_stream_url, self.broker.data_stream_url):
            host = (urlsplit(url).hostname or "") if url else ""
            alpaca = host == "alpaca.markets" or host.endswith(".alpaca.markets")
            if alpaca and self.mode is Mode.SIMULATED:
                raise ValueError(f"mode simulated does not go with Alpaca's own {url}")
            if host == "api.alpaca.markets" and self.mode is not Mode.LIVE:
                raise ValueError(f"{url} trades real money, mode {self.mode} does not")


class Metadata(BaseModel):
    """The Kubernetes metadata that matters here; what else the API server adds is let through."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    namespace: str | None = None
    generation: int | None = None


class TradingSystem(Spec):
    """The manifest: one for local processes and for the cluster."""

    api_version: Literal["tradingmesh.io/v1alpha1"]
    kind: Literal["TradingSystem"]
    metadata: Metadata
    spec: TradingSystemSpec
    status: dict[str, Any] | None = None
