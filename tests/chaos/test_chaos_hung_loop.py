"""A work loop that hangs while its sockets' threads go on: `/healthz` says so, soon enough for a kubelet to restart it.

Where the hung code does not let go of the interpreter either, nobody is left to answer: the probe times out, which a
kubelet counts as a failure just the same.
"""

import http.client
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tradingmesh.runtime.admin import HUNG_AFTER_S

pytestmark = pytest.mark.processes
SEEN_WITHIN_S = HUNG_AFTER_S + 1.0
PROBE_TIMEOUT_S = 1.0
PATIENT_S = 5.0
"""Of a probe that must be answered: it is, also where the machine stands still for a moment."""
SLOW_S = 2.0
NEVER_LETS_GO = """
import re, signal
signal.signal(signal.SIGUSR2, lambda *_: re.match("(a+)+$", "a" * 64 + "b"))
"""
WAITS_FOR_THE_DISK = f"""
import signal, time
signal.signal(signal.SIGUSR2, lambda *_: time.sleep({SLOW_S}))
"""


def healthz(mesh: Any, name: str, timeout_s: float = PATIENT_S) -> int | None:
    """The status as a kubelet gets it; None where the probe times out."""
    probe = http.client.HTTPConnection("127.0.0.1", mesh.port_of(name), timeout=timeout_s)
    try:
        probe.request("GET", "/healthz")
        return probe.getresponse().status
    except TimeoutError:
        return None
    finally:
        probe.close()


def seen_after_s(
    mesh: Any,
    name: str,
    hang: Callable[[], None],
    status: int | None,
    meanwhile: Callable[[], object] = lambda: None,
) -> float:
    """How long after it hung the probe got that status; every answer before was a good one."""
    assert healthz(mesh, name) == 200
    hang()
    began_s = time.monotonic()
    answers: list[int | None] = []

    def asked() -> bool:
        answers.append(healthz(mesh, name, PATIENT_S if status else PROBE_TIMEOUT_S))
        meanwhile()
        return answers[-1] == status

    mesh.wait(asked)
    assert set(answers[:-1]) <= {200}
    return time.monotonic() - began_s


def test_a_hung_loop_fails_its_health(mesh: Any) -> None:
    """A deadlock shows after `HUNG_AFTER_S`, its links staying up; a loop in C code at once; a slow disk not at all."""
    mesh.spec["fillProcessors"] = {"replicas": 3}
    mesh.prelude["fill-processor-2"] = NEVER_LETS_GO
    mesh.prelude["fill-processor-3"] = WAITS_FOR_THE_DISK
    mesh.start("risk-manager", "fill-processor", ready=False)
    mesh.wait(lambda: mesh.counter("risk-manager", "links_made", "channel=positions") == 3)
    stuck, slow = mesh.pid("fill-processor-2"), mesh.pid("fill-processor-3")
    os.kill(slow, signal.SIGUSR2)
    answers: list[int | None] = []
    seen_s = seen_after_s(
        mesh,
        "fill-processor-1",
        lambda: mesh.hang("fill-processor-1"),
        503,
        meanwhile=lambda: answers.append(healthz(mesh, "fill-processor-3")),
    )
    assert set(answers) == {200}
    assert HUNG_AFTER_S - 1.0 <= seen_s <= SEEN_WITHIN_S
    assert mesh.counter("risk-manager", "links_lost", "channel=positions") == 0
    assert seen_after_s(mesh, "fill-processor-2", lambda: os.kill(stuck, signal.SIGUSR2), None) <= SEEN_WITHIN_S
