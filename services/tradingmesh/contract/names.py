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
    Channel.TRADING_STATE: ChannelFacts(Component.RISK_MANAGER, 5564),
}
ADMIN_PORT = 9090
