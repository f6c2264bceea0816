"""The feature engine over real sockets: what it hears as market data it publishes as features, none lost."""

from collections.abc import Callable

import pytest

from tradingmesh.adapters.zmq_market_data import Delivery, MarketDataPublisher, TopicSubscriber
from tradingmesh.contract import Channel, Component
from tradingmesh.core.market import Bar, MarketEvent, Quote, Trade
from tradingmesh.core.signals.book import BookCache
from tradingmesh.core.signals.feature_vector import FeatureVector, SymbolFeatures
from tradingmesh.feature_engine.main import FeatureEngine, build
from tradingmesh.runtime.component import Context
from tradingmesh.wire.header import Kind
from tradingmesh.wire.messages import FEATURES


class Mesh:
    """A feed, the engine, and one who listens to features of both symbols."""

    def __init__(self, make_context: Callable[..., Context], until: Callable[..., None]) -> None:
        feed = make_context(Component.MARKET_DATA_FEED, {})
        self.feed = MarketDataPublisher(feed.sockets.pub(Channel.MARKET_DATA), "feed", 5, feed.metrics, 0)
        feed.loop.on_readable(self.feed._socket, self.feed.answer_subscriptions)
        context = make_context(Component.FEATURE_ENGINE, {})
        service = build(context)
        assert isinstance(service, FeatureEngine)
        self.engine = service
        store = make_context(Component.MARKET_DATA_STORE, {})
        self.heard: list[tuple[FeatureVector, bytes]] = []
        inlet = store.sockets.sub(Channel.FEATURES)
        self.store = TopicSubscriber(inlet, self._hear, store.metrics, store.on_gap(), store.clock.now_ns)
        store.loop.on_readable(inlet, self.store.drain)
        self.store_loop = store.loop
        self._loops = (feed.loop, context.loop, store.loop)
        self.until = until

    def _hear(self, kind: int, count: int, payload: bytes, delivery: Delivery) -> None:
        assert (kind, count) == (Kind.FEATURES, 1)
        self.heard.append((FEATURES.decode(payload), delivery.trace_id))

    def mark(self, at_ns: int) -> None:
        """Publishes a quote of BAC and waits for its features: all that was published before has come through."""
        self.feed.publish_event(Quote("BAC", 140_000, 140_100, 3, 1, at_ns), 1)
        self.run_until(lambda: self.heard[-1][0].timestamp_ns == at_ns)

    def run_until(self, condition: Callable[[], object]) -> None:
        self.until(condition, *self._loops)


@pytest.fixture
def mesh(make_context: Callable[..., Context], until: Callable[..., None]) -> Mesh:
    """A mesh in which both links are up: a first quote of BAC has come through."""
    mesh = Mesh(make_context, until)

    def through() -> bool:
        mesh.feed.publish_event(Quote("BAC", 140_000, 140_100, 1, 1, 1), 1)
        return bool(mesh.heard)

    mesh.run_until(through)
    mesh.mark(2)
    return mesh


def test_features_follow_trades_and_quotes(mesh: Mesh) -> None:
    """Each trade and quote gives the vector that the core computes, under the trace of the tick; a bar gives none."""
    events: list[MarketEvent] = []
    for n in range(60):
        events.append(Trade("IBM", 1_800_000 + n * 100, 100 + n, n))
        events.append(Quote("IBM", 1_799_900, 1_800_100, 100 + n, 300, n))
    events.append(Bar("IBM", 1, 1, 1, 1, 1, 61))
    start = len(mesh.heard)
    traces = [mesh.feed.publish_event(event, 1_000) for event in events]
    mesh.mark(999)
    expected, features, books = [], SymbolFeatures("IBM"), BookCache()
    for event, trace in zip(events[:-1], traces, strict=False):
        vector = features.on_trade(event) if isinstance(event, Trade) else None
        expected.append((vector or features.on_book(books.on_quote(event)), trace))  # type: ignore[arg-type]
    assert mesh.heard[start:-1] == expected
    assert (mesh.store.gaps.value, mesh.engine.status()["gaps"]) == (0, 0)
    assert mesh.engine.books.get("IBM").imbalance == (159 - 300) / 459


def test_what_waits_is_published_at_the_end(mesh: Mesh) -> None:
    """Ticks that were received before SIGTERM still become features."""
    mesh.feed.publish_event(Trade("IBM", 1_800_000, 5, 1), 1_000)

    def drained() -> bool:
        mesh.engine.drain()
        return "IBM" in mesh.engine.status()["symbols"]

    mesh.until(drained, mesh.store_loop)
    mesh.until(lambda: mesh.heard[-1][0].symbol == "IBM", mesh.store_loop)
    assert mesh.heard[-1][0].ema_fast_e4 == 1_800_000.0


def test_one_symbol_does_not_touch_another(mesh: Mesh) -> None:
    """IBM's trades leave BAC's features unknown."""
    mesh.feed.publish_event(Trade("IBM", 1_800_000, 5, 1), 1_000)
    mesh.mark(9)
    vector = mesh.heard[-1][0]
    assert (vector.symbol, vector.ema_fast_e4, vector.imbalance) == ("BAC", None, 0.5)
