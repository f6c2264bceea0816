"""Who has a port, as a person would call it."""

import subprocess
import sys
import time

from tradingmesh.adapters.zmq_sockets import holder_of


def test_the_holder_of_a_port_is_named_as_it_was_started() -> None:
    """`python` alone tells nobody which of the processes it is."""
    program = "import socket, sys; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
    program += "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "risk-manager"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        named = holder_of(port)
        child.communicate("", timeout=10)
    assert named.startswith(" by -c ")
    assert named.endswith(f" (pid {child.pid})")
    deadline_s = time.monotonic() + 5
    while holder_of(port) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert holder_of(port) == ""
