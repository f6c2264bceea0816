"""The market-data-store: keeps what it hears of market data and features as Parquet, by kind, symbol and day.

What comes is put into a bounded buffer; the buffer is written to a spool every `FLUSH_INTERVAL_S` or when it is full,
and a writer process, which ends again, makes Parquet of the spool. SIGTERM does both once more and waits for it.
"""

from typing import Any

from tradingmesh.adapters.tick_store_files import SPOOL
from tradingmesh.adapters.tick_store_spool import NAMES, Spool, feature_record
from tradingmesh.adapters.zmq_market_data import Delivery, TopicSubscriber
from tradingmesh.contract import Channel
from tradingmesh.core.errors import WireError
from tradingmesh.core.tape.checks import TIME_MAX_NS
from tradingmesh.market_data_store.write_process import WriteProcess
from tradingmesh.runtime.component import Context, Service
from tradingmesh.runtime.lag import watch
from tradingmesh.wire.header import FLAG_SNAPSHOT, Kind
from tradingmesh.wire.market import DECODERS, decode_all
from tradingmesh.wire.messages import FEATURES

TURN_MAX = 250
FLUSH_INTERVAL_S = 30.0
DRAIN_WITHIN_S = 10.0
_POLL_S = 0.5


class MarketDataStore:
    """Stores trades, quotes, bars and features."""

    def __init__(self, context: Context) -> None:
        self._log = context.log
        self._symbols = frozenset(context.spec.symbols)
        self._root = context.data_dir / "ticks"
        self._spool = Spool(self._root / SPOOL, context.epoch)
        self._writer = WriteProcess(self._root)
        self._stored = {kind: context.metrics.counter("events_stored", kind=name) for kind, name in NAMES.items()}
        self._flushes = context.metrics.counter("spool_flushes")
        self._failures = context.metrics.counter("store_write_failures")
        gauge = context.metrics.gauge
        gauge("store_backlog_bytes", lambda: self._spool.waiting_bytes, where="memory")
        gauge("store_backlog_bytes", self._spool.spooled_bytes, where="spool")
        context.metrics.counted("store_events_dropped", lambda: self._spool.dropped)
        self._subscribers = [
            self._subscriber(context, Channel.MARKET_DATA),
            self._subscriber(context, Channel.FEATURES),
        ]
        context.loop.every(FLUSH_INTERVAL_S, self._flush)
        context.loop.every(_POLL_S, self._look_after_writer)
        self._flush()

    def _subscriber(self, context: Context, channel: Channel) -> TopicSubscriber:
        inlet = context.sockets.sub(channel, context.spec.symbols)
        on_record = self.on_record if channel is Channel.MARKET_DATA else self.on_features
        subscriber = TopicSubscriber(inlet, on_record, context.metrics, context.on_gap(), context.clock.now_ns, channel)
        watch(context, subscriber, context.spec.symbols)
        context.loop.on_readable(inlet, lambda: subscriber.drain(TURN_MAX))
        return subscriber

    def on_record(self, kind: int, count: int, payload: bytes, delivery: Delivery) -> None:
        """Stores trades, quotes or bars. Raises `WireError` for what cannot be stored."""
        if kind not in DECODERS:
            raise WireError(f"kind {kind} is no market data")
        for event in (DECODERS[kind](payload),) if count == 1 else decode_all(kind, count, payload):
            self._check(event.symbol, event.timestamp_ns)
        self._store(Kind(kind), count, payload, delivery)

    def on_features(self, kind: int, count: int, payload: bytes, delivery: Delivery) -> None:
        """Stores a feature vector. Raises `WireError` for what cannot be stored."""
        if kind != Kind.FEATURES:
            raise WireError(f"kind {kind} is no feature vector")
        vector = FEATURES.decode(payload)
        self._check(vector.symbol, vector.timestamp_ns)
        self._store(Kind.FEATURES, count, feature_record(vector), delivery)

    def ready(self) -> list[str]:
        """Ready once its sockets are there."""
        return []

    def status(self) -> dict[str, Any]:
        """What was stored, and what waits."""
        return {
            "stored": {NAMES[kind]: counter.value for kind, counter in self._stored.items()},
            "flushes": self._flushes.value,
            "write_failures": self._failures.value,
            "dropped": self._spool.dropped,
            "waiting_bytes": self._spool.waiting_bytes,
            "spooled_bytes": self._spool.spooled_bytes(),
            "folder": str(self._root),
        }

    def drain(self) -> None:
        """Stores what waits, and lets the writer finish; what it does not manage in time, the next start does."""
        for subscriber in self._subscribers:
            while subscriber.drain():
                pass
        self._flush()
        if problem := self._writer.finish(DRAIN_WITHIN_S):
            self._fail(f"{problem}; the next start tries again")

    def _check(self, symbol: str, timestamp_ns: int) -> None:
        """Raises `WireError` for what would make a folder of its own: a symbol not subscribed, a time of no year."""
        if symbol not in self._symbols or not 0 <= timestamp_ns <= TIME_MAX_NS:
            raise WireError(f"an event of {symbol} at {timestamp_ns} was not asked for")

    def _store(self, kind: Kind, count: int, records: bytes, delivery: Delivery) -> None:
        if delivery.flags & FLAG_SNAPSHOT:
            return  # sent again for who joins late: an earlier life of this store has it
        self._spool.add(kind, records)
        self._stored[kind].value += count
        if self._spool.full:
            self._flush()

    def _flush(self) -> None:
        """Spools what is in memory, and has what is spooled written, also what an earlier writer left."""
        if self._spool.waiting_bytes:
            try:
                self._spool.write()
            except OSError as error:
                self._fail(str(error))
            else:
                self._flushes.inc()
        if self._spool.spooled_bytes():
            self._writer.start()

    def _look_after_writer(self) -> None:
        if problem := self._writer.problem():
            self._fail(problem)

    def _fail(self, problem: str) -> None:
        self._failures.inc()
        self._log.error("cannot write ticks", problem=problem)


def build(context: Context) -> Service:
    """The store of the manifest's symbols."""
    return MarketDataStore(context)
