"""Ports are looked at before anything starts: free or not, and who has them."""

import os
import socket
from contextlib import ExitStack
from itertools import islice

import pytest

from tradingmesh.cli.up_ports import NAMED_MAX, check_free, counted_from, is_free
from tradingmesh.core.errors import ConfigError


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    return listener


def test_a_port_in_use_is_named_with_its_setting_and_its_holder() -> None:
    """The holder is this very process."""
    with _listener() as listener:
        port = listener.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(ConfigError) as caught:
            check_free({port: "spec.endpoints.fills.port"})
        assert str(caught.value).startswith(f"spec.endpoints.fills.port: {port} is in use by ")
        assert f"(pid {os.getpid()})" in str(caught.value)
    assert is_free(port)


def test_taken_ports_are_named_together_as_far_as_a_line_goes() -> None:
    """Whoever has to mend it need not come back for the next one; with a whole mesh running, some say enough."""
    with ExitStack() as open_:
        ports = [open_.enter_context(_listener()).getsockname()[1] for _ in range(NAMED_MAX + 2)]
        with pytest.raises(ConfigError) as caught:
            check_free(dict.fromkeys(ports, "x"))
    assert [port for port in ports if str(port) in str(caught.value)] == ports[:NAMED_MAX]
    assert str(caught.value).endswith("; and 2 more")


def test_free_ports_pass() -> None:
    """Nothing to say."""
    check_free(dict.fromkeys(islice(counted_from(0), 3), "x"))


def test_ports_are_counted_from_the_first_or_found_free() -> None:
    """0 asks for free ones, each different."""
    assert list(islice(counted_from(9090), 3)) == [9090, 9091, 9092]
    found = list(islice(counted_from(0), 12))
    assert len(set(found)) == 12
    assert all(port < 32_768 for port in found)


def test_ports_to_avoid_are_avoided(monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel's port is not bound yet, so it looks free, and is not."""
    monkeypatch.setattr("tradingmesh.cli.up_ports._UNASSIGNED", range(15_000, 15_003))
    avoid = [port for port in range(15_000, 15_003) if is_free(port)][:1]
    free = [port for port in range(15_000, 15_003) if is_free(port) and port not in avoid]
    assert set(islice(counted_from(0, avoid), len(free))) == set(free)
