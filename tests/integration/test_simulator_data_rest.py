"""The data REST endpoints, with the real alpaca-py and against Alpaca's own OpenAPI document."""

import asyncio
import json
import re
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import files
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tradingmesh.adapters.tape import open_tape
from tradingmesh.alpaca_simulator.data_rest import routes
from tradingmesh.alpaca_simulator.market import Market
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.tape.bars import MINUTE_NS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py uses websockets' legacy client
    from alpaca.common.enums import Sort
    from alpaca.common.exceptions import APIError
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.requests import (
        StockBarsRequest,
        StockLatestBarRequest,
        StockLatestQuoteRequest,
        StockLatestTradeRequest,
        StockQuotesRequest,
        StockSnapshotRequest,
        StockTradesRequest,
    )
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

SYMBOLS = ["BAC", "IBM"]
TAPE = list(open_tape("generated", SYMBOLS, duration_ms=190_000))
START = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def document() -> dict[str, Any]:
    """Alpaca's OpenAPI document of market data, found without importing the package that carries it."""
    [path] = [f for f in files("alpaca-mcp-server") or [] if f.name == "market-data-api.json"]
    loaded: dict[str, Any] = json.loads(Path(str(path.locate())).read_text())
    return loaded


IMPLEMENTED = r"^/v2/stocks/(\{symbol\}/)?(trades|quotes|bars|snapshots?)(/latest)?$"
PATHS = sorted(path for path in document()["paths"] if re.match(IMPLEMENTED, path))
SCHEMA = schemathesis.openapi.from_dict(document()).include(path_regex=IMPLEMENTED)
SCHEMA.config.generation.update(deterministic=True, max_examples=25)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A market that has played a tape of a bit over three minutes, served on a free port from a thread."""
    market = Market()
    for event in TAPE:
        market.record(event)
    app = web.Application()
    app.add_routes(routes(market))
    runner = web.AppRunner(app)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    """alpaca-py as it is; its answers are unions of models and raw data, so `Any`."""
    made = StockHistoricalDataClient("key-id", "secret", url_override=url)
    yield made
    made._session.close()


def test_alpaca_py_pages_through_all_trades_and_quotes(client: Any) -> None:
    """Every trade and quote comes once, in order, over several pages."""
    trades = client.get_stock_trades(StockTradesRequest(symbol_or_symbols=SYMBOLS, start=START)).data
    quotes = client.get_stock_quotes(StockQuotesRequest(symbol_or_symbols=SYMBOLS, start=START)).data
    for symbol in SYMBOLS:
        played = [e for e in TAPE if isinstance(e, Trade) and e.symbol == symbol]
        assert [(t.price, t.size) for t in trades[symbol]] == [(e.price_e4 / 1e4, e.size) for e in played]
        assert [t.id for t in trades[symbol]] == list(range(1, len(played) + 1))
        quoted = [e for e in TAPE if isinstance(e, Quote) and e.symbol == symbol]
        assert [(q.bid_price, q.ask_size) for q in quotes[symbol]] == [(e.bid_e4 / 1e4, e.ask_size) for e in quoted]
    assert sum(map(len, quotes.values())) > 2 * 10_000


def test_alpaca_py_reads_the_latest_of_everything(client: Any) -> None:
    """Latest trade, quote, bar and the snapshot are those of the end of the tape."""
    last = next(e for e in reversed(TAPE) if isinstance(e, Trade) and e.symbol == "IBM")
    trade = client.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="IBM"))["IBM"]
    quote = client.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="IBM"))["IBM"]
    bar = client.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="IBM"))["IBM"]
    snapshot = client.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="IBM"))["IBM"]
    assert (trade.price, trade.size) == (last.price_e4 / 1e4, last.size)
    assert quote.ask_price > quote.bid_price
    assert bar.timestamp == START + timedelta(minutes=2)
    assert (snapshot.latest_trade, snapshot.latest_quote, snapshot.minute_bar) == (trade, quote, bar)
    assert snapshot.daily_bar.volume == sum(e.size for e in TAPE if isinstance(e, Trade) and e.symbol == "IBM")


def test_bars_are_what_traded(client: Any) -> None:
    """Minute bars agree with the trades of the tape, and longer bars with the minutes."""

    def bars(timeframe: TimeFrame) -> list[Any]:
        request = StockBarsRequest(symbol_or_symbols="IBM", timeframe=timeframe, start=START - timedelta(hours=1))
        found: list[Any] = client.get_stock_bars(request).data["IBM"]
        return found

    minutes = bars(TimeFrame.Minute)
    open_ns = TAPE[0].timestamp_ns // MINUTE_NS * MINUTE_NS
    first = [e for e in TAPE if isinstance(e, Trade) and e.symbol == "IBM" and e.timestamp_ns < open_ns + MINUTE_NS]
    prices = [e.price_e4 / 1e4 for e in first]
    assert (minutes[0].open, minutes[0].high, minutes[0].low) == (prices[0], max(prices), min(prices))
    assert (minutes[0].close, minutes[0].trade_count) == (prices[-1], len(first))
    assert minutes[0].vwap == pytest.approx(sum(e.price_e4 * e.size for e in first) / sum(e.size for e in first) / 1e4)
    assert [b.timestamp for b in minutes] == [START + timedelta(minutes=n) for n in range(3)]
    twos = bars(TimeFrame(2, TimeFrameUnit.Minute))
    assert [b.volume for b in twos] == [minutes[0].volume + minutes[1].volume, minutes[2].volume]
    [day] = bars(TimeFrame.Day)
    assert (day.timestamp, day.close) == (datetime(2024, 3, 4, 5, tzinfo=UTC), minutes[2].close)


def test_raw_data_is_left_as_it_came(url: str) -> None:
    """With raw_data=True the bodies are Alpaca's, prices as numbers and times as text to the nanosecond."""
    raw: Any = StockHistoricalDataClient("key-id", "secret", raw_data=True, url_override=url)
    body = raw.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="IBM"))["IBM"]
    raw._session.close()
    assert set(body) == {"t", "bx", "bp", "bs", "ax", "ap", "as", "c", "z"}
    assert body["t"].startswith("2024-03-04T14:33:0")
    assert len(body["t"]) == len("2024-03-04T14:33:09.123456789Z")


def test_newest_first_and_limited(client: Any) -> None:
    """sort=desc begins with the last trade, and pages on backward."""
    request = StockTradesRequest(symbol_or_symbols="IBM", start=START, sort=Sort.DESC, limit=1500)
    trades = client.get_stock_trades(request).data["IBM"]
    newest = max(t.id for t in trades)
    assert [t.id for t in trades] == list(range(newest, newest - 1500, -1))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("trades", "symbols: at least one is needed"),
        ("bars?symbols=IBM", "timeframe: '' is not like"),
        ("bars?symbols=IBM&timeframe=60Min", "there are no bars of 60 Min"),
        ("trades?symbols=IBM&limit=0", "limit: '0' is not between"),
        ("trades?symbols=IBM&limit=10001", "limit: '10001' is not between"),
        ("trades?symbols=IBM&start=yesterday", "start: 'yesterday'"),
        ("trades?symbols=IBM&start=2024-03-05&end=2024-03-04", "end: must not be before start"),
        ("trades?symbols=IBM&page_token=zzz", "page_token: is not one"),
        ("trades?symbols=IBM&sort=up", "sort: 'up'"),
        ("trades?symbols=IBM&feed=moon", "feed: 'moon'"),
        ("IBM/trades?currency=EUR", "currency: only USD"),
        ("NONE/trades/latest", "no trade found for NONE"),
        ("NONE/snapshot", "no snapshot found for NONE"),
    ],
)
def test_what_does_not_fit_is_said(url: str, path: str, said: str) -> None:
    """400, and one sentence that names the parameter."""
    answer = requests.get(f"{url}/v2/stocks/{path}", timeout=5)
    assert answer.status_code == 400
    assert said in answer.json()["message"]


def test_alpaca_py_raises_its_own_error(client: Any) -> None:
    """A refusal becomes alpaca-py's APIError with the sentence in it."""
    with pytest.raises(APIError, match="end: must not be before start"):
        client.get_stock_trades(
            StockTradesRequest(symbol_or_symbols="IBM", start=START, end=START - timedelta(seconds=1))
        )


def test_symbols_that_never_traded_are_left_out(url: str) -> None:
    """Where several are asked for, the others still answer."""
    answer = requests.get(f"{url}/v2/stocks/trades/latest?symbols=IBM,NONE", timeout=5)
    assert list(answer.json()["trades"]) == ["IBM"]


@SCHEMA.parametrize()
@settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_the_answer_is_on_alpacas_schema(case: Any, url: str) -> None:
    """No 5xx, and no status, content type or body that the document does not have."""
    case.call_and_validate(base_url=url, checks=CHECKS, timeout=5)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_there_is_on_alpacas_schema(url: str, path: str) -> None:
    """A question that has an answer gets 200 and a body on the document's schema."""
    assert len(PATHS) == 14
    query = {} if "{symbol}" in path else {"symbols": "IBM,BAC"}
    if path.endswith("/bars"):
        query["timeframe"] = "1Min"
    case = SCHEMA[path]["GET"].Case(path_parameters={"symbol": "IBM"} if "{symbol}" in path else {}, query=query)
    response = case.call_and_validate(base_url=url, checks=CHECKS, timeout=5)
    assert response.status_code == 200
