"""The market data store over real sockets: what it hears is what its tape plays, and what it cannot store it counts."""

from collections.abc import Callable, Iterator

import pytest
import structlog

from tradingmesh.adapters.tape import GeneratedTape, open_tape
from tradingmesh.adapters.tick_store_parquet import query
from tradingmesh.adapters.zmq_market_data import MarketDataPublisher, TopicPublisher
from tradingmesh.contract import Channel, Component
from tradingmesh.core.market import Bar, MarketEvent, Quote, Trade
from tradingmesh.core.signals.feature_vector import FeatureVector
from tradingmesh.core.tape.generator import TapeSettings
from tradingmesh.market_data_store import main
from tradingmesh.market_data_store.main import MarketDataStore, build
from tradingmesh.runtime.component import Context
from tradingmesh.wire.header import Kind
from tradingmesh.wire.market import encode_trade
from tradingmesh.wire.messages import FEATURES

MakeContext = Callable[..., Context]
TAPE = GeneratedTape(TapeSettings(("IBM", "BAC"), duration_ms=2_000))


class Mesh:
    """A feed and a feature engine that the test plays, and the store."""

    def __init__(self, make_context: MakeContext, until: Callable[..., None]) -> None:
        self._make_context = make_context
        self._until = until
        feed = make_context(Component.MARKET_DATA_FEED, {}, 5)
        self.feed = MarketDataPublisher(feed.sockets.pub(Channel.MARKET_DATA), "feed", 5, feed.metrics, 0)
        engine = make_context(Component.FEATURE_ENGINE, {}, 6)
        self.engine = TopicPublisher(engine.sockets.pub(Channel.FEATURES), "engine", 6, engine.metrics, 0)
        feed.loop.on_readable(self.feed._socket, self.feed.answer_subscriptions)
        engine.loop.on_readable(self.engine._socket, self.engine.answer_subscriptions)
        self._loops = [feed.loop, engine.loop]
        self.start_store(1)

    def start_store(self, epoch: int) -> None:
        """Starts the store, and waits until both its links are up."""
        self.context = self._make_context(Component.MARKET_DATA_STORE, {}, epoch)
        service = build(self.context)
        assert isinstance(service, MarketDataStore)
        self.store = service
        self.root = self.context.data_dir / "ticks"
        heard = [subscriber.received for subscriber in service._subscribers]

        def through() -> bool:
            self.publish(Quote("BAC", 1, 2, 3, 4, 1))
            self.engine.publish("BAC", FEATURES.kind, FEATURES.encode(FeatureVector("BAC", 1)), 1)
            return all(counter.value for counter in heard)

        self.until(through)

    def publish(self, event: MarketEvent) -> None:
        self.feed.publish_event(event, 1)

    def until(self, condition: Callable[[], object]) -> None:
        self._until(condition, *self._loops, self.context.loop)

    def stored(self, kind: str) -> int:
        counts: dict[str, int] = self.store.status()["stored"]
        return counts[kind]


@pytest.fixture
def mesh(make_context: MakeContext, until: Callable[..., None]) -> Iterator[Mesh]:
    """A running mesh."""
    made = Mesh(make_context, until)
    yield made
    made.store._writer.finish(10)


def test_what_was_heard_is_played_again(mesh: Mesh) -> None:
    """Ticks that were published come back from the store's folder as a tape; bars and features as rows."""
    events = list(TAPE)
    for event in events:
        mesh.publish(event)
    mesh.publish(Bar("IBM", 1, 4, 1, 2, 9, 60))
    mesh.engine.publish("IBM", FEATURES.kind, FEATURES.encode(FeatureVector("IBM", 7, vwap_e4=2.5)), 1)
    features = mesh.stored("feature")
    mesh.until(lambda: mesh.stored("bar") == 1 and mesh.stored("feature") > features)
    mesh.store.drain()
    tape = open_tape(str(mesh.root), ["IBM", "BAC"])
    assert [event for event in tape if event.timestamp_ns > 1] == events
    assert query(mesh.root, "select symbol, high_e4, volume from bar") == [("IBM", 4, 9)]
    assert query(mesh.root, "select timestamp_ns, vwap_e4, volatility from feature where symbol = 'IBM'") == [
        (7, 2.5, None)
    ]
    status = mesh.store.status()
    assert (status["waiting_bytes"], status["spooled_bytes"], status["dropped"], status["write_failures"]) == (0,) * 4


def test_a_restarted_store_goes_on_and_stores_no_last_value_twice(mesh: Mesh) -> None:
    """The last values that greet a late joiner were stored by its earlier life."""
    mesh.publish(Trade("IBM", 5, 6, 7))
    mesh.until(lambda: mesh.stored("trade") == 1)
    mesh.store.drain()
    mesh.context.sockets.close()
    mesh.start_store(2)
    mesh.publish(Trade("IBM", 8, 9, 10))
    mesh.until(lambda: mesh.stored("trade") == 1)
    mesh.store.drain()
    assert list(open_tape(str(mesh.root), ["IBM"])) == [Trade("IBM", 5, 6, 7), Trade("IBM", 8, 9, 10)]


def test_what_cannot_be_stored_is_counted_and_the_store_lives(mesh: Mesh) -> None:
    """Wrong sizes, foreign symbols, times of no year and wrong kinds are dropped; what follows is stored."""
    malformed = mesh.store._subscribers[0].malformed
    alien = encode_trade(Trade("MSFT", 1, 1, 1))
    late = encode_trade(Trade("IBM", 1, 1, 2**62))
    for payload in (b"short", alien, late, b""):
        mesh.feed.publish("IBM", int(Kind.TRADE), payload, 1)
    mesh.feed.publish("IBM", int(Kind.REPORT), b"x", 1)
    mesh.engine.publish("IBM", int(Kind.TRADE), encode_trade(Trade("IBM", 1, 1, 1)), 1)
    mesh.engine.publish("IBM", FEATURES.kind, b"\xc1", 1)
    mesh.publish(Trade("IBM", 5, 6, 7))
    mesh.until(lambda: mesh.stored("trade") == 1)
    mesh.until(lambda: mesh.store._subscribers[1].malformed.value == 2)
    assert malformed.value == 5
    mesh.store.drain()
    assert list(open_tape(str(mesh.root), ["IBM"])) == [Trade("IBM", 5, 6, 7)]


def test_a_writer_that_fails_is_told_and_tried_again(mesh: Mesh) -> None:
    """Where Parquet cannot be written the ticks stay in the spool, it is counted, and the next try has them."""
    (mesh.root / "trade").write_text("a file where a folder belongs")
    mesh.publish(Trade("IBM", 5, 6, 7))
    mesh.until(lambda: mesh.stored("trade") == 1)
    mesh.store._flush()
    mesh.until(lambda: mesh.store.status()["write_failures"] == 1)
    assert mesh.store.status()["spooled_bytes"] > 0
    (mesh.root / "trade").unlink()
    mesh.store.drain()
    assert list(open_tape(str(mesh.root), ["IBM"])) == [Trade("IBM", 5, 6, 7)]


def test_a_spool_left_behind_is_written_at_the_next_start(mesh: Mesh) -> None:
    """A store that died after writing its spool has its ticks as Parquet once the next one has started."""
    mesh.publish(Trade("IBM", 5, 6, 7))
    mesh.until(lambda: mesh.stored("trade") == 1)
    mesh.store._spool.write()
    mesh.context.sockets.close()
    mesh.start_store(2)
    mesh.until(lambda: mesh.store.status()["spooled_bytes"] == 0)
    assert list(open_tape(str(mesh.root), ["IBM"])) == [Trade("IBM", 5, 6, 7)]


def test_a_full_buffer_is_written_before_its_time(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by size, not only by time."""
    monkeypatch.setattr("tradingmesh.adapters.tick_store_spool.WRITE_AT_BYTES", 1_000)
    for event in list(TAPE)[:200]:
        mesh.publish(event)
    mesh.until(lambda: mesh.stored("quote") + mesh.stored("trade") >= 200)
    assert mesh.store.status()["flushes"] >= 5
    assert mesh.store.status()["waiting_bytes"] < 1_100
    mesh.store.drain()


def test_a_full_disk_is_told_and_nothing_is_lost(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the spool cannot be written the ticks wait in memory."""

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    mesh.publish(Trade("IBM", 5, 6, 7))
    mesh.until(lambda: mesh.stored("trade") == 1)
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as said:
        patch.setattr("os.fsync", full)
        mesh.store._flush()
    assert [entry["problem"] for entry in said] == ["no space left on device"]
    mesh.store.drain()
    assert list(open_tape(str(mesh.root), ["IBM"])) == [Trade("IBM", 5, 6, 7)]


def test_a_writer_that_does_not_end_is_given_up(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM does not wait for ever: the writer is killed, and its ticks wait for the next start."""
    monkeypatch.setattr(main, "DRAIN_WITHIN_S", 0.0)
    mesh.publish(Trade("IBM", 5, 6, 7))
    mesh.until(lambda: mesh.stored("trade") == 1)
    with structlog.testing.capture_logs() as said:
        mesh.store.drain()
    assert "did not end within" in said[0]["problem"]
    assert mesh.store.status()["spooled_bytes"] > 0
