"""A TCP proxy between two ends of a channel, that stops forwarding when it is told to: a link that is half-open.

What it swallows it has read, so the sender's machine believes it delivered; the connections stay open, and new ones are
accepted and swallowed too. That is how a link looks whose other end lost its power, or a firewall that forgot it.
"""

import selectors
import socket
import threading
from typing import Literal

_CHUNK_BYTES = 1 << 16
_LOOK_S = 0.05
_SEND_S = 1.0

Swallow = Literal["nothing", "both", "from-connector", "from-binder"]


class TcpProxy:
    """Listens on `port` and forwards to `target_port`, both on this machine, in a thread of its own.

    Setting `swallow` says what is not forwarded from now on. A connection that lost something is never whole again:
    where forwarding goes on, it stays mute in that direction, and is closed when either end closes it.
    """

    def __init__(self, port: int, target_port: int) -> None:
        self.swallow: Swallow = "nothing"
        self._target_port = target_port
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._others: dict[socket.socket, socket.socket] = {}
        self._from_connector: set[socket.socket] = set()
        self._broken: set[socket.socket] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tcp-proxy", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Cuts every connection."""
        self._stopping.set()
        self._thread.join()
        for end in (self._listener, *self._others):
            end.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._selector.select(_LOOK_S):
                end: socket.socket = key.fileobj  # type: ignore[assignment] # only sockets are registered
                if end is self._listener:
                    self._accept()
                elif end in self._others:
                    self._forward(end)

    def _accept(self) -> None:
        connector, _ = self._listener.accept()
        try:
            binder = socket.create_connection(("127.0.0.1", self._target_port), timeout=1)
        except OSError:
            connector.close()
            return
        self._from_connector.add(connector)
        for end, other in ((connector, binder), (binder, connector)):
            end.settimeout(_SEND_S)
            self._others[end] = other
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, end: socket.socket) -> None:
        swallowed = self.swallow == "both" or self.swallow == self._name(end)
        try:
            data = end.recv(_CHUNK_BYTES)
            if swallowed:
                self._broken.add(end)
            elif data and end not in self._broken:
                self._others[end].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._ended(end, told=not swallowed)

    def _name(self, end: socket.socket) -> Swallow:
        return "from-connector" if end in self._from_connector else "from-binder"

    def _ended(self, end: socket.socket, *, told: bool) -> None:
        """One end closed. The other hears of it, unless that is swallowed too: then it is left open, and mute."""
        self._selector.unregister(end)
        other = self._others.pop(end)
        end.close()
        if told and other in self._others:
            self._ended(other, told=False)
