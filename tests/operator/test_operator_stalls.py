"""Connections that fall silent without being closed: what the operator waits at is found to be dead."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.charts.rendering import completed
from tests.cluster.mute_proxy import MuteProxy
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import until
from tests.operator.place import Place

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def proxy(place: Place) -> Iterator[MuteProxy]:
    """A way to the API server of the tests."""
    found = MuteProxy(int(place.server.url.rpartition(":")[2]))
    yield found
    found.close()


@pytest.fixture
def proxied(place: Place, proxy: MuteProxy, operator: OperatorProcess, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator that reaches the API server on that way only, in the place of the usual one."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        place.server.kubeconfig.read_text().replace(place.server.url, f"https://127.0.0.1:{proxy.port}")
    )
    told = {"LEASE_DURATION_S": "40", "REQUEST_TIMEOUT_S": "3", "RESYNC_S": "900", "WATCH_STALLED_S": "4"}
    process = OperatorProcess(place.server, completed(), tmp_path / "log", kubeconfig=kubeconfig, **told)
    operator.end()
    process.start()
    yield process
    process.end()
    operator.start()


def test_a_watch_that_fell_silent_is_begun_anew(place: Place, proxy: MuteProxy, proxied: OperatorProcess) -> None:
    """No resync helps here, nor that everything is looked at after the outage: the Service goes only after that."""
    place.apply()
    place.until_reconciled()
    assert proxy.mute() > 5
    until(lambda: place.events("Warning").get("ApiServerAway"), "that the operator's own requests go on", 120)
    place.kubectl("delete", "service", "demo-risk-manager")
    until(lambda: place.get("service", "demo-risk-manager"), "the Service again", 60)
    assert proxied.running


def test_an_operator_that_hangs_is_not_alive(place: Place, operator: OperatorProcess) -> None:
    """Liveness is answered by the loop that does the work: while that stands still, a kubelet hears nothing."""
    assert place.namespace
    until(lambda: operator.answers("healthz"), "a good answer")
    operator.send(signal.SIGSTOP)
    try:
        assert not operator.answers("healthz")
    finally:
        operator.send(signal.SIGCONT)
    until(lambda: operator.answers("healthz") or not operator.running, "a good answer again, or its end")
    if not operator.running:
        operator.start()
