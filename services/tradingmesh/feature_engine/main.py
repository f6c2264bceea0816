"""The feature-engine: market data -> features of each symbol -> the features channel, with its own sequences."""

from typing import Any

from tradingmesh.adapters.zmq_market_data import Delivery, MarketDataSubscriber, TopicPublisher
from tradingmesh.contract import Channel
from tradingmesh.core.market import MarketEvent, Quote, Trade
from tradingmesh.core.signals.book import BookCache
from tradingmesh.core.signals.feature_vector import SymbolFeatures
from tradingmesh.core.spans import FEATURES as FEATURES_SPAN
from tradingmesh.runtime.component import Context, Service
from tradingmesh.runtime.lag import watch
from tradingmesh.wire.messages import FEATURES

TURN_MAX = 250


class FeatureEngine:
    """Publishes a symbol's features at each of its trades and quotes, under the trace of that tick."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._now_ns = context.clock.now_ns
        self._symbols: dict[str, SymbolFeatures] = {}
        self.books = BookCache()
        simulator = context.spec.broker.simulator
        lossless = context.spec.broker.kind == "simulator" and simulator.speed == "max"
        outlet = context.sockets.pub(Channel.FEATURES, lossless=lossless)
        self._publisher = TopicPublisher(
            outlet, context.settings.instance, context.epoch, context.metrics, 0, context.loop.still_alive
        )
        inlet = context.sockets.sub(Channel.MARKET_DATA, context.spec.symbols)
        self._market_data = MarketDataSubscriber(inlet, self.on_event, context.metrics, context.on_gap(), self._now_ns)
        watch(context, self._market_data, context.spec.symbols)
        self._latency = context.metrics.latency("tick_to_features")
        context.loop.on_readable(outlet, self._publisher.answer_subscriptions)
        context.loop.on_readable(inlet, lambda: self._market_data.drain(TURN_MAX))

    def on_event(self, event: MarketEvent, delivery: Delivery) -> None:
        """Brings the symbol's features up to date and publishes them; a bar says nothing that its trades did not."""
        features = self._symbols.get(event.symbol)
        if features is None:
            features = self._symbols[event.symbol] = SymbolFeatures(event.symbol)
        if isinstance(event, Trade):
            vector = features.on_trade(event)
        elif isinstance(event, Quote):
            vector = features.on_book(self.books.on_quote(event))
        else:
            return
        now_ns = self._now_ns()
        self._publisher.publish(
            event.symbol,
            FEATURES.kind,
            FEATURES.encode(vector),
            now_ns,
            trace_id=delivery.trace_id,
            flags=delivery.flags,
        )
        self._latency.observe_ns(now_ns - delivery.timestamp_ns)
        self._context.tracer.record(FEATURES_SPAN, delivery.trace_id, delivery.timestamp_ns, now_ns)

    def ready(self) -> list[str]:
        """Ready once its sockets are there."""
        return []

    def status(self) -> dict[str, Any]:
        """What was heard and published."""
        return {
            "received": self._market_data.received.value,
            "gaps": self._market_data.gaps.value,
            "published": self._publisher.published.value,
            "symbols": sorted(self._symbols),
        }

    def drain(self) -> None:
        """Publishes the features of what waits."""
        self._market_data.drain()


def build(context: Context) -> Service:
    """The feature engine of the manifest's symbols."""
    return FeatureEngine(context)
