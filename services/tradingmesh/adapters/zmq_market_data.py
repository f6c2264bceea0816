"""Market data over PUB/SUB: sequences per symbol, last values for late joiners, gaps counted (zguide: clone).

A subscriber that cannot keep up is dropped messages by its publisher, silently. So it looks at itself: the sequences
tell what it missed, and the age of what it handles how far it is behind (zguide: suicidal snail).
"""

from collections import deque
from collections.abc import Callable

import zmq

from tradingmesh.contract import SYMBOL_MAX_BYTES, Channel
from tradingmesh.core.errors import WireError
from tradingmesh.core.ids import MessageIds, is_sampled
from tradingmesh.core.market import MarketEvent
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.wire.header import FLAG_SAMPLED, FLAG_SNAPSHOT, HEADER, KINDS, VERSION, as_snapshot
from tradingmesh.wire.market import DECODERS, RECORD_BYTES, decode_all, encode, topic_of

SEND_WAIT_MS = 1_000
SEND_TRIES = 30
LATE_AFTER_NS = 1_000_000_000
EPOCHS_KEPT = 64
_MORE = int(zmq.SNDMORE)
_NOBLOCK = int(zmq.NOBLOCK)
_TOPIC_MAX_BYTES = SYMBOL_MAX_BYTES + 1


class _Topic:
    """One symbol's topic, its sequence, and its last message of each kind."""

    __slots__ = ("last", "name", "sequence")

    def __init__(self, symbol: str) -> None:
        self.name = topic_of(symbol)
        self.sequence = 0
        self.last: dict[int, tuple[int, bytes, bytes]] = {}


class TopicPublisher:
    """Publishes payloads under symbol topics, each symbol with its own sequence in this publisher's epoch.

    The header's trace id is the message id: a trace begins here. One in `sample_every` traces is recorded; 0 is none.
    A lossless socket lets `publish` wait for the slowest subscriber, `SEND_TRIES` times `SEND_WAIT_MS` at most, calling
    `while_waiting` each time; then the message is left out for everybody, counted, and seen by each as a gap.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        instance: str,
        epoch: int,
        metrics: Metrics,
        sample_every: int,
        while_waiting: Callable[[], object] = lambda: None,
    ) -> None:
        self._socket = socket
        # libzmq's send as it is: pyzmq's own adds routing ids and groups, which these sockets lack, for twice the time.
        self._send = super(zmq.Socket, socket).send
        self._ids = MessageIds(instance, epoch)
        self._epoch = epoch
        self._sample_every = sample_every
        self._while_waiting = while_waiting
        self._topics: dict[str, _Topic] = {}
        self.last_flags = 0
        self.published = metrics.counter("messages_published")
        self.unsent = metrics.counter("messages_unpublished")
        self.subscriptions = metrics.counter("subscriptions_heard")
        self.snapshots = metrics.counter("snapshots_sent")
        socket.setsockopt(zmq.SNDTIMEO, SEND_WAIT_MS)

    def publish(
        self, symbol: str, kind: int, payload: bytes, now_ns: int, *, trace_id: bytes | None = None, flags: int = 0
    ) -> bytes:
        """Sends one record and returns its trace id."""
        topic = self._topics.get(symbol)
        if topic is None:
            topic = self._topics[symbol] = _Topic(symbol)
        topic.sequence = sequence = topic.sequence + 1
        message_id = self._ids.take()
        if trace_id is None:
            trace_id = message_id
            if self._sample_every and is_sampled(message_id, self._sample_every):
                flags |= FLAG_SAMPLED
        self.last_flags = flags
        header = HEADER.pack(
            VERSION, kind, flags, 1, self._epoch, sequence, now_ns, message_id, trace_id, message_id[8:]
        )
        topic.last[kind] = (sequence, header, payload)
        if self._send_message(topic.name, header, payload):
            self.published.value += 1
        return trace_id

    def newest_ns(self, symbol: str) -> int:
        """When something of this symbol was last published; 0 if never. Any thread may ask."""
        topic = self._topics.get(symbol)
        return max((HEADER.unpack(header)[6] for _, header, _ in list(topic.last.values())), default=0) if topic else 0

    def answer_subscriptions(self, at_most: int = 100) -> None:
        """Sends the last values of each topic that somebody has newly subscribed to; others drop them as known."""
        for _ in range(at_most):
            try:
                frame = self._socket.recv(_NOBLOCK)
            except zmq.Again:
                return
            if frame[:1] == b"\x01":
                self.subscriptions.inc()
                for topic in [t for t in self._topics.values() if t.name.startswith(frame[1:])]:
                    self._send_last(topic)

    def _send_last(self, topic: _Topic) -> None:
        """The newest first: what has an older sequence is then no gap to who hears the topic for the first time."""
        for _, header, payload in sorted(topic.last.values(), reverse=True):
            if self._send_message(topic.name, as_snapshot(header), payload):
                self.snapshots.inc()

    def _send_message(self, topic: bytes, header: bytes, payload: bytes) -> bool:
        send = self._send
        try:
            send(topic, _MORE)
        except zmq.Again:
            if not self._send_late(topic):
                self.unsent.inc()
                return False
        send(header, _MORE)
        send(payload)
        return True

    def _send_late(self, topic: bytes) -> bool:
        for _ in range(SEND_TRIES - 1):
            self._while_waiting()
            try:
                self._send(topic, _MORE)
            except zmq.Again:
                continue
            return True
        return False


class MarketDataPublisher(TopicPublisher):
    """Publishes trades, quotes and bars."""

    def publish_event(self, event: MarketEvent, now_ns: int) -> bytes:
        """Sends the event. Raises `InputError` where it does not fit the layout."""
        kind, payload = encode(event)
        return self.publish(event.symbol, kind, payload, now_ns)


class Delivery:
    """What came with an event: when it was published, its trace, and whether that is recorded."""

    __slots__ = ("flags", "timestamp_ns", "trace_id")

    def __init__(self) -> None:
        self.timestamp_ns = 0
        self.trace_id = b""
        self.flags = 0


class TopicSubscriber:
    """Receives what a `TopicPublisher` sends, in order, and tells what is missing, and how late it is.

    `on_record(kind, count, payload, delivery)` is called for each new message; `delivery` is one object, reused.
    A gap is counted, and given to `on_gap(symbol, expected, actual)`; what cannot be read is counted and dropped.
    `lag_ns` is how long ago the message handled last was published; `lag_peak_ns` is for who watches, and may be set.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        on_record: Callable[[int, int, bytes, Delivery], None],
        metrics: Metrics,
        on_gap: Callable[[str, int, int], None],
        now_ns: Callable[[], int],
        channel: Channel = Channel.FEATURES,
    ) -> None:
        self._socket = socket
        self._on_record = on_record
        self._on_gap = on_gap
        self._now_ns = now_ns
        self._seen: dict[bytes, list[int]] = {}
        self._epochs_over: deque[int] = deque(maxlen=EPOCHS_KEPT)
        self._delivery = Delivery()
        self._late_before_ns = 0
        self.channel = channel
        self.lag_ns = self.lag_peak_ns = 0
        self._lag = metrics.latency(f"{channel}-lag")
        self.received = metrics.counter("messages_received", channel=channel)
        self.gaps = metrics.counter("messages_missed", channel=channel)
        self.stale = metrics.counter("messages_stale", channel=channel)
        self.late = metrics.counter("messages_late", channel=channel)
        self.malformed = metrics.counter("messages_malformed", channel=channel)

    def newest_ns(self, symbol: str) -> int:
        """When the newest message of this symbol that came was published; 0 if none did. Any thread may ask."""
        seen = self._seen.get(topic_of(symbol))
        return seen[3] if seen else 0

    def drain(self, at_most: int = 500) -> int:
        """Takes what is waiting, at most that many messages; returns how many."""
        self._late_before_ns = self._now_ns() - LATE_AFTER_NS
        self._delivery.timestamp_ns = 0
        taken = self._take_waiting(at_most)
        published_ns = self._delivery.timestamp_ns
        if published_ns and not self._delivery.flags & FLAG_SNAPSHOT:
            self.lag_ns = lag_ns = self._now_ns() - published_ns
            self._lag.observe_ns(lag_ns)
            self.lag_peak_ns = max(self.lag_peak_ns, lag_ns)
        return taken

    def _take_waiting(self, at_most: int) -> int:
        """Reads messages until there is none.

        A message is three frames, and only after the third it is asked whether more follow: asking costs more than
        reading. Where they are not three, `_take_tail` finds the end of the message.
        """
        recv = self._socket.recv
        for taken in range(at_most):
            try:
                topic = recv(_NOBLOCK)
            except zmq.Again:
                return taken
            try:
                header, last = recv(_NOBLOCK), recv(_NOBLOCK, copy=False)
            except zmq.Again:
                self.malformed.inc()
                return taken + 1
            if last.more:
                self._take_tail([topic, header, last.bytes])
            else:
                self._take(topic, header, last.bytes)
        return at_most

    def _take_tail(self, frames: list[bytes]) -> None:
        """Reads to the end of a message. A shorter one may stand before it; the last three frames may be whole."""
        frames += self._socket.recv_multipart()
        topic, header, payload = frames[-3:]
        self.malformed.inc()
        if len(topic) <= _TOPIC_MAX_BYTES and topic[-1:] == b"\0" and len(header) == HEADER.size:
            self._take(topic, header, payload)

    def _take(self, topic: bytes, frame: bytes, payload: bytes) -> None:
        if len(frame) != HEADER.size:
            self.malformed.inc()
            return
        version, kind, flags, count, epoch, sequence, timestamp_ns, _, trace_id, _ = HEADER.unpack(frame)
        if version != VERSION or kind not in KINDS:
            self.malformed.inc()
            return
        seen = self._seen.get(topic)
        bit = 1 << kind
        if seen is None:
            self._seen[topic] = [epoch, sequence, bit, timestamp_ns]
        elif seen[0] == epoch and sequence == seen[1] + 1:
            seen[1] = sequence
            seen[2] |= bit
            seen[3] = timestamp_ns
        elif not self._catch_up(topic, seen, epoch, sequence, bit, flags):
            self.stale.inc()
            return
        else:
            seen[3] = max(seen[3], timestamp_ns)
        self.received.value += 1
        if timestamp_ns < self._late_before_ns and not flags & FLAG_SNAPSHOT:
            self.late.value += 1
        delivery = self._delivery
        delivery.timestamp_ns, delivery.trace_id, delivery.flags = timestamp_ns, trace_id, flags
        try:
            self._on_record(kind, count, payload, delivery)
        except WireError:
            self.malformed.inc()

    def _catch_up(self, topic: bytes, seen: list[int], epoch: int, sequence: int, bit: int, flags: int) -> bool:
        """Whether a message out of sequence is still news: after a gap, or a last value of a kind not yet seen.

        A publisher that starts again counts from one, and what was published before it was heard is a gap. What comes
        late of an earlier life is never news: which life is the later one, the order tells in which they were heard of,
        not a clock that may have been set.
        """
        if epoch != seen[0]:
            if epoch in self._epochs_over:
                return False
            if seen[0] not in self._epochs_over:
                self._epochs_over.append(seen[0])
            seen[:] = [epoch, 0, 0, 0]
        if flags & FLAG_SNAPSHOT and sequence <= seen[1]:
            news = not seen[2] & bit
        else:
            news = sequence > seen[1]
            missed = sequence - seen[1] - 1
            if missed > 0:
                self.gaps.inc(missed)
                self._on_gap(topic[:-1].decode(errors="replace"), seen[1] + 1, sequence)
            seen[1] = max(seen[1], sequence)
        seen[2] |= bit
        return news


class MarketDataSubscriber(TopicSubscriber):
    """Receives trades, quotes and bars: `on_event(event, delivery)` for each."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        on_event: Callable[[MarketEvent, Delivery], None],
        metrics: Metrics,
        on_gap: Callable[[str, int, int], None],
        now_ns: Callable[[], int],
    ) -> None:
        super().__init__(socket, self._decode, metrics, on_gap, now_ns, Channel.MARKET_DATA)
        self._on_event = on_event

    def _decode(self, kind: int, count: int, payload: bytes, delivery: Delivery) -> None:
        decode = DECODERS.get(kind)
        if decode is not None and count == 1:
            self._on_event(decode(payload), delivery)
        elif kind in RECORD_BYTES:
            for event in decode_all(kind, count, payload):
                self._on_event(event, delivery)
        else:
            raise WireError(f"kind {kind} is no market data")
