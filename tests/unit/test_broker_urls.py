"""A mode that promises no real money cannot be pointed at the broker that trades it."""

import pytest

from tradingmesh.contract import Component, TradingSystemSpec
from tradingmesh.runtime.broker_urls import BrokerUrls, broker_urls
from tradingmesh.runtime.settings import Settings

LIVE = "https://api.alpaca.markets"


def spec(**fields: object) -> TradingSystemSpec:
    return TradingSystemSpec.model_validate({"symbols": ["IBM"], **fields})


def test_a_simulated_system_goes_to_the_simulator() -> None:
    """Without any URL in the manifest all three are the simulator's."""
    settings = Settings(simulator_port=8901, hosts={Component.ALPACA_SIMULATOR: "sim"})
    assert broker_urls(settings, spec()) == ("http://sim:8901", "ws://sim:8901/stream", "ws://sim:8901/v2/iex")


def test_a_paper_system_goes_where_alpaca_py_goes() -> None:
    """Without any URL in the manifest alpaca-py's own are left alone."""
    assert broker_urls(Settings(), spec(mode="paper", broker={"kind": "alpaca"})) == BrokerUrls(None, None, None)


@pytest.mark.parametrize("field", ["tradingUrl", "tradingStreamUrl", "dataStreamUrl"])
def test_a_simulated_system_refuses_alpacas_urls(field: str) -> None:
    """A URL copied from a paper system is refused, whichever of the three it is."""
    with pytest.raises(ValueError, match="does not go with Alpaca's own"):
        spec(broker={field: "wss://stream.data.alpaca.markets/v2/iex"})


def test_a_paper_system_refuses_the_live_url() -> None:
    """Paper mode with the live trading URL would trade real money."""
    with pytest.raises(ValueError, match="trades real money, mode paper does not"):
        spec(mode="paper", broker={"kind": "alpaca", "tradingUrl": LIVE})


def test_a_live_system_may_use_it() -> None:
    """Live mode, acknowledged, is what the live URL is for."""
    live = spec(mode="live", acknowledgeLiveTrading=True, broker={"kind": "alpaca", "tradingUrl": LIVE})
    assert broker_urls(Settings(), live).trading == LIVE
