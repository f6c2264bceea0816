"""Alpaca's market data REST API for stocks: trades, quotes, bars, their latest, and snapshots, from what was played.

Answers of several symbols and of one differ in shape, as at Alpaca. A request that does not fit gets 400 and one
sentence. Source: the OpenAPI document of Alpaca's market data API.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any

import msgspec
from aiohttp import web

from tradingmesh.alpaca_simulator.data_messages import bar_body, quote_body, trade_body
from tradingmesh.alpaca_simulator.data_query import Row, Rows, answer, check_common, parse_query, parse_symbols
from tradingmesh.alpaca_simulator.market import History, Market
from tradingmesh.alpaca_simulator.timeframes import Timeframe, parse_timeframe
from tradingmesh.alpaca_simulator.times import rfc3339
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.tape.bars import TradedBar, joined

Body = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.Response]]

_SINGULAR = {"trades": "trade", "quotes": "quote", "bars": "bar"}
_MINUTE = Timeframe(1, "Min")


def routes(market: Market) -> list[web.RouteDef]:
    """The endpoints under `/v2/stocks`. They check no keys: the application does that for all that it serves."""
    data = _Data(market)
    several = [web.get("/v2/stocks/snapshots", _answering(data.snapshots))]
    single = [web.get("/v2/stocks/{symbol}/snapshot", _answering(data.snapshot))]
    for kind in _SINGULAR:
        several.append(web.get(f"/v2/stocks/{kind}", _answering(data.history(kind))))
        several.append(web.get(f"/v2/stocks/{kind}/latest", _answering(data.latest(kind))))
        single.append(web.get(f"/v2/stocks/{{symbol}}/{kind}", _answering(data.history_of_one(kind))))
        single.append(web.get(f"/v2/stocks/{{symbol}}/{kind}/latest", _answering(data.latest_of_one(kind))))
    return several + single


def _answering(handler: Callable[[web.Request], Body]) -> Handler:
    async def respond(request: web.Request) -> web.Response:
        try:
            body, status = handler(request), 200
        except InputError as error:
            body, status = {"message": str(error)}, 400
        return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")

    return respond


class _Data:
    """What the endpoints answer, from the market."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def history(self, kind: str) -> Callable[[web.Request], Body]:
        def handle(request: web.Request) -> Body:
            symbols = parse_symbols(request.query.get("symbols", ""))
            query = parse_query(request.query, symbols, self._market.now_ns)
            found, token = answer(query, self._rows(kind, request))
            return {kind: {symbol: _bodies(kind, rows) for symbol, rows in found.items()}, "next_page_token": token}

        return handle

    def history_of_one(self, kind: str) -> Callable[[web.Request], Body]:
        def handle(request: web.Request) -> Body:
            symbol = _symbol(request)
            query = parse_query(request.query, [symbol], self._market.now_ns)
            found, token = answer(query, self._rows(kind, request))
            return {"symbol": symbol, kind: _bodies(kind, found.get(symbol, ())), "next_page_token": token}

        return handle

    def latest(self, kind: str) -> Callable[[web.Request], Body]:
        def handle(request: web.Request) -> Body:
            check_common(request.query)
            symbols = parse_symbols(request.query.get("symbols", ""))
            bodies = {symbol: self._latest(kind, symbol) for symbol in symbols}
            return {kind: {symbol: body for symbol, body in bodies.items() if body}}

        return handle

    def latest_of_one(self, kind: str) -> Callable[[web.Request], Body]:
        def handle(request: web.Request) -> Body:
            check_common(request.query)
            symbol = _symbol(request)
            body = self._latest(kind, symbol)
            if body is None:
                raise InputError(f"no {_SINGULAR[kind]} found for {symbol}")
            return {"symbol": symbol, _SINGULAR[kind]: body}

        return handle

    def snapshots(self, request: web.Request) -> Body:
        check_common(request.query)
        bodies = {symbol: self._snapshot(symbol) for symbol in parse_symbols(request.query.get("symbols", ""))}
        return {symbol: body for symbol, body in bodies.items() if body}

    def snapshot(self, request: web.Request) -> Body:
        check_common(request.query)
        symbol = _symbol(request)
        body = self._snapshot(symbol)
        if not body:
            raise InputError(f"no snapshot found for {symbol}")
        return {"symbol": symbol, **body}

    def _snapshot(self, symbol: str) -> Body:
        day = self._market.day_bar(symbol)
        parts = {
            "latestTrade": self._latest("trades", symbol),
            "latestQuote": self._latest("quotes", symbol),
            "minuteBar": self._latest("bars", symbol),
            "dailyBar": _bar(0, day) if day else None,
        }
        return {name: part for name, part in parts.items() if part}

    def _latest(self, kind: str, symbol: str) -> Body | None:
        """The latest of a kind, if there is one."""
        history = _HISTORIES[kind](self._market, symbol)
        return None if history.latest is None else _BODIES[kind](history.count, history.latest)

    def _rows(self, kind: str, request: web.Request) -> Rows:
        if kind == "bars":
            timeframe = parse_timeframe(request.query.get("timeframe", ""))
            return lambda symbol, start_ns, end_ns: self._bars(symbol, start_ns, end_ns, timeframe)
        return lambda symbol, start_ns, end_ns: list(_HISTORIES[kind](self._market, symbol).between(start_ns, end_ns))

    def _bars(self, symbol: str, start_ns: int, end_ns: int, timeframe: Timeframe) -> list[Row]:
        bars = [traded for _, traded in self._market.bars(symbol).between(start_ns, end_ns)]
        if timeframe != _MINUTE:
            grouped = groupby(bars, lambda traded: timeframe.start_ns(traded.bar.timestamp_ns))
            bars = [joined(list(group), start_ns) for start_ns, group in grouped]
        return [(traded.bar.timestamp_ns, traded) for traded in bars]


def _trade(number: int, trade: Trade) -> Body:
    return {"t": rfc3339(trade.timestamp_ns), **trade_body(trade, number)}


def _quote(_: int, quote: Quote) -> Body:
    return {"t": rfc3339(quote.timestamp_ns), **quote_body(quote)}


def _bar(_: int, traded: TradedBar) -> Body:
    return {"t": rfc3339(traded.bar.timestamp_ns), **bar_body(traded)}


_HISTORIES: dict[str, Callable[[Market, str], History[Any]]] = {
    "trades": Market.trades,
    "quotes": Market.quotes,
    "bars": Market.bars,
}
_BODIES: dict[str, Callable[[int, Any], Body]] = {"trades": _trade, "quotes": _quote, "bars": _bar}


def _bodies(kind: str, rows: Sequence[Row]) -> list[Body]:
    return [_BODIES[kind](key, item) for key, item in rows]


def _symbol(request: web.Request) -> str:
    return request.match_info["symbol"].upper()
