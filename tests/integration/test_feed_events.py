"""What the market-data-feed tells as events: bars, and the ticks whose trace is recorded."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from msgpack import Timestamp

from tradingmesh.adapters.alpaca_market_data import AlpacaMarketData
from tradingmesh.contract import Component
from tradingmesh.core.events import MarketData
from tradingmesh.core.market import Bar, Quote, Trade
from tradingmesh.market_data_feed.main import MarketDataFeed
from tradingmesh.runtime.component import Context

AT = Timestamp(1_700_000_000, 0)
MESSAGES = [
    {"T": "q", "S": "IBM", "bp": 100.0, "ap": 100.01, "bs": 1, "as": 2, "t": AT},
    {"T": "t", "S": "IBM", "p": 100.0, "s": 5, "t": AT},
    {"T": "b", "S": "IBM", "o": 100.0, "h": 101.0, "l": 99.0, "c": 100.5, "v": 7, "t": AT},
]


class Stream:
    """A stream that has brought these messages."""

    problem = ""

    def __init__(self) -> None:
        self.messages = list(MESSAGES)

    @property
    def waiting(self) -> int:
        return len(self.messages)

    def take(self, at_most: int) -> Iterator[dict[str, Any]]:
        for _ in range(min(at_most, len(self.messages))):
            yield self.messages.pop(0)


@pytest.mark.parametrize(("ratio", "told"), [("0", [Bar]), ("1", [Quote, Trade, Bar])])
def test_bars_and_recorded_ticks_are_events(make_context: Callable[..., Context], ratio: str, told: list[type]) -> None:
    """With the trace id under which the tick was published; without tracing only the bars."""
    observed = {"otlpEndpoint": "http://127.0.0.1:1", "traceSampleRatio": ratio}
    context = make_context(Component.MARKET_DATA_FEED, {"observability": observed})
    heard = context.events.bus.subscribe(MarketData)
    feed = MarketDataFeed(context, cast("AlpacaMarketData", Stream()))
    feed.drain_stream()
    events = cast("list[MarketData]", list(heard.drain()))
    assert [type(event.trade or event.quote or event.bar) for event in events] == told
    assert len({event.metadata.trace_id for event in events}) == len(told)
    assert all(len(event.metadata.trace_id) == 32 for event in events)
