"""Market data over PUB/SUB: sequences per symbol, last values for late joiners, gaps counted (zguide: clone)."""

from collections.abc import Callable

import zmq

from tradingmesh.core.errors import WireError
from tradingmesh.core.ids import MessageIds
from tradingmesh.core.market import MarketEvent
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.wire.header import FLAG_SAMPLED, FLAG_SNAPSHOT, HEADER, VERSION
from tradingmesh.wire.market import DECODERS, RECORD_BYTES, decode_all, encode, topic_of

SEND_WAIT_MS = 1_000


class TopicPublisher:
    """Publishes payloads under symbol topics, each symbol with its own sequence in this publisher's epoch.

    The header's trace id is the message id: a trace begins here. One in `sample_every` traces is recorded; 0 is none.
    """

    def __init__(
        self, socket: zmq.Socket[bytes], instance: str, epoch: int, metrics: Metrics, sample_every: int
    ) -> None:
        self._socket = socket
        self._ids = MessageIds(instance, epoch)
        self._epoch = epoch
        self._sample_every = sample_every
        self._topics: dict[str, tuple[bytes, list[int]]] = {}
        self._last: dict[bytes, dict[int, tuple[bytes, bytes]]] = {}
        self._count = 0
        self.last_flags = 0
        self.published = metrics.counter("published", "Messages published.")
        self.snapshots = metrics.counter("snapshots_sent", "Last values sent again for late joiners.")
        socket.setsockopt(zmq.SNDTIMEO, SEND_WAIT_MS)

    def publish(
        self, symbol: str, kind: int, payload: bytes, now_ns: int, *, trace_id: bytes | None = None, flags: int = 0
    ) -> bytes:
        """Sends one record and returns its trace id. On a lossless socket it waits for the slowest subscriber."""
        known = self._topics.get(symbol)
        if known is None:
            known = self._topics[symbol] = (topic_of(symbol), [0])
            self._last[known[0]] = {}
        topic, sequence = known
        sequence[0] += 1
        message_id = self._ids.take()
        self._count += 1
        if trace_id is None:
            trace_id = message_id
            if self._sample_every and self._count % self._sample_every == 0:
                flags |= FLAG_SAMPLED
        self.last_flags = flags
        fields = (1, self._epoch, sequence[0], now_ns, message_id, trace_id, message_id[8:])
        self._send(topic, HEADER.pack(VERSION, kind, flags, *fields), payload)
        self._last[topic][kind] = (HEADER.pack(VERSION, kind, flags | FLAG_SNAPSHOT, *fields), payload)
        self.published.value += 1
        return trace_id

    def answer_subscriptions(self) -> None:
        """Sends the last values of each topic that somebody has newly subscribed to; others drop them as known."""
        while True:
            try:
                frame = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if frame[:1] == b"\x01":
                prefix = frame[1:]
                for topic in [t for t in self._last if t.startswith(prefix)]:
                    for header, payload in self._last[topic].values():
                        self._send(topic, header, payload)
                        self.snapshots.inc()

    def _send(self, topic: bytes, header: bytes, payload: bytes) -> None:
        send = self._socket.send
        while True:
            try:
                send(topic, zmq.SNDMORE)
                break
            except zmq.Again:
                continue
        send(header, zmq.SNDMORE)
        send(payload)


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
    """Receives what a `TopicPublisher` sends, in order, and tells what is missing.

    `on_record(kind, count, payload, delivery)` is called for each new message; `delivery` is one object, reused.
    A gap is counted, and given to `on_gap(symbol, expected, actual)`; what cannot be read is counted and dropped.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        on_record: Callable[[int, int, bytes, Delivery], None],
        metrics: Metrics,
        on_gap: Callable[[str, int, int], None],
    ) -> None:
        self._socket = socket
        self._on_record = on_record
        self._on_gap = on_gap
        self._seen: dict[bytes, list[int]] = {}
        self._delivery = Delivery()
        self.received = metrics.counter("received", "Messages received.")
        self.gaps = metrics.counter("gaps", "Messages missed, by the sequences.")
        self.stale = metrics.counter("stale_dropped", "Messages not newer than what was seen, dropped.")
        self.malformed = metrics.counter(
            "malformed_dropped", "Messages that could not be read, dropped.", channel="topic"
        )

    def drain(self, at_most: int = 500) -> int:
        """Takes what is waiting, at most that many messages; returns how many."""
        recv, more = self._socket.recv, zmq.RCVMORE
        getsockopt = self._socket.getsockopt
        for taken in range(at_most):
            try:
                topic = recv(zmq.NOBLOCK)
            except zmq.Again:
                return taken
            rest = []
            while getsockopt(more):
                rest.append(recv())
            if len(rest) == 2:
                self._take(topic, rest[0], rest[1])
            else:
                self.malformed.inc()
        return at_most

    def _take(self, topic: bytes, frame: bytes, payload: bytes) -> None:
        if len(frame) != HEADER.size:
            self.malformed.inc()
            return
        version, kind, flags, count, epoch, sequence, timestamp_ns, _, trace_id, _ = HEADER.unpack(frame)
        if version != VERSION:
            self.malformed.inc()
            return
        seen = self._seen.get(topic)
        bit = 1 << kind
        if seen is None or seen[0] != epoch:
            self._seen[topic] = [epoch, sequence, bit]
        elif sequence == seen[1] + 1:
            seen[1] = sequence
            seen[2] |= bit
        elif not self._catch_up(topic, seen, sequence, bit, flags):
            self.stale.inc()
            return
        self.received.value += 1
        delivery = self._delivery
        delivery.timestamp_ns, delivery.trace_id, delivery.flags = timestamp_ns, trace_id, flags
        try:
            self._on_record(kind, count, payload, delivery)
        except WireError:
            self.malformed.inc()

    def _catch_up(self, topic: bytes, seen: list[int], sequence: int, bit: int, flags: int) -> bool:
        """Whether a message out of sequence is still news: after a gap, or a last value of a kind not yet seen."""
        if flags & FLAG_SNAPSHOT and sequence <= seen[1]:
            news = not seen[2] & bit
        else:
            news = sequence > seen[1]
            if news:
                self.gaps.inc(sequence - seen[1] - 1)
                self._on_gap(topic[:-1].decode(errors="replace"), seen[1] + 1, sequence)
                seen[1] = sequence
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
    ) -> None:
        super().__init__(socket, self._decode, metrics, on_gap)
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
