"""The socket settings of every channel."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from tradingmesh.contract.fields import DurationMs, Port, Spec, Whole
from tradingmesh.contract.names import ADMIN_PORT, CHANNELS, PAGE_PORT, Channel, Component


class EndpointSpec(Spec):
    """One channel's socket settings."""

    port: Port
    """Where it is bound and connected to. A change restarts who uses the channel, and nobody else."""
    send_high_water_mark: Whole = Field(default=1000, ge=1)
    """How many messages wait for a slow peer before one is dropped, or the sender waits."""
    receive_high_water_mark: Whole = Field(default=1000, ge=1)
    """How many messages wait to be read."""
    linger_ms: DurationMs = Field(default=100, alias="linger")
    """How long a process that ends still sends what waits."""


class RiskCheckEndpointSpec(EndpointSpec):
    """The risk-check channel and how long an answer is waited for."""

    port: Port = CHANNELS[Channel.RISK_CHECK].port
    """As of every channel."""
    timeout_ms: DurationMs = Field(default=1_000, alias="timeout")
    """Without an answer by then, an order is not approved."""


class FillsEndpointSpec(EndpointSpec):
    """The fills channel and when a fill without an ack is sent again."""

    port: Port = CHANNELS[Channel.FILLS].port
    """As of every channel."""
    redeliver_after_ms: DurationMs = Field(default=500, alias="redeliverAfter")
    """A fill that nobody has acknowledged by then is sent again; it takes effect once all the same."""


def _endpoint(channel: Channel) -> Any:
    return Field(default_factory=lambda: EndpointSpec(port=CHANNELS[channel].port))


class HeartbeatSpec(Spec):
    """ZeroMQ heartbeats: a half-open link is found after `timeout`, and `interval` later at most."""

    interval_ms: DurationMs = Field(default=250, alias="interval")
    """How often a link is tried."""
    timeout_ms: DurationMs = Field(default=1_500, alias="timeout")
    """A link that says nothing for so long is given up."""
    ttl_ms: DurationMs = Field(default=2_000, alias="ttl")
    """After so long without a sign of this side the other gives it up."""


class EndpointsSpec(Spec):
    """Every channel, and what they share."""

    transport: Literal["tcp", "ipc"] = "tcp"
    """ipc is faster, between processes of one machine; pods have tcp only."""
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
    trading_state: EndpointSpec = _endpoint(Channel.TRADING_STATE)

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
            if port == ADMIN_PORT:
                raise ValueError(f"{channel} uses port {port}, which is every component's admin port")
            if port == PAGE_PORT and CHANNELS[channel].binder is Component.METRICS_COLLECTOR:
                raise ValueError(f"{channel} uses port {port}, which is the live page's")
            if port in taken:
                raise ValueError(f"{taken[port]} and {channel} both use port {port}")
            taken[port] = channel
        return self
