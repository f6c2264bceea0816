"""The connections under the sockets: each one lost is counted and told, and one that libzmq gave up is made again.

A half-open link (its peer gone without a word, or a network that swallows) is ended by the heartbeats, and is a lost
link like any other. libzmq connects again after a link broke, but not after its peer sent what the protocol or
`MAXMSGSIZE` forbids: the connecting socket stays mute from then on (measured with 4.3.5). Here that shows as a link
that was lost, and for which no further attempt was announced.
"""

import os
import socket as tcp
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import zmq
from zmq.utils.monitor import recv_monitor_message

from tradingmesh.contract import CHANNELS, Channel
from tradingmesh.telemetry.metrics import Metrics

_FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_MADE = zmq.EVENT_HANDSHAKE_SUCCEEDED
_ENDS = zmq.EVENT_DISCONNECTED | _FAILED
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED | zmq.EVENT_CONNECT_RETRIED | _MADE | _ENDS
_GOING_ON = zmq.EVENT_CONNECTED | zmq.EVENT_CONNECT_RETRIED | _MADE
_AT_MOST = 1_000


class Loss(NamedTuple):
    """How many connections of a channel ended since the last look. `peer` is that of the last, as far as known."""

    channel: Channel
    peer: str
    lost: int


class _Link:
    """One socket's connections. `address` is empty where it binds."""

    def __init__(self, socket: zmq.Socket[bytes], channel: Channel, address: str) -> None:
        self.socket = socket
        self.channel = channel
        self.address = address
        self.monitor: zmq.Socket[Any] = socket.get_monitor_socket(_EVENTS)
        self.given_up = False
        self._up = False
        self.made = 0
        self.lost = 0
        self.failed = 0
        self.peer = f"{CHANNELS[channel].binder} at {address}" if address else ""
        self._peers: dict[int, str] = {}

    def listen(self) -> None:
        """Takes in what happened since the last call."""
        for _ in range(_AT_MOST):
            try:
                told = recv_monitor_message(self.monitor, zmq.NOBLOCK)
            except zmq.Again:
                return
            self._take(told["event"], told["value"])

    def _take(self, event: int, value: int) -> None:
        """`value` is the connection's file descriptor, where the event is about one.

        Where this side connects, what ends before its handshake was no link yet; where it binds, that cannot be told.
        """
        if event & _FAILED:
            self.failed += 1
        elif event == _MADE:
            self.made += 1
            self._up = True
        elif event == zmq.EVENT_ACCEPTED:
            self._peers[value] = _peer_of(value)
        elif event == zmq.EVENT_DISCONNECTED:
            self.lost += self._up or not self.address
            self._up = False
            self.peer = self._peers.pop(value, self.peer)
        self.given_up = bool(self.address) and not event & _GOING_ON

    @property
    def peer_count(self) -> int:
        """How many connected to where it is bound."""
        return len(self._peers)

    def connect_again(self) -> None:
        with suppress(zmq.ZMQError):  # libzmq has let go of the address by itself
            self.socket.disconnect(self.address)
        self.socket.connect(self.address)
        self.given_up = False


class Links:
    """All connections of a process; `tend` is to be called every `TEND_EVERY_S` in the sockets' own thread."""

    TEND_EVERY_S = 0.25

    def __init__(self) -> None:
        self._links: list[_Link] = []

    def watch(self, socket: zmq.Socket[bytes], channel: Channel, address: str = "") -> None:
        """From now on; `address` is what the socket is about to connect to."""
        self._links.append(_Link(socket, channel, address))

    def peer_count(self, channel: Channel) -> int:
        """How many are connected to where a channel is bound; a hung one too, and a half-open one until it is found."""
        links = [link for link in self._links if link.channel is channel]
        for link in links:
            link.listen()
        return sum(link.peer_count for link in links)

    def tend(self, metrics: Metrics) -> list[Loss]:
        """Counts and returns what was lost; connects again what was given up before the last call, and is so still."""
        losses = []
        for link in self._links:
            given_up = link.given_up
            link.listen()
            count = partial(metrics.counter, channel=link.channel.value)
            count("links_made").inc(link.made)
            count("links_lost").inc(link.lost)
            count("handshakes_failed").inc(link.failed)
            if link.lost:
                losses.append(Loss(link.channel, link.peer, link.lost))
            link.made = link.lost = link.failed = 0
            renew = given_up and link.given_up
            if renew:
                link.connect_again()
            count("links_renewed").inc(renew)
        return losses

    def close(self) -> None:
        """Listens no more."""
        for link in self._links:
            if not link.socket.closed:
                link.socket.disable_monitor()
            link.monitor.close(linger=0)
        self._links.clear()


def _peer_of(descriptor: int) -> str:
    """Who is at the other end of a TCP connection that libzmq accepted; empty where it is none, or gone already."""
    try:
        with tcp.socket(fileno=os.dup(descriptor)) as connection:
            host, port = connection.getpeername()[:2]
    except (OSError, ValueError):
        return ""
    return f"{host}:{port}"
