"""The metrics-collector: events of every component arrive here (SUB binds), then go by bus to who watches."""

from decimal import Decimal
from typing import Any, get_args

import zmq

from tradingmesh.adapters.zmq_market_data import MarketDataSubscriber
from tradingmesh.adapters.zmq_messages import read
from tradingmesh.contract import Channel, Component
from tradingmesh.core.bus import EventBus
from tradingmesh.core.errors import WireError
from tradingmesh.core.events import (
    ApiBreakerClosed,
    ApiBreakerOpened,
    BrokerReconciled,
    CircuitBreakerReset,
    CircuitBreakerTripped,
    ComponentError,
    EngineFenced,
    LimitsChanged,
    LinkLost,
    OrderFilled,
    OrderRejected,
    PositionClosed,
    PositionOpened,
    PositionUpdated,
    SubscriberSlow,
    SystemEvent,
)
from tradingmesh.metrics_collector.live_page import LOOK_EVERY_S, LivePage
from tradingmesh.metrics_collector.trading_state import TradingStateWatch, alert
from tradingmesh.runtime.component import Context, Service
from tradingmesh.runtime.lag import watch
from tradingmesh.wire.messages import SYSTEM_EVENT

TURN_MAX = 500
SYMBOLS_MAX = 1_000
"""So many have series of their own: a symbol, like the source of an event, is what somebody says it is."""
_SOURCES = frozenset(Component)
_OTHER = "other"
_ALERTS = (
    CircuitBreakerTripped,
    CircuitBreakerReset,
    ApiBreakerOpened,
    ApiBreakerClosed,
    BrokerReconciled,
    ComponentError,
    EngineFenced,
    LimitsChanged,
    SubscriberSlow,
    LinkLost,
    OrderRejected,
)
_ALERT_KINDS: dict[type[SystemEvent], str] = {
    ApiBreakerOpened: "api-breaker-open",
    BrokerReconciled: "broker-differs",
    ComponentError: "component-error",
    EngineFenced: "engine-fenced",
    SubscriberSlow: "subscriber-slow",
    LinkLost: "link-lost",
}
"""Of these an alert is raised as well. A tripped breaker's is raised from the trading state, which cannot be lost."""
_POSITIONS = (PositionOpened, PositionUpdated, PositionClosed)


class MetricsCollector:
    """Counts what happens in the whole mesh, keeps the positions last told, and logs what a person should see."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._events = context.sockets.sub(Channel.EVENTS)
        self._market_data = context.sockets.sub(Channel.MARKET_DATA, context.spec.symbols)
        self._bus = EventBus()
        self._page = LivePage(context, self._bus, TradingStateWatch(context))
        self._ticks = MarketDataSubscriber(
            self._market_data, self._page.on_tick, context.metrics, context.on_gap(), context.clock.now_ns
        )
        watch(context, self._ticks, context.spec.symbols)
        self._malformed = context.metrics.counter("messages_malformed", channel="events")
        self._left_out = context.metrics.counter("symbols_left_out")
        self._symbols = set(context.spec.symbols)
        for symbol in context.spec.symbols:
            context.metrics.counter("fills_booked", symbol=symbol)
        for kind in _ALERT_KINDS.values():
            context.metrics.counter("alerts", kind=kind)
        self._counted = self._bus.subscribe(*get_args(SystemEvent))
        self._alerts = self._bus.subscribe(*_ALERTS)
        self._moves = self._bus.subscribe(*_POSITIONS)
        self._positions: dict[str, Decimal] = {}
        context.loop.on_readable(self._events, self._drain_events)
        context.loop.on_readable(self._market_data, self._ticks.drain)
        # This component's own events need no socket: they are watched like the others.
        self._own = context.events.bus.subscribe(*get_args(SystemEvent))
        context.loop.after_turn(self._watch)
        context.loop.every(LOOK_EVERY_S, lambda: self._page.look(self._ticks))

    def ready(self) -> list[str]:
        """Ready once its loop turns."""
        return []

    def status(self) -> dict[str, Any]:
        """The positions as events told them, and the bus."""
        dropped = self._counted.dropped + self._alerts.dropped + self._moves.dropped
        positions = {symbol: str(quantity) for symbol, quantity in self._positions.items()}
        return {"positions": positions, "bus_dropped": dropped, "page_port": self._page.port}

    def drain(self) -> None:
        """Counts what had arrived, and lets those go who watch the page."""
        self._drain_events()
        self._watch()
        self._page.close()

    def _drain_events(self) -> None:
        for _ in range(TURN_MAX):
            try:
                frames = self._events.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                self._bus.publish(read(SYSTEM_EVENT, frames)[1])
            except WireError:
                self._malformed.inc()

    def _watch(self) -> None:
        for event in self._own.drain():
            self._bus.publish(event)
        for event in self._counted.drain():
            self._count(event)
        for event in self._alerts.drain():
            self._alert(event)
        for event in self._moves.drain():
            self._move(event)
        self._page.fold()

    def _count(self, event: SystemEvent) -> None:
        metrics, name = self._context.metrics, type(event).__name__
        component = event.metadata.component
        metrics.counter("system_events", type=name, source=component if component in _SOURCES else _OTHER).inc()
        if isinstance(event, OrderFilled):
            symbol = event.fill.symbol
            metrics.counter("fills_booked", symbol=symbol if self._has_room(symbol) else _OTHER).inc()

    def _has_room(self, symbol: str) -> bool:
        """Whether the symbol has series, or gets them now; it is counted where it does not."""
        if symbol not in self._symbols:
            if len(self._symbols) >= SYMBOLS_MAX:
                self._left_out.inc()
                return False
            self._symbols.add(symbol)
        return True

    def _alert(self, event: SystemEvent) -> None:
        if isinstance(event, BrokerReconciled) and not (event.differences or event.missing or event.unreadable):
            return  # what was found is made good
        fields = {name: str(getattr(event, name)) for name in event.__struct_fields__ if name != "metadata"}
        meta = event.metadata
        self._context.log.warning(type(event).__name__, source=meta.component, trace_id=meta.trace_id, **fields)
        kind = _ALERT_KINDS.get(type(event))
        if kind is not None:
            alert(self._context, kind, source=meta.component, **fields)

    def _move(self, event: SystemEvent) -> None:
        if isinstance(event, PositionClosed):
            self._set(event.symbol, Decimal(0))
        elif isinstance(event, PositionOpened | PositionUpdated):
            self._set(event.position.symbol, event.position.quantity)

    def _set(self, symbol: str, quantity: Decimal) -> None:
        if not quantity.is_finite():
            self._malformed.inc()
            return
        if not self._has_room(symbol):
            return
        if symbol not in self._positions:
            self._context.metrics.gauge("position_quantity", lambda: float(self._positions[symbol]), symbol=symbol)
        self._positions[symbol] = quantity


def build(context: Context) -> Service:
    """The collector of this mesh."""
    return MetricsCollector(context)
