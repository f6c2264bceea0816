"""The connections between virtual sockets, with all that ZeroMQ does to a message when a link or a peer dies.

What is modelled is what was measured of libzmq 4.3.5 (docs/decisions/0002-zeromq-sockets.md): within one link messages
keep their order, between links they do not; what was on its way or queued is lost with the link; a killed peer takes
with it what it had not read; a link that swallows everything is found by its heartbeats and then broken; whoever
connects tries again and again. Nothing is ever sent twice by itself.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tradingmesh.contract import Channel
from tradingmesh.testing.virtual_time import VirtualTime

if TYPE_CHECKING:
    from tradingmesh.testing.virtual_sockets import VirtualSocket

MS = 1_000_000
HEARTBEAT_NS = 1_500 * MS
CONNECT_NS = 20 * MS
RECONNECT_NS = 1_000 * MS
Tap = Callable[["VirtualSocket", list[bytes]], object]


class Message(NamedTuple):
    """Frames on their way: to whom, by which link, and the number of the request they belong to (REQ and REP only)."""

    frames: list[bytes]
    to: "VirtualSocket"
    link: "Link"
    life: int
    number: int


class Link:
    """A connecting socket's connection to whoever binds its channel. `life` counts how often it was made.

    Of each pair the first is what goes to the binding side, the second what goes to the connecting one: `load` is how
    many messages are on their way or unread, `due_ns` when the last one arrives; of a broken link, those that were out
    on the wire arrive until `linger_ns`.
    """

    __slots__ = (
        "connector",
        "due_ns",
        "held",
        "identity",
        "life",
        "linger_ns",
        "load",
        "peer",
        "stalled_until_ns",
        "up",
    )

    def __init__(self, connector: "VirtualSocket") -> None:
        self.connector = connector
        self.peer: VirtualSocket | None = None
        self.up = False
        self.life = 0
        self.identity = b""
        self.load = [0, 0]
        self.due_ns = [0, 0]
        self.linger_ns = [0, 0]
        self.stalled_until_ns = 0
        self.held: deque[tuple[list[bytes], int]] = deque()


class Network:
    """Every virtual socket and link. `delay_ns` is how long most messages take; one in fifty takes up to 20 times that.

    `capacity` is how many messages a link takes in each direction before its sender is told that it is full. `on_send`
    hears of every message that is put on its way.
    """

    def __init__(self, time: VirtualTime, random: Random, *, delay_ns: int, capacity: int) -> None:
        self.time = time
        self.capacity = capacity
        self.on_send: Tap = lambda _sender, _frames: None
        self._random = random
        self._delay_ns = delay_ns
        self._binders: dict[Channel, VirtualSocket] = {}
        self._links: list[Link] = []
        self._identities = 0

    def bind(self, socket: "VirtualSocket") -> None:
        """The socket binds its channel: whoever waits to connect comes soon."""
        self._binders[socket.channel] = socket
        for link in self._links:
            if link.connector.channel is socket.channel:
                self._connect_soon(link, CONNECT_NS)

    def connect(self, socket: "VirtualSocket") -> Link:
        """The socket's link, up as soon as somebody binds the channel."""
        link = Link(socket)
        self._links.append(link)
        self._connect_soon(link, CONNECT_NS)
        return link

    def close(self, socket: "VirtualSocket") -> None:
        """The socket is gone, and with it all that it had not read and some of what it had sent."""
        if self._binders.get(socket.channel) is socket:
            del self._binders[socket.channel]
        for link in [link for link in self._links if socket in (link.connector, link.peer)]:
            self.cut(link, reconnect=socket is not link.connector)
            if socket is link.connector:
                self._links.remove(link)

    def links(self) -> list[Link]:
        """Those that are up, in the order they were first made."""
        return [link for link in self._links if link.up]

    def cut(self, link: Link, *, reconnect: bool = True) -> None:
        """Breaks the link. What had arrived can still be read; what is on its way is lost, all of it or the end."""
        if link.up:
            link.linger_ns[:] = [self._draw_linger_ns(link, due_ns) for due_ns in link.due_ns]
            peer, link.up, link.peer = link.peer, False, None
            if peer is not None:
                peer.links.remove(link)
        if reconnect:
            self._connect_soon(link, RECONNECT_NS)

    def stall(self, link: Link, for_ns: int) -> None:
        """Nothing passes for so long. If heartbeats notice it, the link is broken, and made again after it is over."""
        link.stalled_until_ns = self.time.now_ns + for_ns
        if for_ns > HEARTBEAT_NS:
            self.time.after(HEARTBEAT_NS, self._notice, link, link.life)

    def send(self, sender: "VirtualSocket", link: Link, frames: list[bytes], number: int = 0) -> None:
        """Puts the message on its way."""
        side = int(sender is not link.connector)
        self.on_send(sender, frames)
        link.load[side] += 1
        due_ns = max(self.time.now_ns + self._draw_delay_ns(), link.due_ns[side], link.stalled_until_ns)
        link.due_ns[side] = due_ns
        to = link.connector if side else link.peer
        if to is not None:
            self.time.at(due_ns, self._arrive, Message(frames, to, link, link.life, number), side)

    def _draw_delay_ns(self) -> int:
        drawn = self._random.random()
        return int(self._delay_ns * (20 * drawn if drawn > 0.98 else 0.1 + drawn))

    def _draw_linger_ns(self, link: Link, due_ns: int) -> int:
        now_ns, drawn = self.time.now_ns, self._random.random()
        if due_ns <= now_ns or link.stalled_until_ns > now_ns or drawn < 0.25:
            return 0
        return due_ns if drawn < 0.75 else now_ns + int((due_ns - now_ns) * self._random.random())

    def _arrive(self, message: Message, side: int) -> None:
        link, now_ns = message.link, self.time.now_ns
        if link.life != message.life or message.to.closed or (not link.up and now_ns > link.linger_ns[side]):
            return
        if link.up and link.stalled_until_ns > now_ns:
            link.due_ns[side] = link.stalled_until_ns
            self.time.at(link.stalled_until_ns, self._arrive, message, side)
            return
        message.to.take(message)

    def _notice(self, link: Link, life: int) -> None:
        if link.up and link.life == life and link.stalled_until_ns > self.time.now_ns:
            self.cut(link)

    def _connect_soon(self, link: Link, within_ns: int) -> None:
        wait_ns = int(within_ns * self._random.random())
        self.time.at(max(self.time.now_ns, link.stalled_until_ns) + wait_ns, self._try_to_connect, link)

    def _try_to_connect(self, link: Link) -> None:
        binder = self._binders.get(link.connector.channel)
        if link.up or link.connector.closed or binder is None:
            return
        if link.stalled_until_ns > self.time.now_ns:
            self._connect_soon(link, CONNECT_NS)
            return
        self._identities += 1
        link.identity = b"\0" + self._identities.to_bytes(4, "big")
        link.peer, link.up, link.life = binder, True, link.life + 1
        link.load[:] = link.due_ns[:] = [0, 0]
        binder.links.append(link)
        while link.held:
            self.send(link.connector, link, *link.held.popleft())
