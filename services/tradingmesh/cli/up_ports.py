"""TCP ports before a run: are they free, and if not, who has them."""

import random
import socket
from collections.abc import Iterable, Iterator, Mapping

from tradingmesh.adapters.zmq_sockets import holder_of
from tradingmesh.core.errors import ConfigError

NAMED_MAX = 3
_HOST = "127.0.0.1"
_UNASSIGNED = range(15_000, 32_000)
"""Below what Linux gives to outgoing connections (32768 to 60999), so that none of these takes the port meanwhile."""


def check_free(needed: Mapping[int, str]) -> None:
    """Raises `ConfigError` where a port is taken: which one, whose setting it is, and who has it if that is known."""
    taken = [f"{what}: {port} is in use{holder_of(port)}" for port, what in needed.items() if not is_free(port)]
    if taken:
        more = f"; and {len(taken) - NAMED_MAX} more" if len(taken) > NAMED_MAX else ""
        raise ConfigError("; ".join(taken[:NAMED_MAX]) + more)


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def counted_from(first: int, avoid: Iterable[int] = ()) -> Iterator[int]:
    """Ports from `first` on; with 0, ports that are free now, each once, and none of those to `avoid`."""
    if first:
        yield from range(first, 65_536)
    given = set(avoid)
    while True:
        port = random.choice(_UNASSIGNED)  # noqa: S311 - only to keep two runs apart
        if port not in given and is_free(port):
            given.add(port)
            yield port
