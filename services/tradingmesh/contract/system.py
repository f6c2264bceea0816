"""The `TradingSystem` manifest: one for local processes and for the cluster."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tradingmesh.contract.broker import BrokerSpec, Mode, SecretRef
from tradingmesh.contract.endpoints import EndpointsSpec
from tradingmesh.contract.fields import Exact, Spec, Symbol
from tradingmesh.contract.names import Component
from tradingmesh.contract.risk import FLATTEN, CircuitBreakerSpec, RiskLimits, TradingState

API_VERSION = "tradingmesh.io/v1alpha1"
KIND = "TradingSystem"


class StrategySpec(Spec):
    """One strategy instance: `uses` names an entry point or `module:Class`; `params` are the class's own."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")
    uses: str
    symbols: list[Symbol] = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)


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
        if FLATTEN in names:
            raise ValueError(f"a strategy may not be named {FLATTEN}: closing orders are said to be of it")
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
