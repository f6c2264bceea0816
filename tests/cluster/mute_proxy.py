"""A way to the API server on which connections can fall silent, as behind a firewall that forgot them."""

import socket
import threading

_CHUNK = 65_536


class MuteProxy:
    """Hands bytes on between loopback and a port. After `mute` those connections that there are carry none any more.

    None is closed: who waits at one hears nothing for ever. New connections are as good as the first ones were.
    """

    def __init__(self, to_port: int) -> None:
        self._to = ("127.0.0.1", to_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._muted: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def mute(self) -> int:
        """Lets every connection of now fall silent; returns how many there were."""
        self._muted |= self._open
        return len(self._muted) // 2

    def close(self) -> None:
        """Ends all of them."""
        self._listener.close()
        for one in list(self._open):
            _end(one)

    def _accept(self) -> None:
        while True:
            try:
                here = self._listener.accept()[0]
                there = socket.create_connection(self._to, timeout=10)
            except OSError:
                return
            there.settimeout(None)
            self._open |= {here, there}
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while content := one.recv(_CHUNK):
                if one not in self._muted:
                    other.sendall(content)
        except OSError:
            pass
        if one not in self._muted:
            _end(one)
            _end(other)
        self._open -= {one, other}


def _end(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
    finally:
        one.close()
