"""The simulator put together: the tape plays into the market, the exchange and the streams, all on one port."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiohttp import web

from tradingmesh.alpaca_simulator import data_rest
from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.account_rest import AccountRest
from tradingmesh.alpaca_simulator.data_stream import DataStream
from tradingmesh.alpaca_simulator.exchange import Exchange
from tradingmesh.alpaca_simulator.faults import Faults
from tradingmesh.alpaca_simulator.faults_gate import faulty_gateway
from tradingmesh.alpaca_simulator.faults_rest import PATH, FaultsRest
from tradingmesh.alpaca_simulator.http import BODY_MAX_BYTES, Keys, RateLimit, answer, gate
from tradingmesh.alpaca_simulator.market import Market
from tradingmesh.alpaca_simulator.order_rest import OrderRest
from tradingmesh.alpaca_simulator.orders import Execution
from tradingmesh.alpaca_simulator.player import Player, Speed
from tradingmesh.alpaca_simulator.times import rfc3339
from tradingmesh.alpaca_simulator.trading_stream import TradingStream
from tradingmesh.contract import FaultPlace
from tradingmesh.core.market import Bar, MarketEvent
from tradingmesh.core.money import plain
from tradingmesh.ports import Tape
from tradingmesh.telemetry.logs import Logger
from tradingmesh.telemetry.metrics import Metrics

_OPEN_TO_ALL = frozenset({"/stream", "/v2/{feed}", "/simulator/state", "/simulator/start", "/simulator/stop", PATH})


class Telemetry(NamedTuple):
    """Where the simulator tells how it is."""

    metrics: Metrics
    log: Logger


class Simulator:
    """One broker with one account and one tape.

    The tape starts with the first subscription to the market data stream, or with POST /simulator/start; where it is on
    `hold`, only with that. POST /simulator/stop ends it early. Market time begins at the tape's first event.
    """

    def __init__(
        self,
        tape: Tape,
        symbols: Sequence[str],
        speed: Speed,
        account: Account,
        name: str,
        keys: Keys,
        to: Telemetry,
        *,
        hold: bool = False,
    ) -> None:
        first = next(iter(tape), None)
        self.market = Market()
        self.exchange = Exchange(symbols, account, name, first.timestamp_ns if first else 0)
        self.faults = Faults(to.metrics, time.monotonic)
        self.trading_stream = TradingStream(keys, to.metrics, self.faults)
        self.data_stream = DataStream(self.market, {keys.key_id: keys.secret_key}, self.faults)
        self.released = asyncio.Event()
        if not hold:
            self.released.set()
        self.player = Player(tape, speed, self._on_event, self.data_stream.subscribed)
        to.metrics.counted("tape_events_played", lambda: self.player.progress.published)
        to.metrics.gauge("simulator_orders_open", lambda: self.exchange.orders.open_count)

    def application(self, limit: RateLimit, keys: Keys, to: Telemetry) -> web.Application:
        """The HTTP application with every path, trading, market data and the simulator's own."""
        around = [faulty_gateway(self.faults, _OPEN_TO_ALL), gate(keys, _OPEN_TO_ALL, limit, to.metrics, to.log)]
        app = web.Application(middlewares=around, client_max_size=BODY_MAX_BYTES)
        app.add_routes(OrderRest(self.exchange, self.trading_stream.publish).routes())
        app.add_routes(AccountRest(self.exchange).routes())
        app.add_routes(data_rest.routes(self.market))
        app.add_routes(self.data_stream.routes())
        app.add_routes([web.get("/stream", self.trading_stream.serve)])
        app.add_routes([web.get("/simulator/state", self._state)])
        app.add_routes([web.post("/simulator/start", self._start), web.post("/simulator/stop", self._stop)])
        faults = FaultsRest(
            self.faults,
            {FaultPlace.TRADE_UPDATES: self.trading_stream.cut, FaultPlace.MARKET_DATA: self.data_stream.cut},
        )
        app.add_routes(faults.routes())
        app.on_startup.append(faults.begin)
        app.on_shutdown.append(self._close_streams)
        return app

    async def play(self) -> None:
        """Plays the tape once it may. Raises `InputError` where the tape is wrong."""
        await self.released.wait()
        await self.player.run()

    def state(self) -> dict[str, Any]:
        """The broker's own books, for whoever compares: as `summary`, but with every fill."""
        return self.summary() | {"fills": [_fill(execution) for execution in self.exchange.executions]}

    def summary(self) -> dict[str, Any]:
        """Cash, positions, how many orders and fills, and how far the tape is. Any thread may ask."""
        exchange, progress = self.exchange, self.player.progress
        return {
            "cash": plain(exchange.account.cash),
            "commissions": plain(exchange.account.commissions),
            "positions": {symbol: plain(held.quantity) for symbol, held in exchange.account.positions().items()},
            "orders": {"taken": len(exchange.orders), "open": exchange.orders.open_count},
            "fills": len(exchange.executions),
            "tape": {
                "published": progress.published,
                "total": progress.total,
                "market_time": rfc3339(exchange.now_ns),
                "done": self.player.done.is_set(),
            },
        }

    async def _on_event(self, event: MarketEvent) -> None:
        if isinstance(event, Bar):
            return  # a tape's own bars: the market makes its bars of trades
        self.market.record(event)
        updates = self.exchange.on_market_event(event)
        if updates:
            self.trading_stream.publish(updates)
        await self.data_stream.publish(event)

    async def _state(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the shape of a handler
        return answer(self.state())

    async def _start(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the shape of a handler
        if self.released.is_set():
            self.data_stream.subscribed.set()
        self.released.set()
        return answer({"started": True})

    async def _stop(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the shape of a handler
        self.player.stop()
        self.released.set()
        return answer({"stopped": True})

    async def _close_streams(self, app: web.Application) -> None:  # noqa: ARG002 - the shape of a hook
        await self.trading_stream.close()
        await self.data_stream.close()


def _fill(execution: Execution) -> dict[str, str]:
    fill = execution.fill
    return {
        "execution_id": fill.fill_id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "symbol": fill.symbol,
        "side": fill.side,
        "qty": plain(fill.quantity),
        "price": plain(fill.price),
    }
