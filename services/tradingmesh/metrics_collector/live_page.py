"""The live page's place in the collector: folds what is heard, and pins it up where it is watched."""

from typing import get_args

import msgspec

from tradingmesh.adapters.zmq_market_data import Delivery, MarketDataSubscriber
from tradingmesh.core.bus import EventBus
from tradingmesh.core.events import SystemEvent
from tradingmesh.core.market import MarketEvent, Trade
from tradingmesh.core.money import of_e4
from tradingmesh.core.page.rows import SYMBOLS_MAX, SymbolRow, amount, milliseconds
from tradingmesh.core.page.sections import snapshot
from tradingmesh.core.page.state import Look, begin, step
from tradingmesh.metrics_collector.page_board import Board
from tradingmesh.metrics_collector.page_server import PageServer
from tradingmesh.metrics_collector.trading_state import TradingStateWatch
from tradingmesh.runtime.component import Context

LOOK_EVERY_S = 0.25
_NS_PER_MS = 1_000_000
_CAPACITY = 5_000


class LivePage:
    """Listens from the beginning, so that who opens the page finds what was. While nobody does, nothing is encoded."""

    def __init__(self, context: Context, bus: EventBus, trading: TradingStateWatch) -> None:
        self._context = context
        self._trading = trading
        self._heard = bus.subscribe(*get_args(SystemEvent), capacity=_CAPACITY)
        self._state = begin(context.clock.now_ns(), context.spec.mode.value)
        self._last_e4: dict[str, int] = {}
        self._encoder = msgspec.json.Encoder()
        self._board = Board()
        later, metrics = context.loop.call_soon_threadsafe, context.metrics
        slow = metrics.counter("page_watchers_slow")
        refused = metrics.counter("page_watchers_refused")
        metrics.gauge("page_watchers", lambda: self._board.watchers)
        self._server = PageServer(self._board, lambda: later(slow.inc), lambda: later(refused.inc))
        self.port = self._server.start(context.settings.bind_host, context.settings.page_port)
        context.log.info("live page", port=self.port)

    def on_tick(self, event: MarketEvent, _: Delivery) -> None:
        """Keeps the price of a trade."""
        if isinstance(event, Trade):
            self._last_e4[event.symbol] = event.price_e4

    def fold(self) -> None:
        """Takes what waits on the bus."""
        for event in self._heard.drain():
            self._state = step(self._state, event)

    def look(self, ticks: MarketDataSubscriber) -> None:
        """Sees how things are now; pins it up if anybody watches."""
        self.fold()
        self._state = step(self._state, self._look(ticks))
        if self._board.watchers:
            self._board.pin({name: self._encoder.encode(told) for name, told in snapshot(self._state).items()})
        else:
            self._board.clear()

    def close(self) -> None:
        """Lets the watchers go."""
        self._server.close()

    def _look(self, ticks: MarketDataSubscriber) -> Look:
        symbols = self._context.spec.symbols[:SYMBOLS_MAX]
        return Look(
            now_ns=self._context.clock.now_ns(),
            trading=self._trading.status,
            trading_age_ms=self._trading.age_ns // _NS_PER_MS,
            symbols=tuple(self._symbol(symbol, ticks) for symbol in symbols),
            ticks=ticks.received.value,
            missed=self._heard.dropped,
        )

    def _symbol(self, symbol: str, ticks: MarketDataSubscriber) -> SymbolRow:
        price_e4 = self._last_e4.get(symbol)
        price = "" if price_e4 is None else amount(of_e4(price_e4))
        return SymbolRow(symbol, price, milliseconds(ticks.newest_ns(symbol)))
