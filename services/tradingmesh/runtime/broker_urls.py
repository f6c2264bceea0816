"""Where the broker is. Paper, live and simulator differ by this alone."""

from typing import NamedTuple

from tradingmesh.contract import Component, Mode, TradingSystemSpec
from tradingmesh.runtime.settings import Settings


class BrokerUrls(NamedTuple):
    """The `url_override` of each of alpaca-py's clients; None leaves alpaca-py's own."""

    trading: str | None
    trading_stream: str | None
    data_stream: str | None


def broker_urls(settings: Settings, spec: TradingSystemSpec) -> BrokerUrls:
    """The URLs of the manifest; in mode simulated, what it leaves out is the simulator's, never Alpaca's."""
    broker = spec.broker
    urls = BrokerUrls(broker.trading_url, broker.trading_stream_url, broker.data_stream_url)
    if spec.mode is not Mode.SIMULATED:
        return urls
    place = f"{settings.hosts.get(Component.ALPACA_SIMULATOR, '127.0.0.1')}:{settings.simulator_port}"
    return BrokerUrls(
        urls.trading or f"http://{place}",
        urls.trading_stream or f"ws://{place}/stream",
        urls.data_stream or f"ws://{place}/v2/{broker.feed}",
    )
