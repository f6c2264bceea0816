"""Market data over real sockets: sequences, gaps, last values for late joiners, topics, and what cannot be read."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from tradingmesh.adapters import zmq_market_data
from tradingmesh.adapters.zmq_market_data import Delivery, MarketDataPublisher, MarketDataSubscriber
from tradingmesh.adapters.zmq_sockets import MAX_FRAME_BYTES
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Bar, MarketEvent, Quote, Trade
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.wire.header import FLAG_SAMPLED, Kind, encode_header
from tradingmesh.wire.market import encode_trade, topic_of

DEADLINE_S = 10
IBM = Trade("IBM", 1_820_100, 100, 1)
QUOTE = Quote("IBM", 1_820_000, 1_820_200, 3, 4, 2)
ID = bytes(16)


def header(sequence: int, *, version: int = 1, kind: int = Kind.TRADE, epoch: int = 7, count: int = 1) -> bytes:
    raw = encode_header(kind, epoch, sequence, 5, ID, count=count)
    return bytes([version]) + raw[1:]


class Hub:
    """One publishing socket and as many subscribers as a test wants, over one transport."""

    def __init__(self, address: str) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self._socket(zmq.XPUB)
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.socket.bind(address)
        self.address = str(self.socket.getsockopt_string(zmq.LAST_ENDPOINT))
        self.metrics = Metrics()
        self.waits = 0
        self.publisher = self.publish_as(epoch=7)

    def publish_as(self, epoch: int, sample_every: int = 0) -> MarketDataPublisher:
        return MarketDataPublisher(self.socket, "feed", epoch, self.metrics, sample_every, self._wait)

    def _wait(self) -> None:
        self.waits += 1

    def subscribe(self, *topics: bytes) -> "Listener":
        """A subscriber that the publisher has heard of."""
        listener = Listener(self._socket(zmq.SUB), self.address, topics)
        for _ in topics:
            assert self.socket.poll(DEADLINE_S * 1_000), "the subscription did not arrive"
            self.publisher.answer_subscriptions(at_most=1)
        return listener

    def send(self, *frames: bytes) -> None:
        self.socket.send_multipart(list(frames))

    def _socket(self, kind: int) -> "zmq.Socket[bytes]":
        socket = self.context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        return socket


class Listener:
    """A subscriber and what it heard."""

    def __init__(self, socket: "zmq.Socket[bytes]", address: str, topics: tuple[bytes, ...]) -> None:
        self.heard: list[MarketEvent] = []
        self.deliveries: list[tuple[int, bytes, int]] = []
        self.warned: list[tuple[str, int, int]] = []
        self.socket = socket
        self.now_ns = 0
        self.inlet = MarketDataSubscriber(
            socket, self._on_event, Metrics(), lambda *gap: self.warned.append(gap), lambda: self.now_ns
        )
        socket.connect(address)
        for topic in topics:
            socket.setsockopt(zmq.SUBSCRIBE, topic)

    def _on_event(self, event: MarketEvent, delivery: Delivery) -> None:
        self.heard.append(event)
        self.deliveries.append((delivery.timestamp_ns, delivery.trace_id, delivery.flags))

    def until(self, done: Callable[[], bool]) -> None:
        """Drains until the condition holds."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not done():
            assert time.monotonic() < deadline_s, f"heard {self.heard}, {self.malformed} malformed"
            self.socket.poll(50)
            self.inlet.drain()

    def hear(self, count: int) -> list[MarketEvent]:
        """What was heard, once it is that many."""
        self.until(lambda: len(self.heard) >= count)
        return self.heard

    @property
    def malformed(self) -> int:
        return self.inlet.malformed.value


@pytest.fixture(params=["tcp", "ipc", "inproc"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    addresses = {"tcp": "tcp://127.0.0.1:*", "ipc": f"ipc://{tmp_path}/md", "inproc": "inproc://md"}
    made = Hub(addresses[request.param])
    yield made
    made.context.destroy(linger=0)


@pytest.fixture
def ipc(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(f"ipc://{tmp_path}/md")
    yield made
    made.context.destroy(linger=0)


def test_events_arrive_whole_and_in_order(hub: Hub) -> None:
    """A trade, a quote and a bar come out as they went in, with the time and the trace of their publication."""
    listener = hub.subscribe(topic_of("IBM"))
    events: list[MarketEvent] = [IBM, QUOTE, Bar("IBM", 1, 4, 1, 3, 2**40, 60)]
    trace_ids = [hub.publisher.publish_event(event, 1_000 + n) for n, event in enumerate(events)]
    assert listener.hear(3) == events
    assert listener.deliveries == [(1_000 + n, trace_id, 0) for n, trace_id in enumerate(trace_ids)]
    assert hub.publisher.published.value == listener.inlet.received.value == 3
    assert len(set(trace_ids)) == 3


def test_sequences_are_per_symbol(hub: Hub) -> None:
    """Whoever hears one symbol of two sees no gap where the other was published."""
    listener = hub.subscribe(topic_of("IBM"))
    for number in range(50):
        hub.publisher.publish_event(Trade("BAC", 1, 1, number), number)
        hub.publisher.publish_event(Trade("IBM", 1, 1, number), number)
    assert [event.timestamp_ns for event in listener.hear(50)] == list(range(50))
    assert listener.inlet.gaps.value == 0
    assert listener.warned == []


def test_a_topic_is_not_a_prefix_of_another(hub: Hub) -> None:
    """A subscriber to A does not hear AAPL."""
    listener = hub.subscribe(topic_of("A"))
    hub.publisher.publish_event(Trade("AAPL", 1, 1, 1), 1)
    hub.publisher.publish_event(Trade("A", 2, 2, 2), 2)
    assert listener.hear(1) == [Trade("A", 2, 2, 2)]


def test_a_gap_is_counted_and_told(hub: Hub) -> None:
    """Three missing sequences count three, and the warning names the symbol, what was expected and what came."""
    listener = hub.subscribe(topic_of("IBM"))
    for sequence in (1, 2, 6, 7):
        hub.send(topic_of("IBM"), header(sequence), encode_trade(IBM))
    listener.hear(4)
    assert listener.inlet.gaps.value == 3
    assert listener.warned == [("IBM", 3, 6)]


def test_what_is_not_newer_is_dropped(hub: Hub) -> None:
    """A sequence that was seen already is dropped and counted, and is no gap."""
    listener = hub.subscribe(topic_of("IBM"))
    for sequence in (5, 5, 4, 6):
        hub.send(topic_of("IBM"), header(sequence), encode_trade(IBM))
    listener.until(lambda: listener.inlet.received.value == 2)
    assert listener.inlet.stale.value == 2
    assert listener.inlet.gaps.value == 0


def test_a_new_epoch_is_no_gap(hub: Hub) -> None:
    """A publisher that starts again counts from one, and nobody takes that for a loss."""
    listener = hub.subscribe(topic_of("IBM"))
    for number in range(3):
        hub.publisher.publish_event(IBM, number)
    reborn = hub.publish_as(epoch=8)
    for number in range(2):
        reborn.publish_event(IBM, number)
    listener.hear(5)
    assert listener.inlet.gaps.value == 0
    assert listener.inlet.stale.value == 0


def test_what_a_new_epoch_published_unheard_is_a_gap(hub: Hub) -> None:
    """Whoever was there before, and hears the new life from its third message on, missed two."""
    listener = hub.subscribe(topic_of("IBM"))
    hub.send(topic_of("IBM"), header(9), encode_trade(IBM))
    hub.send(topic_of("IBM"), header(3, epoch=8), encode_trade(IBM))
    listener.hear(2)
    assert (listener.inlet.gaps.value, listener.warned) == (2, [("IBM", 1, 3)])


@pytest.mark.parametrize("later", [6, 8])
def test_an_epoch_that_is_over_does_not_come_back(hub: Hub, later: int) -> None:
    """What comes late of an earlier life is dropped, whichever life's clock was ahead."""
    listener = hub.subscribe(topic_of("IBM"))
    hub.send(topic_of("IBM"), header(4), encode_trade(IBM))
    hub.send(topic_of("IBM"), header(1, epoch=later), encode_trade(IBM))
    hub.send(topic_of("IBM"), header(5), encode_trade(IBM))
    hub.send(topic_of("IBM"), header(2, epoch=later), encode_trade(IBM))
    listener.until(lambda: listener.inlet.stale.value == 1 and len(listener.heard) == 3)
    assert listener.inlet.gaps.value == 0


def test_lateness_is_seen(ipc: Hub) -> None:
    """How long ago what was handled last had been published; the peak is kept; over a second is counted as late."""
    listener = ipc.subscribe(topic_of("IBM"))
    second_ns = 1_000_000_000
    for number, age_ns in enumerate((5, second_ns + 1, 7)):
        listener.now_ns = 100 * second_ns
        ipc.publisher.publish_event(IBM, listener.now_ns - age_ns)
        listener.hear(number + 1)
        assert listener.inlet.lag_ns == age_ns
    assert listener.inlet.lag_peak_ns == second_ns + 1
    assert listener.inlet.late.value == 1
    assert listener.inlet.newest_ns("IBM") == ipc.publisher.newest_ns("IBM") == listener.now_ns - 7
    assert listener.inlet.newest_ns("BAC") == ipc.publisher.newest_ns("BAC") == 0


def test_a_last_value_sent_again_is_not_late(ipc: Hub) -> None:
    """It is as old as it is; that says nothing of the one who hears it."""
    ipc.publisher.publish_event(IBM, 1)
    listener = ipc.subscribe(topic_of("IBM"))
    listener.now_ns = 10**12
    listener.hear(1)
    assert (listener.inlet.late.value, listener.inlet.lag_peak_ns) == (0, 0)
    assert listener.inlet.newest_ns("IBM") == 1


@pytest.mark.parametrize("newest", [IBM, QUOTE])
def test_a_late_joiner_gets_the_last_values(hub: Hub, newest: MarketEvent) -> None:
    """It hears the last of each kind, whichever came first; then what is new; and none of it as a gap."""
    other = QUOTE if newest is IBM else IBM
    for event in (IBM, QUOTE, other, other, newest, newest):
        hub.publisher.publish_event(event, 1)
    listener = hub.subscribe(topic_of("IBM"))
    assert listener.hear(2) == [newest, other]
    after = Trade("IBM", 9, 9, 9)
    hub.publisher.publish_event(after, 2)
    assert listener.hear(3) == [newest, other, after]
    assert listener.inlet.gaps.value == 0
    assert hub.publisher.snapshots.value == 2


def test_last_values_are_not_news_to_others(hub: Hub) -> None:
    """Who was there hears no event twice when somebody joins."""
    early = hub.subscribe(topic_of("IBM"))
    hub.publisher.publish_event(IBM, 1)
    hub.publisher.publish_event(QUOTE, 1)
    early.hear(2)
    late = hub.subscribe(topic_of("IBM"))
    late.hear(2)
    after = Trade("IBM", 9, 9, 9)
    hub.publisher.publish_event(after, 2)
    assert early.hear(3) == [IBM, QUOTE, after]
    assert early.inlet.stale.value == 2
    assert early.inlet.gaps.value == 0


def test_only_the_joined_topic_is_sent_again(ipc: Hub) -> None:
    """A joiner of one symbol does not cause the last values of another to be sent."""
    ipc.publisher.publish_event(IBM, 1)
    ipc.publisher.publish_event(Trade("BAC", 1, 1, 1), 1)
    listener = ipc.subscribe(topic_of("BAC"))
    assert listener.hear(1) == [Trade("BAC", 1, 1, 1)]
    assert ipc.publisher.snapshots.value == 1


@pytest.mark.parametrize(
    "frames",
    [
        [b"IBM\0"],
        [b"IBM\0", header(1)],
        [b"IBM\0", header(1), encode_trade(IBM), b"more"],
        [b"IBM\0", header(1), encode_trade(IBM), b"IBM\0", header(2)],
        [b"IBM\0", b"", b""],
        [b"IBM\0", bytes(71), encode_trade(IBM)],
        [b"IBM\0", bytes(range(72)), bytes(28)],
        [b"IBM\0", header(1, version=2), encode_trade(IBM)],
        [b"IBM\0", header(1, kind=200), encode_trade(IBM)],
        [b"IBM\0", header(1, kind=Kind.RISK_CHECK_REQUEST), encode_trade(IBM)],
        [b"IBM\0", header(1, kind=Kind.QUOTE), encode_trade(IBM)],
        [b"IBM\0", header(1, count=2), encode_trade(IBM)],
        [b"IBM\0", header(1), b"\xff" * 28],
        [b"IBM\0", header(1), bytes(28)],
        [b"IBM\0", header(1), b"IBM" + bytes(5) + b"\xff" * 20],
    ],
)
def test_what_cannot_be_read_is_dropped(ipc: Hub, frames: list[bytes]) -> None:
    """It is counted, nothing of it is heard, and the good messages before and after it are."""
    listener = ipc.subscribe(topic_of("IBM"), topic_of("BAC"))
    before, after = Trade("BAC", 1, 1, 1), Trade("BAC", 2, 2, 2)
    ipc.send(b"BAC\0", header(10), encode_trade(before))
    ipc.send(*frames)
    ipc.send(b"BAC\0", header(11), encode_trade(after))
    assert listener.hear(2) == [before, after]
    assert listener.malformed == 1
    assert listener.inlet.gaps.value == 0


def test_what_cannot_be_read_does_not_hide_a_gap(ipc: Hub) -> None:
    """A header of unknown kind that speaks of another epoch does not make the subscriber forget where it was."""
    listener = ipc.subscribe(topic_of("IBM"))
    ipc.send(b"IBM\0", header(1), encode_trade(IBM))
    ipc.send(b"IBM\0", header(1, kind=200, epoch=99), encode_trade(IBM))
    ipc.send(b"IBM\0", header(5), encode_trade(IBM))
    listener.hear(2)
    assert listener.inlet.gaps.value == 3


def test_a_short_message_with_nothing_behind_it_is_counted(ipc: Hub) -> None:
    """Two frames and then silence: counted at once, not when the next message comes."""
    listener = ipc.subscribe(topic_of("IBM"))
    ipc.send(b"IBM\0", header(1))
    listener.until(lambda: listener.malformed == 1)
    assert listener.heard == []


def test_a_batch_is_heard_event_by_event(ipc: Hub) -> None:
    """A payload of three records is three events."""
    listener = ipc.subscribe(topic_of("IBM"))
    trades = [Trade("IBM", price_e4, 1, 1) for price_e4 in (1, 2, 3)]
    ipc.send(b"IBM\0", header(1, count=3), b"".join(map(encode_trade, trades)))
    assert listener.hear(3) == trades


def test_an_event_that_does_not_fit_is_not_published(ipc: Hub) -> None:
    """It raises, sends nothing, and takes no sequence number."""
    listener = ipc.subscribe(topic_of("IBM"))
    with pytest.raises(InputError, match="IBM"):
        ipc.publisher.publish_event(Trade("IBM", 1, 2**32, 1), 1)
    ipc.publisher.publish_event(IBM, 1)
    ipc.publisher.publish_event(IBM, 2)
    assert listener.hear(2) == [IBM, IBM]
    assert listener.inlet.gaps.value == 0


def test_one_trace_in_so_many_is_recorded(ipc: Hub) -> None:
    """Every third message is marked, from the start to its delivery."""
    listener = ipc.subscribe(topic_of("IBM"))
    publisher = ipc.publish_as(epoch=9, sample_every=3)
    for number in range(6):
        publisher.publish_event(IBM, number)
    listener.hear(6)
    assert [flags for _, _, flags in listener.deliveries] == [0, 0, FLAG_SAMPLED] * 2


def test_a_drain_takes_no_more_than_it_may() -> None:
    """What is left stays for the next turn. Within one process all that was sent is there at once."""
    hub = Hub("inproc://md")
    listener = hub.subscribe(topic_of("IBM"))
    for number in range(10):
        hub.publisher.publish_event(IBM, number)
    assert listener.socket.poll(DEADLINE_S * 1_000)
    assert [listener.inlet.drain(at_most=4) for _ in range(4)] == [4, 4, 2, 0]
    hub.context.destroy(linger=0)


def test_a_lossless_publisher_waits_for_a_slow_subscriber(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It loses nothing while the subscriber may yet come round, and says what it left out when it did not."""
    monkeypatch.setattr(zmq_market_data, "SEND_WAIT_MS", 20)
    monkeypatch.setattr(zmq_market_data, "SEND_TRIES", 3)
    hub = Hub(f"ipc://{tmp_path}/md")
    hub.socket.setsockopt(zmq.XPUB_NODROP, 1)
    hub.socket.setsockopt(zmq.SNDHWM, 2)
    publisher = hub.publish_as(epoch=7)
    listener = hub.subscribe(topic_of("IBM"))
    sent = 0
    while not publisher.unsent.value:
        publisher.publish_event(Trade("IBM", 1, 1, sent), sent)
        sent += 1
    assert publisher.published.value == sent - 1
    assert hub.waits >= 2, "a loop that waits must say that it is not hung"
    listener.hear(sent - 1)
    publisher.publish_event(IBM, 1)
    listener.hear(sent)
    assert listener.warned == [("IBM", sent, sent + 1)]
    hub.context.destroy(linger=0)
