"""The streams of alpaca-py end when they are told to, however early that is."""

import threading
from collections.abc import Callable

import pytest

from tradingmesh.adapters.alpaca_market_data import AlpacaMarketData, StreamPlace
from tradingmesh.adapters.alpaca_stream import AlpacaStream
from tradingmesh.telemetry.metrics import Metrics

NOBODY = "ws://127.0.0.1:1/stream"


def market_data() -> AlpacaMarketData:
    place = StreamPlace("key", "secret", "iex", NOBODY, paced=False, data_timeout_s=None)
    return AlpacaMarketData(place, ["IBM"], Metrics(), wake=lambda: None)


def trade_updates() -> AlpacaStream:
    return AlpacaStream("key", "secret", NOBODY, lambda _: None, paper=True)


@pytest.mark.parametrize("made", [market_data, trade_updates])
def test_told_to_end_as_it_begins_it_ends(made: Callable[[], AlpacaMarketData | AlpacaStream]) -> None:
    """It would take that for nothing, and connect again for ever."""
    before = set(threading.enumerate())
    stream = made()
    stream.start()
    stream.stop()
    assert set(threading.enumerate()) <= before
