"""The one place that makes ZeroMQ sockets, so that every socket has its limits, heartbeats and reconnects set.

The settings and why (all measured, see docs/decisions/0002-zeromq-sockets.md): heartbeats find a half-open link,
`IMMEDIATE` keeps a PUSH from queueing for a dead peer, REQ is always relaxed *and* correlated (relaxed alone hands a
late reply to the next request), ROUTER reports unknown peers, and no frame may exceed `MAX_FRAME_BYTES`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import zmq

from tradingmesh.adapters.zmq_lean import LeanSocket
from tradingmesh.adapters.zmq_links import Links
from tradingmesh.contract import CHANNELS, Channel, Component, EndpointsSpec
from tradingmesh.core.errors import ConfigError
from tradingmesh.wire.market import topic_of

if TYPE_CHECKING:
    import psutil

MAX_FRAME_BYTES = 1 << 20
_RECONNECT_MS = 50
_RECONNECT_MAX_MS = 1_000
_HANDSHAKE_MS = 2_000
_CONNECT_MS = 2_000
"""An address without an answer is given up, and the name is asked again: a pod that came back has another address."""
_NAME_MAX = 60


class SocketFactory:
    """Makes the sockets of one process, bound or connected as the contract says who binds a channel.

    A process that is no component (a command) binds nothing.
    """

    def __init__(
        self,
        component: Component | None,
        endpoints: EndpointsSpec,
        *,
        bind_host: str = "127.0.0.1",
        hosts: dict[Component, str] | None = None,
        ipc_dir: Path | None = None,
        io_threads: int = 1,
    ) -> None:
        self._component = component
        self._endpoints = endpoints
        self._bind_host = bind_host
        self._hosts = hosts or {}
        self._ipc_dir = ipc_dir
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads)
        self._sockets: list[zmq.Socket[bytes]] = []
        self.links = Links()

    def pub(self, channel: Channel, *, lossless: bool = False) -> zmq.Socket[bytes]:
        """Publishes. As binder it is an XPUB that hears every subscription (for last values to a late joiner).

        `lossless` makes a send wait for the slowest subscriber instead of dropping (XPUB_NODROP).
        """
        if CHANNELS[channel].binder is not self._component:
            return self._open(zmq.PUB, channel)
        return self._open(zmq.XPUB, channel, {zmq.XPUB_VERBOSE: 1, zmq.XPUB_NODROP: int(lossless)})

    def sub(self, channel: Channel, symbols: Iterable[str] | None = None) -> zmq.Socket[bytes]:
        """Subscribes to these symbols, or to everything."""
        socket = self._open(zmq.SUB, channel)
        for topic in [b""] if symbols is None else map(topic_of, symbols):
            socket.setsockopt(zmq.SUBSCRIBE, topic)
        return socket

    def req(self, channel: Channel) -> zmq.Socket[bytes]:
        """Asks. After a timeout it may ask again, and never takes the late answer for the new one."""
        return self._open(zmq.REQ, channel, {zmq.REQ_RELAXED: 1, zmq.REQ_CORRELATE: 1})

    def rep(self, channel: Channel) -> zmq.Socket[bytes]:
        """Answers."""
        return self._open(zmq.REP, channel)

    def push(self, channel: Channel) -> zmq.Socket[bytes]:
        """Hands out work; queues only for peers that are connected."""
        return self._open(zmq.PUSH, channel, {zmq.IMMEDIATE: 1})

    def pull(self, channel: Channel) -> zmq.Socket[bytes]:
        """Takes work."""
        return self._open(zmq.PULL, channel)

    def dealer(self, channel: Channel) -> zmq.Socket[bytes]:
        """Asks without waiting in turn."""
        return self._open(zmq.DEALER, channel, {zmq.IMMEDIATE: 1})

    def router(self, channel: Channel) -> zmq.Socket[bytes]:
        """Answers whom it likes; an answer to a peer that is gone raises rather than vanishes."""
        return self._open(zmq.ROUTER, channel, {zmq.ROUTER_MANDATORY: 1})

    def address(self, channel: Channel, *, bind: bool) -> str:
        """Where a channel is."""
        port = self._endpoints.of(channel).port
        if self._endpoints.transport == "ipc":
            if self._ipc_dir is None:
                raise ConfigError("spec.endpoints.transport is ipc, but no folder for it is set (TRADINGMESH_IPC_DIR)")
            return f"ipc://{self._ipc_dir}/{channel}-{port}.sock"
        host = self._bind_host if bind else self._hosts.get(CHANNELS[channel].binder, "127.0.0.1")
        return f"tcp://{host}:{port}"

    def peer_count(self, channel: Channel) -> int:
        """How many are connected to a channel that is bound here, as far as the sockets know."""
        return self.links.peer_count(channel)

    def close(self) -> None:
        """Closes every socket; each lingers as long as its channel allows."""
        self.links.close()
        for socket in self._sockets:
            socket.close()
        self._context.term()

    def _open(self, kind: int, channel: Channel, options: dict[int, int] | None = None) -> zmq.Socket[bytes]:
        spec = self._endpoints.of(channel)
        beat = self._endpoints.heartbeat
        socket = self._context.socket(kind, LeanSocket)
        settings = {
            zmq.SNDHWM: spec.send_high_water_mark,
            zmq.RCVHWM: spec.receive_high_water_mark,
            zmq.LINGER: spec.linger_ms,
            zmq.MAXMSGSIZE: MAX_FRAME_BYTES,
            zmq.HEARTBEAT_IVL: beat.interval_ms,
            zmq.HEARTBEAT_TIMEOUT: beat.timeout_ms,
            zmq.HEARTBEAT_TTL: beat.ttl_ms,
            zmq.CONNECT_TIMEOUT: _CONNECT_MS,
            zmq.HANDSHAKE_IVL: _HANDSHAKE_MS,
            zmq.RECONNECT_IVL: _RECONNECT_MS,
            zmq.RECONNECT_IVL_MAX: _RECONNECT_MAX_MS,
            **(options or {}),
        }
        for option, value in settings.items():
            socket.setsockopt(option, value)
        self._sockets.append(socket)
        if CHANNELS[channel].binder is self._component:
            self.links.watch(socket, channel)
            self._bind(socket, channel)
        else:
            address = self.address(channel, bind=False)
            self.links.watch(socket, channel, address)
            socket.connect(address)
        return socket

    def _bind(self, socket: zmq.Socket[bytes], channel: Channel) -> None:
        address = self.address(channel, bind=True)
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE:
                port = self._endpoints.of(channel).port
                raise ConfigError(
                    f"endpoints.{channel}: port {port} is in use{holder_of(port)}; choose another in the manifest"
                ) from None
            raise ConfigError(f"endpoints.{channel}: cannot bind {address}: {error}") from None


def holder_of(port: int) -> str:
    """Who listens on a local TCP port, as ` by NAME (pid N)`; empty where that cannot be known."""
    import psutil  # noqa: PLC0415 - needed only to explain a failure

    try:
        listeners = [
            c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port and c.status == "LISTEN"
        ]
        for connection in listeners:
            if connection.pid:
                return f" by {_name_of(psutil.Process(connection.pid))} (pid {connection.pid})"
    except psutil.Error:
        return ""
    return ""


def _name_of(process: "psutil.Process") -> str:
    """What a person would call it: `tradingmesh run risk-manager` rather than `python`."""
    words = process.cmdline()
    if len(words) < 2 or "python" not in Path(words[0]).name:
        return process.name()
    return " ".join([Path(words[1]).name, *words[2:]])[:_NAME_MAX]
