"""The trading state over PUB/SUB: sent on each change, again a few times a second, and to each joiner at once."""

from collections.abc import Callable

import msgspec
import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.contract import Channel
from tradingmesh.core.errors import WireError
from tradingmesh.core.trading_status import TradingStatus
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.wire.messages import TRADING_STATUS

BEAT_S = 0.25
SILENT_AFTER_NS = 2_000_000_000
"""A state that was not repeated for so long is not known any more."""
TURN_MAX = 100


class TradingStatePublisher:
    """Tells the state. Nothing waits: who does not take a message gets the next."""

    def __init__(self, socket: zmq.Socket[bytes], instance: str, epoch: int, now_ns: Callable[[], int]) -> None:
        self._socket = socket
        self._now_ns = now_ns
        self._sender = Sender(TRADING_STATUS, instance, epoch)
        self._told: TradingStatus | None = None

    def tell(self, status: TradingStatus) -> None:
        """Sends the status if it is another than before, with the next generation."""
        told = self._told
        generation = told.generation if told is not None else 0
        status = msgspec.structs.replace(status, generation=generation)
        if status != told:
            self._told = msgspec.structs.replace(status, generation=generation + 1)
            self.repeat()

    def repeat(self) -> None:
        """Sends the last status again."""
        if self._told is not None:
            self._socket.send_multipart(self._sender.frames(self._told, self._now_ns()), zmq.NOBLOCK)

    def answer_subscriptions(self) -> None:
        """Repeats it for whoever joined."""
        for _ in range(TURN_MAX):
            try:
                frame = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if frame[:1] == b"\x01":
                self.repeat()


class TradingStateSubscriber:
    """Hears the state. `status` is the last one heard, None before any; `known` is it only while it is fresh.

    `epoch` is the life of the risk manager that told it.
    """

    def __init__(self, socket: zmq.Socket[bytes], monotonic_ns: Callable[[], int], metrics: Metrics) -> None:
        self._socket = socket
        self._monotonic_ns = monotonic_ns
        self._heard_ns = monotonic_ns()
        self.status: TradingStatus | None = None
        self.epoch = 0
        self.heard = metrics.counter("messages_received", channel=Channel.TRADING_STATE)
        self._malformed = metrics.counter("messages_malformed", channel=Channel.TRADING_STATE)
        metrics.gauge("trading_state_age_seconds", lambda: self.age_ns / 1e9)

    @property
    def age_ns(self) -> int:
        """Since the state was last heard, or since the beginning."""
        return self._monotonic_ns() - self._heard_ns

    @property
    def known(self) -> TradingStatus | None:
        """The state, unless it was not repeated for too long."""
        return self.status if self.age_ns < SILENT_AFTER_NS else None

    def drain(self) -> None:
        """Takes what waits: the newest counts."""
        for _ in range(TURN_MAX):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                header, status = read(TRADING_STATUS, frames)
            except WireError:
                self._malformed.inc()
                continue
            self.epoch, self.status = header.epoch, status
            self._heard_ns = self._monotonic_ns()
            self.heard.inc()
