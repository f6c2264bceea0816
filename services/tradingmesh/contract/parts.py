"""Which parts of the spec a component reads when it starts: a change in one of them restarts it, and no other does."""

from pydantic.alias_generators import to_camel

from tradingmesh.contract.names import CHANNELS, Channel, Component

HOT_PARTS = ("riskLimits", "trading", "circuitBreaker")
"""What the risk manager takes while it runs: a change in them restarts nobody."""

_MESH = ("endpoints.heartbeat", "observability.otlpEndpoint", "observability.traceSampleRatio")
"""Whoever has sockets and traces: all but the simulator."""

_OWN: dict[Component, tuple[str, ...]] = {
    Component.MARKET_DATA_FEED: (
        "mode",
        "symbols",
        "broker.kind",
        "broker.feed",
        "broker.dataStreamUrl",
        "broker.dataTimeout",
        "broker.simulator.speed",
    ),
    Component.MARKET_DATA_STORE: ("symbols",),
    Component.FEATURE_ENGINE: ("symbols", "broker.kind", "broker.simulator.speed"),
    Component.SIGNAL_GENERATOR: ("symbols", "strategies"),
    Component.RISK_MANAGER: ("mode", "symbols", "broker.simulator.cash", "persistence.postgres"),
    Component.EXECUTION_ENGINE: (
        "mode",
        "broker.tradingUrl",
        "broker.tradingStreamUrl",
        "broker.commissionPerShare",
        "broker.retry",
        "broker.apiCircuitBreaker",
    ),
    Component.FILL_PROCESSOR: ("broker.commissionPerShare",),
    Component.METRICS_COLLECTOR: ("mode", "symbols"),
    Component.ALPACA_SIMULATOR: ("symbols", "broker.commissionPerShare", "broker.simulator"),
}


def channels_of(component: Component) -> tuple[Channel, ...]:
    """The channels that a component binds or connects to."""
    return tuple(
        channel for channel, facts in CHANNELS.items() if component is facts.binder or component in facts.connects
    )


def parts_of(component: Component) -> tuple[str, ...]:
    """The parts as paths in the manifest's own words, such as `endpoints.riskCheck`; the channels are among them.

    `HOT_PARTS` are in none. Nor is what only a chart reads, such as the number of fill processors: it shows in what the
    chart renders.
    """
    if component is Component.ALPACA_SIMULATOR:
        return _OWN[component]
    channels = tuple(f"endpoints.{endpoint_key(channel)}" for channel in channels_of(component))
    return (*_OWN[component], *_MESH, *channels)


def endpoint_key(channel: Channel) -> str:
    """What the manifest calls a channel under `endpoints`."""
    return to_camel(channel.value.replace("-", "_"))
