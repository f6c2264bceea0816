"""The components and the channels between them."""

from enum import StrEnum
from typing import NamedTuple


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
    TRADING_STATE = "trading-state"


class ChannelFacts(NamedTuple):
    """Which component binds a channel, its port unless the manifest says otherwise, and which components connect."""

    binder: Component
    port: int
    connects: tuple[Component, ...]


CHANNELS: dict[Channel, ChannelFacts] = {
    Channel.MARKET_DATA: ChannelFacts(
        Component.MARKET_DATA_FEED,
        5555,
        (
            Component.MARKET_DATA_STORE,
            Component.FEATURE_ENGINE,
            Component.SIGNAL_GENERATOR,
            Component.RISK_MANAGER,
            Component.METRICS_COLLECTOR,
        ),
    ),
    Channel.RISK_CHECK: ChannelFacts(
        Component.RISK_MANAGER, 5556, (Component.SIGNAL_GENERATOR, Component.EXECUTION_ENGINE)
    ),
    Channel.FILLS: ChannelFacts(Component.EXECUTION_ENGINE, 5557, (Component.FILL_PROCESSOR,)),
    Channel.ORDERS: ChannelFacts(
        Component.EXECUTION_ENGINE, 5558, (Component.SIGNAL_GENERATOR, Component.RISK_MANAGER)
    ),
    Channel.FEATURES: ChannelFacts(Component.FEATURE_ENGINE, 5559, (Component.MARKET_DATA_STORE,)),
    Channel.EVENTS: ChannelFacts(
        Component.METRICS_COLLECTOR,
        5560,
        (
            Component.MARKET_DATA_FEED,
            Component.MARKET_DATA_STORE,
            Component.FEATURE_ENGINE,
            Component.SIGNAL_GENERATOR,
            Component.RISK_MANAGER,
            Component.EXECUTION_ENGINE,
            Component.FILL_PROCESSOR,
        ),
    ),
    Channel.POSITIONS: ChannelFacts(Component.RISK_MANAGER, 5561, (Component.FILL_PROCESSOR,)),
    Channel.FILL_ACKS: ChannelFacts(Component.EXECUTION_ENGINE, 5562, (Component.FILL_PROCESSOR,)),
    Channel.CONTROL: ChannelFacts(Component.RISK_MANAGER, 5563, ()),
    Channel.TRADING_STATE: ChannelFacts(
        Component.RISK_MANAGER, 5564, (Component.EXECUTION_ENGINE, Component.METRICS_COLLECTOR)
    ),
}
"""Every channel. Nobody of the mesh connects to control: commands do, from wherever they are allowed to."""

ADMIN_PORT = 9090
PAGE_PORT = 8080
"""Where the metrics-collector serves the live page."""
SIMULATOR_PORT = 8900
