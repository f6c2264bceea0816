"""Sockets of a simulated process: the interface of pyzmq's that services use, over a `Network` instead of TCP.

Nothing ever waits. Each kind keeps to ZeroMQ's rules (zmq_socket(3)): PUSH and DEALER take turns among their peers, REQ
drops what does not answer its last request, REP answers whom it read last, ROUTER raises for a peer that is gone, PUB
drops for a subscriber that is full.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import zmq

from tradingmesh.contract import CHANNELS, Channel, Component
from tradingmesh.testing.virtual_network import Link, Message, Network
from tradingmesh.wire.market import topic_of

Step = Callable[[str], object]


class Frame:
    """A received frame that is not copied: its bytes, and whether more of its message follow."""

    __slots__ = ("bytes", "more")

    def __init__(self, raw: bytes, *, more: bool) -> None:
        self.bytes = raw
        self.more = more


class VirtualSocket:
    """One socket. `step(what)` is called before and after each message that leaves: a process may end there."""

    def __init__(self, network: Network, channel: Channel, step: Step, *, binds: bool) -> None:
        self.network = network
        self.channel = channel
        self.closed = False
        self.links: list[Link] = []
        self.inbox: deque[Message] = deque()
        self.on_arrival: Callable[[], object] = lambda: None
        self._step = step
        if binds:
            network.bind(self)
        else:
            self.links.append(network.connect(self))

    @property
    def readable(self) -> bool:
        """Whether something waits to be read."""
        return bool(self.inbox)

    def take(self, message: Message) -> None:
        """A message arrived."""
        self.inbox.append(message)
        self.on_arrival()

    def poll(self, timeout: int = 0, flags: int = zmq.POLLIN) -> int:  # noqa: ARG002 - nothing waits here
        """What of `flags` is possible now."""
        can = (zmq.POLLIN if self.readable else 0) | (zmq.POLLOUT if any(map(self.has_room, self.links)) else 0)
        return can & flags

    def setsockopt(self, option: int, value: object) -> None:
        """Limits, waits and heartbeats are the network's."""

    def close(self) -> None:
        """Lets go of every link."""
        self.closed = True
        self.network.close(self)

    def has_room(self, link: Link) -> bool:
        """Whether a message can be sent there now."""
        return link.up and link.load[int(self is not link.connector)] < self.network.capacity

    def next_message(self) -> Message:
        """The oldest message. Raises `zmq.Again`."""
        if not self.inbox:
            raise zmq.Again
        message = self.inbox.popleft()
        if message.link.life == message.life:
            message.link.load[int(self is message.link.connector)] -= 1
        return message

    def recv_multipart(self, flags: int = 0) -> list[bytes]:  # noqa: ARG002 - nothing waits here
        """The frames of the next message."""
        return self.next_message().frames

    def send_multipart(self, frames: Sequence[bytes], flags: int = 0) -> None:  # noqa: ARG002 - nothing waits here
        """Sends the frames as one message. Raises `zmq.Again` where nobody can take it."""
        self._step(self.channel)
        self._send(list(frames))
        self._step(self.channel)

    def _send(self, frames: list[bytes]) -> None:  # noqa: ARG002 - a kind that only reads
        raise zmq.ZMQError(zmq.ENOTSUP)


class TurnSocket(VirtualSocket):
    """PUSH, PULL or DEALER: each message to one peer, in turn. A peer that is not connected is not waited for."""

    def __init__(self, network: Network, channel: Channel, step: Step, *, binds: bool) -> None:
        super().__init__(network, channel, step, binds=binds)
        self._turn = 0

    def _send(self, frames: list[bytes]) -> None:
        count = len(self.links)
        for ahead in range(count):
            link = self.links[(self._turn + ahead) % count]
            if self.has_room(link):
                self._turn = (self._turn + ahead + 1) % count
                self.network.send(self, link, frames)
                return
        raise zmq.Again


class RouterSocket(VirtualSocket):
    """Each message carries who it is from, or to whom it goes."""

    def recv_multipart(self, flags: int = 0) -> list[bytes]:  # noqa: ARG002 - nothing waits here
        """The sender's identity, and its frames."""
        message = self.next_message()
        return [message.link.identity if message.link.life == message.life else b"\0gone", *message.frames]

    def _send(self, frames: list[bytes]) -> None:
        link = next((link for link in self.links if link.identity == frames[0]), None)
        if link is None:
            raise zmq.ZMQError(zmq.EHOSTUNREACH)
        if not self.has_room(link):
            raise zmq.Again
        self.network.send(self, link, frames[1:])


class RequestSocket(VirtualSocket):
    """REQ, relaxed and correlated: it may ask again, and an answer to anything but its last request is dropped."""

    correlate = True

    def __init__(self, network: Network, channel: Channel, step: Step, *, binds: bool) -> None:
        super().__init__(network, channel, step, binds=binds)
        self._number = 0
        self._awaiting = False

    @property
    def readable(self) -> bool:
        """Whether something waits to be read, be it to be dropped."""
        return self._awaiting and bool(self.inbox)

    def recv_multipart(self, flags: int = 0) -> list[bytes]:  # noqa: ARG002 - nothing waits here
        """The answer."""
        if not self._awaiting:
            raise zmq.ZMQError(zmq.EFSM)
        while True:
            message = self.next_message()
            if message.number == self._number or not self.correlate:
                self._awaiting = False
                return message.frames

    def _send(self, frames: list[bytes]) -> None:
        self._number += 1
        if self.correlate:
            self.inbox.clear()
        link = self.links[0]
        if self.has_room(link):
            self.network.send(self, link, frames, self._number)
        elif not link.up and len(link.held) < self.network.capacity:
            link.held.append((frames, self._number))  # the connecting side keeps it until there is a link
        else:
            raise zmq.Again
        self._awaiting = True


class ReplySocket(VirtualSocket):
    """REP: reads a request, answers it, and so on. An answer to a peer that is gone goes nowhere."""

    def __init__(self, network: Network, channel: Channel, step: Step, *, binds: bool) -> None:
        super().__init__(network, channel, step, binds=binds)
        self._asked: Message | None = None

    def recv_multipart(self, flags: int = 0) -> list[bytes]:  # noqa: ARG002 - nothing waits here
        """A request."""
        if self._asked is not None:
            raise zmq.ZMQError(zmq.EFSM)
        self._asked = self.next_message()
        return self._asked.frames

    def _send(self, frames: list[bytes]) -> None:
        if self._asked is None:
            raise zmq.ZMQError(zmq.EFSM)
        asked, self._asked = self._asked, None
        if asked.link.up and asked.link.life == asked.life:
            self.network.send(self, asked.link, frames, asked.number)


class PublishSocket(VirtualSocket):
    """PUB or XPUB: to every subscriber of the topic that is not full. Hears of no subscription."""

    def _send(self, frames: list[bytes]) -> None:
        for link in self.links:
            subscriber = link.connector if link.connector is not self else link.peer
            if isinstance(subscriber, SubscribeSocket) and subscriber.wants(frames[0]) and self.has_room(link):
                self.network.send(self, link, frames)

    def recv(self, flags: int = 0) -> bytes:  # noqa: ARG002 - nothing waits here
        """Subscriptions are the network's."""
        raise zmq.Again


class SubscribeSocket(VirtualSocket):
    """SUB: what begins with one of its topics, by message or frame by frame."""

    def __init__(
        self, network: Network, channel: Channel, step: Step, *, binds: bool, topics: Sequence[bytes] = (b"",)
    ) -> None:
        self._topics = tuple(topics)
        self._frames: deque[Frame] = deque()
        super().__init__(network, channel, step, binds=binds)

    @property
    def readable(self) -> bool:
        """Whether something waits to be read."""
        return bool(self.inbox or self._frames)

    def wants(self, topic: bytes) -> bool:
        """Whether it subscribed to that."""
        return topic.startswith(self._topics)

    def recv(self, flags: int = 0, copy: bool = True) -> bytes | Frame:  # noqa: ARG002, FBT001, FBT002 - as pyzmq's
        """The next frame."""
        if not self._frames:
            frames = self.next_message().frames
            last = len(frames) - 1
            self._frames.extend(Frame(raw, more=number < last) for number, raw in enumerate(frames))
        frame = self._frames.popleft()
        return frame.bytes if copy else frame


class VirtualSockets:
    """The sockets of one process, as `adapters.zmq_sockets.SocketFactory` makes them. `close` is how they all end."""

    def __init__(self, component: Component | None, network: Network, step: Step) -> None:
        self._component = component
        self._network = network
        self._step = step
        self._open: list[VirtualSocket] = []

    def pub(self, channel: Channel, *, lossless: bool = False) -> VirtualSocket:  # noqa: ARG002 - this one never waits
        """Publishes."""
        return self._keep(PublishSocket(self._network, channel, self._step, binds=self._binds(channel)))

    def sub(self, channel: Channel, symbols: Iterable[str] | None = None) -> VirtualSocket:
        """Subscribes to these symbols, or to everything."""
        topics = [b""] if symbols is None else [topic_of(symbol) for symbol in symbols]
        binds = self._binds(channel)
        return self._keep(SubscribeSocket(self._network, channel, self._step, binds=binds, topics=topics))

    def req(self, channel: Channel) -> VirtualSocket:
        """Asks."""
        return self._keep(RequestSocket(self._network, channel, self._step, binds=self._binds(channel)))

    def rep(self, channel: Channel) -> VirtualSocket:
        """Answers."""
        return self._keep(ReplySocket(self._network, channel, self._step, binds=self._binds(channel)))

    def push(self, channel: Channel) -> VirtualSocket:
        """Hands out work."""
        return self._keep(TurnSocket(self._network, channel, self._step, binds=self._binds(channel)))

    def pull(self, channel: Channel) -> VirtualSocket:
        """Takes work."""
        return self._keep(TurnSocket(self._network, channel, self._step, binds=self._binds(channel)))

    def dealer(self, channel: Channel) -> VirtualSocket:
        """Asks without waiting in turn."""
        return self._keep(TurnSocket(self._network, channel, self._step, binds=self._binds(channel)))

    def router(self, channel: Channel) -> VirtualSocket:
        """Answers whom it likes."""
        return self._keep(RouterSocket(self._network, channel, self._step, binds=self._binds(channel)))

    def links(self) -> list[Link]:
        """Every link of the process."""
        return [link for socket in self._open for link in socket.links]

    def peer_count(self, channel: Channel) -> int:
        """How many are connected to a channel that is bound here."""
        return sum(link.up for link in self.links() if link.connector.channel is channel)

    def close(self) -> None:
        """Every socket is gone."""
        for socket in self._open:
            socket.close()

    def _binds(self, channel: Channel) -> bool:
        return CHANNELS[channel].binder is self._component

    def _keep(self, socket: VirtualSocket) -> VirtualSocket:
        self._open.append(socket)
        return socket
