"""What the operator tells of a TradingSystem in its status."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tradingmesh.contract.fields import Spec
from tradingmesh.contract.risk import TradingState

MESSAGE_MAX = 32_768


class Phase(StrEnum):
    """Where a system stands, in one word; the conditions say why."""

    PENDING = "Pending"
    RUNNING = "Running"
    DEGRADED = "Degraded"
    PAUSED = "Paused"
    DELETING = "Deleting"


class Condition(Spec):
    """One condition, as every Kubernetes resource has them."""

    type: Annotated[str, Field(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When the status last changed."""
    reason: Annotated[str, Field(max_length=1_024)]
    message: Annotated[str, Field(max_length=MESSAGE_MAX)] = ""
    """What a person should know, and what to do."""


class BreakerStatus(Spec):
    """The circuit breaker as the risk manager tells of it."""

    state: Literal["Closed", "Open", "HalfOpen", "Unknown"]
    reason: Annotated[str, Field(max_length=MESSAGE_MAX)] = ""


class ComponentStatus(Spec):
    """One component."""

    name: str
    ready: bool
    """Whether as many of its pods are ready as should be."""
    version: str | None = None
    """Of the program that runs."""
    applied_generation: int | None = None
    """The newest generation of the spec that all its pods have in force."""
    message: Annotated[str, Field(max_length=MESSAGE_MAX)] | None = None
    """Why it is not ready, or why it did not take a generation."""


class FillProcessorsStatus(Spec):
    """The consumers of the fills channel."""

    replicas: int
    """How many there are now."""
    selector: str
    """Finds their pods, for whoever scales them."""
    ready_replicas: int | None = None
    backlog: int | None = None
    """How many fills wait for one of them; unset while the execution engine does not say."""


class SystemStatus(Spec):
    """What was last seen of a TradingSystem."""

    phase: Phase | None = None
    observed_generation: int | None = None
    """The generation of the spec that the rest speaks of."""
    conditions: Annotated[list[Condition], Field(max_length=32)] | None = None
    """Ready, Reconciled, ConfigInSync, BrokerInSync, TradingHalted and Degraded."""
    trading: TradingState | None = None
    """The trading state that the risk manager has in force."""
    breaker: BreakerStatus | None = None
    endpoints: dict[str, str] | None = None
    """Where each channel is reached."""
    components: Annotated[list[ComponentStatus], Field(max_length=16)] | None = None
    fill_processors: FillProcessorsStatus | None = None
