"""The market-data-feed: Alpaca stream -> normalise -> publish under the symbol's topic."""

from typing import Any

from tradingmesh.adapters.alpaca_market_data import AlpacaMarketData, StreamPlace
from tradingmesh.adapters.zmq_market_data import MarketDataPublisher
from tradingmesh.contract import Channel
from tradingmesh.core.errors import InputError
from tradingmesh.core.events import MarketData
from tradingmesh.core.market import Bar, MarketEvent, Quote
from tradingmesh.core.spans import TICK
from tradingmesh.core.tape.normalise import market_event
from tradingmesh.runtime.broker_urls import broker_urls
from tradingmesh.runtime.component import Context, Service
from tradingmesh.runtime.lag import gauge_ages
from tradingmesh.wire.header import FLAG_SAMPLED

TURN_MAX = 500


class MarketDataFeed:
    """Publishes what the stream brings; what does not fit the layout is counted, told, and left out."""

    def __init__(self, context: Context, stream: AlpacaMarketData) -> None:
        self._context = context
        self._stream = stream
        socket = context.sockets.pub(Channel.MARKET_DATA, lossless=_paced(context))
        self._publisher = MarketDataPublisher(
            socket,
            context.settings.instance,
            context.epoch,
            context.metrics,
            context.sample_every,
            context.loop.still_alive,
        )
        gauge_ages(context, Channel.MARKET_DATA, self._publisher.newest_ns, context.spec.symbols)
        context.metrics.gauge("stream_messages_waiting", lambda: stream.waiting)
        self._refused = context.metrics.counter("ticks_refused")
        self._latency = context.metrics.latency("feed")
        context.loop.on_readable(socket, self._publisher.answer_subscriptions)

    def drain_stream(self) -> None:
        """Publishes what waits; the rest of a long queue in the next turn, so that subscriptions are heard."""
        now_ns = self._context.clock.now_ns
        began_ns = now_ns()
        for message in self._stream.take(TURN_MAX):
            try:
                event = market_event(message)
                trace_id = self._publisher.publish_event(event, began_ns)
            except InputError as error:
                self._refused.inc()
                self._context.log.warning("tick left out", error=str(error))
                continue
            done_ns = now_ns()
            self._latency.observe_ns(done_ns - began_ns)
            self._context.tracer.record(TICK, trace_id, began_ns, done_ns)
            self._tell(event, trace_id)
            began_ns = done_ns
        if self._stream.waiting:
            self._context.loop.call_soon_threadsafe(self.drain_stream)

    def _tell(self, event: MarketEvent, trace_id: bytes) -> None:
        """Bars, and the ticks whose trace is recorded: all of them would be the market-data channel a second time."""
        if isinstance(event, Bar):
            self._context.events.emit(MarketData, trace_id=trace_id.hex(), bar=event)
        elif self._publisher.last_flags & FLAG_SAMPLED:
            kind = "quote" if isinstance(event, Quote) else "trade"
            self._context.events.emit(MarketData, trace_id=trace_id.hex(), **{kind: event})

    def ready(self) -> list[str]:
        """Not ready while there is no market data stream."""
        return [f"market data stream: {self._stream.problem}"] if self._stream.problem else []

    def status(self) -> dict[str, Any]:
        """What was published, and how many subscriptions were heard."""
        return {
            "published": self._publisher.published.value,
            "refused": self._refused.value,
            "subscriptions": self._publisher.subscriptions.value,
        }

    def drain(self) -> None:
        """Ends the stream and publishes what it had brought."""
        self._stream.stop()
        while self._stream.waiting:
            self.drain_stream()


def build(context: Context) -> Service:
    """The feed of the manifest's symbols."""
    settings, broker, loop = context.settings, context.spec.broker, context.loop
    feed: list[MarketDataFeed] = []
    place = StreamPlace(
        settings.apca_api_key_id,
        settings.apca_api_secret_key.get_secret_value(),
        broker.feed,
        broker_urls(settings, context.spec).data_stream,
        paced=_paced(context),
        data_timeout_s=broker.data_timeout_ms / 1_000 or None,
    )
    stream = AlpacaMarketData(
        place, context.spec.symbols, context.metrics, wake=lambda: loop.call_soon_threadsafe(feed[0].drain_stream)
    )
    feed.append(MarketDataFeed(context, stream))
    stream.start()
    return feed[0]


def _paced(context: Context) -> bool:
    """Whether the tape waits for its slowest subscriber instead of dropping what that one cannot take."""
    broker = context.spec.broker
    return broker.kind == "simulator" and broker.simulator.speed == "max"
