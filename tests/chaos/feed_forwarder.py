"""Between a feed and its subscribers: drops, doubles and moves messages by chance, and notes what it let through."""

import random
import threading
from collections import deque
from typing import NamedTuple

import zmq

from tradingmesh.wire.header import decode_header

MARK = 1_000_000
"""A high-water mark that nothing reaches."""


class Sent(NamedTuple):
    """One message, as the forwarder let it through."""

    symbol: str
    epoch: int
    sequence: int


class Forwarder:
    """A thread that passes subscriptions one way and messages the other; not all, not once, not in order."""

    def __init__(self, port: int, target_port: int, seed: int) -> None:
        self.share = 0.0
        self.holding = False
        self.sent: list[Sent] = []
        self.dropped = self.doubled = self.moved = 0
        self._chance = random.Random(seed)  # noqa: S311 - replayable is what it must be
        self._held: list[tuple[int, list[bytes]]] = []
        self._queue: deque[list[bytes]] = deque()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._publisher = self._context.socket(zmq.XSUB)
        self._subscribers = self._context.socket(zmq.XPUB)
        for socket in (self._publisher, self._subscribers):
            socket.set_hwm(MARK)
        self._subscribers.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._publisher.setsockopt(zmq.RECONNECT_IVL, 10)
        self._subscribers.bind(f"tcp://127.0.0.1:{port}")
        self._publisher.connect(f"tcp://127.0.0.1:{target_port}")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def holds_older(self, epoch: int) -> bool:
        """Whether something of an earlier life is still to come."""
        waiting = [*self._queue, *(frames for _, frames in self._held)]
        return any(decode_header(frames[1]).epoch < epoch for frames in waiting)

    def _run(self) -> None:
        poller = zmq.Poller()
        for socket in (self._publisher, self._subscribers):
            poller.register(socket, zmq.POLLIN)
        while not self._stopping.is_set():
            ready = dict(poller.poll(5))
            if self._subscribers in ready:
                self._publisher.send(self._subscribers.recv())
            if self._publisher in ready:
                self._queue.append(self._publisher.recv_multipart())
            while self._queue and not self.holding:
                self._pass_on(self._queue.popleft())

    def _pass_on(self, frames: list[bytes]) -> None:
        fate = self._chance.random() / self.share if self.share else 9.0
        if fate < 1:
            self.dropped += 1
        elif fate < 2:
            self.doubled += 1
            self._send(frames)
            self._send(frames)
        elif fate < 3:
            self.moved += 1
            self._held.append((self._chance.randint(1, self._chance.choice((12, 400))), frames))
        else:
            self._send(frames)
        due = [held for left, held in self._held if left <= 0]
        self._held = [(left - 1, held) for left, held in self._held if left > 0]
        for held in due:
            self._send(held)

    def _send(self, frames: list[bytes]) -> None:
        header = decode_header(frames[1])
        self.sent.append(Sent(frames[0][:-1].decode(), header.epoch, header.sequence))
        self._subscribers.send_multipart(frames)
