"""The connections under the sockets: each one lost is counted, and one that libzmq gave up for good is made again.

libzmq connects again after a link broke, but not after its peer sent what the protocol or `MAXMSGSIZE` forbids: the
connecting socket stays mute from then on (measured with 4.3.5). Here that shows as a link that was lost, and for which
no further attempt was announced.
"""

from contextlib import suppress
from functools import partial
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from tradingmesh.contract import Channel
from tradingmesh.telemetry.metrics import Metrics

_FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_EVENTS = zmq.EVENT_CONNECTED | zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_DISCONNECTED | _FAILED
_AT_MOST = 1_000


class _Link:
    """One socket's connections. `address` is empty where it binds."""

    def __init__(self, socket: zmq.Socket[bytes], channel: Channel, address: str) -> None:
        self.socket = socket
        self.channel = channel
        self.address = address
        self.monitor: zmq.Socket[Any] = socket.get_monitor_socket(_EVENTS)
        self.given_up = False
        self.lost = 0
        self.failed = 0

    def listen(self) -> None:
        """Takes in what happened since the last call."""
        for _ in range(_AT_MOST):
            try:
                event = recv_monitor_message(self.monitor, zmq.NOBLOCK)["event"]
            except zmq.Again:
                return
            if event & _FAILED:
                self.failed += 1
            elif event == zmq.EVENT_DISCONNECTED:
                self.lost += 1
            self.given_up = bool(self.address) and not event & (zmq.EVENT_CONNECTED | zmq.EVENT_CONNECT_RETRIED)

    def connect_again(self) -> None:
        with suppress(zmq.ZMQError):  # libzmq has let go of the address by itself
            self.socket.disconnect(self.address)
        self.socket.connect(self.address)
        self.given_up = False


class Links:
    """All connections of a process; `tend` is to be called every `TEND_EVERY_S` in the sockets' own thread."""

    TEND_EVERY_S = 0.5

    def __init__(self) -> None:
        self._links: list[_Link] = []

    def watch(self, socket: zmq.Socket[bytes], channel: Channel, address: str = "") -> None:
        """From now on; `address` is what the socket is about to connect to."""
        self._links.append(_Link(socket, channel, address))

    def tend(self, metrics: Metrics) -> None:
        """Counts what was lost, and connects again what was given up before the last call and is so still."""
        for link in self._links:
            given_up = link.given_up
            link.listen()
            count = partial(metrics.counter, channel=link.channel.value)
            count("links_lost", "Connections that ended, whichever side ended them.").inc(link.lost)
            count("handshakes_failed", "Peers that did not speak ZeroMQ right.").inc(link.failed)
            link.lost = link.failed = 0
            if given_up and link.given_up:
                link.connect_again()
                count("links_renewed", "Connections made again after a peer broke the rules.").inc()

    def close(self) -> None:
        """Listens no more."""
        for link in self._links:
            if not link.socket.closed:
                link.socket.disable_monitor()
            link.monitor.close(linger=0)
        self._links.clear()
