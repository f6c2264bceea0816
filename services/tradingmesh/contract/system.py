"""The `TradingSystem` manifest: one for local processes and for the cluster."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tradingmesh.contract.broker import BrokerSpec, Mode, UrlSecretRef
from tradingmesh.contract.endpoints import EndpointsSpec
from tradingmesh.contract.fields import WHOLE_MAX, DurationMs, Exact, Flag, Spec, Symbols, Whole
from tradingmesh.contract.names import Component
from tradingmesh.contract.placement import ComponentSpec
from tradingmesh.contract.risk import FLATTEN, CircuitBreakerSpec, RiskLimits, TradingState

API_VERSION = "tradingmesh.io/v1alpha1"
KIND = "TradingSystem"
NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
NAME_MAX = 34
"""What is made for a system is called after it, and Kubernetes takes 52 characters of a StatefulSet's name."""
STRATEGIES_MAX = 32
STRATEGY_SYMBOLS_MAX = 250
"""An API server would not look through more: for more symbols the same strategy is named several times."""

ParamName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$", max_length=63)]


def _param(value: object) -> object:
    if isinstance(value, float | bool):
        raise ValueError(f"write {str(value).lower()} in quotes")  # noqa: TRY004 - pydantic tells of a ValueError
    if not isinstance(value, int | str) or (isinstance(value, int) and abs(value) > WHOLE_MAX):
        raise ValueError("a whole number or text belongs here")
    return value


Param = Annotated[int | Annotated[str, Field(max_length=256)], BeforeValidator(_param)]


class StrategySpec(Spec):
    """One strategy instance."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$", max_length=24)]
    """Its orders and positions go by it."""
    uses: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]+$", max_length=200)]
    """A built-in strategy, one of an installed package by its entry point, or `module:Class`."""
    symbols: Annotated[Symbols, Field(min_length=1, max_length=STRATEGY_SYMBOLS_MAX)]
    """What it hears of and trades; each is among the system's symbols."""
    params: dict[ParamName, Param] = Field(default_factory=dict, max_length=64)
    """The class's own parameters. A fraction is written in quotes, as is true or false."""


class AutoscalingSpec(Spec):
    """How many fill processors to run for a backlog of fills."""

    min_replicas: Whole = Field(default=1, ge=1, le=64)
    """Never fewer."""
    max_replicas: Whole = Field(default=8, ge=1, le=64)
    """Never more."""
    target_backlog: Whole = Field(default=200, ge=1)
    """How many fills may wait for each processor."""
    stabilization_ms: DurationMs = Field(default=60_000, alias="stabilization")
    """Fewer are run only once fewer would have done for so long; more, at once."""
    scaler: Literal["Operator", "Keda"] = "Operator"
    """Who decides: the operator itself, or KEDA by a ScaledObject where it is installed."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"minReplicas {self.min_replicas} is above maxReplicas {self.max_replicas}")
        return self


class FillProcessorsSpec(Spec):
    """The consumers of the fills channel."""

    replicas: Whole = Field(default=2, ge=1, le=64)
    """How many there are; autoscaling changes it, as `kubectl scale` does."""
    autoscaling: AutoscalingSpec | None = None
    """Unset, their number stays as it is."""


class PostgresSpec(Spec):
    """A PostgreSQL that keeps the risk manager's journal."""

    url_secret_ref: UrlSecretRef
    """The secret with the URL."""


class PersistenceSpec(Spec):
    """Where journals and ticks are kept."""

    size: str = Field(default="10Gi", pattern=r"^[1-9][0-9]*(Ki|Mi|Gi|Ti)$", max_length=12)
    """Of the volume of each component that keeps something."""
    postgres: PostgresSpec | None = None
    """Unset, the journal is a file on the risk manager's volume."""


class ObservabilitySpec(Spec):
    """Tracing and dashboards."""

    otlp_endpoint: Annotated[
        str,
        Field(pattern=r"^(https?://[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*(:[0-9]{1,5})?(/[^\s@]*)?)?$", max_length=512),
    ] = ""
    """Where traces are sent by OTLP over HTTP, such as http://jaeger:4318; empty, nowhere."""
    trace_sample_ratio: Annotated[Exact, Field(ge=0, le=1)] = Decimal("0.01")
    """Which part of the ticks is traced on its way."""
    service_monitor: Flag = False
    """Whether the Prometheus operator is told of the components."""
    dashboards: Flag = False
    """Whether Grafana is handed the dashboards."""


class OnDelete(StrEnum):
    """What is done at the broker before a deleted system's components stop; in each case it trades no more."""

    FLATTEN = "Flatten"
    CANCEL_ORDERS = "CancelOrders"
    LEAVE = "Leave"


class TradingSystemSpec(Spec):
    """What a TradingSystem is told to be."""

    mode: Mode = Mode.SIMULATED
    """Whose money is at stake; it cannot be changed."""
    acknowledge_live_trading: Flag = False
    """Mode live trades real money: it has to be said twice."""
    trading: TradingState = TradingState.ACTIVE
    """The kill switch, in force within seconds: Reducing takes only orders that shrink a position, Halted none."""
    symbols: Annotated[Symbols, Field(min_length=1)]
    """What may be traded: at most 8 bytes each."""
    broker: BrokerSpec = BrokerSpec()
    strategies: list[StrategySpec] = Field(default_factory=list, max_length=STRATEGIES_MAX)
    """Who decides what to trade."""
    endpoints: EndpointsSpec = EndpointsSpec()
    risk_limits: RiskLimits = RiskLimits()
    circuit_breaker: CircuitBreakerSpec = CircuitBreakerSpec()
    fill_processors: FillProcessorsSpec = FillProcessorsSpec()
    persistence: PersistenceSpec = PersistenceSpec()
    observability: ObservabilitySpec = ObservabilitySpec()
    components: dict[Component, ComponentSpec] = Field(default_factory=dict, max_length=len(Component))
    """Where and with how much each component runs in a cluster."""
    on_delete: OnDelete = OnDelete.CANCEL_ORDERS
    """What is done at the broker when the system is deleted: Flatten closes positions, too; Leave does nothing."""

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
    name: str = Field(pattern=NAME_PATTERN, max_length=NAME_MAX)
    namespace: str | None = None
    generation: int | None = None


class TradingSystem(Spec):
    """The manifest: one for local processes and for the cluster."""

    api_version: Literal["tradingmesh.io/v1alpha1"]
    kind: Literal["TradingSystem"]
    metadata: Metadata
    spec: TradingSystemSpec
    status: dict[str, Any] | None = None
