"""Times without an operator, or without an API server."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.charts.rendering import completed
from tests.cluster.api_server import ApiServer
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import until
from tests.operator.place import Place

pytestmark = pytest.mark.timeout(240)


def test_of_two_operators_one_works(place: Place, operator: OperatorProcess) -> None:
    """The other waits for the Lease, and has it soon after the first was killed."""
    second = OperatorProcess(place.server, completed(), operator.log.with_name("second"), INSTANCE="second")
    second.start(ready=False)
    try:
        place.apply()
        place.until_reconciled()
        assert (second.metric("leading"), second.metric("writes_total")) == (0.0, 0.0)
        operator.end(signal.SIGKILL)
        until(lambda: second.metric("leading") == 1.0, "the other at work", 60)
        _until_it_looks(place)
    finally:
        second.end()
        if not operator.running:
            operator.start()


def test_the_api_server_may_go_and_come_back(place: Place, operator: OperatorProcess, api_server: ApiServer) -> None:
    """What was changed while the operator heard nothing is put right; without its Lease it ends."""
    place.apply()
    place.until_reconciled()
    api_server.end("kube-apiserver", signal.SIGKILL)
    until(lambda: not operator.running, "an operator without its Lease", 60)
    api_server.start()
    place.kubectl("delete", "service", "demo-risk-manager")
    operator.start()
    until(lambda: place.get("service", "demo-risk-manager"), "the Service again", 60)


def test_how_long_the_api_server_was_away_is_told(
    place: Place, operator: OperatorProcess, api_server: ApiServer, tmp_path: Path
) -> None:
    """By an operator whose Lease lasts longer than that; it goes on as if nothing had been."""
    place.apply()
    place.until_reconciled()
    operator.end()
    patient = OperatorProcess(place.server, completed(), tmp_path / "log", LEASE_DURATION_S="120", RESYNC_S="2")
    patient.start()
    try:
        _until_it_looks(place)
        api_server.end("kube-apiserver", signal.SIGKILL)
        until(lambda: patient.metric("errors_total", reason="ApiServerAway") >= 3, "that it notices", 90)
        assert patient.metric("api_server_answers") == 0.0
        api_server.start()
        words = until(lambda: place.events("Warning").get("ApiServerAway", ""), "the Event", 120)
        assert "did not answer for" in words
        assert "see to the API server" in words
        _until_it_looks(place)
        assert patient.running
    finally:
        patient.end()
        operator.start()


def _until_it_looks(place: Place) -> None:
    """A Service that is deleted comes back: who looks after the system knows it."""
    place.kubectl("delete", "service", "demo-risk-manager")
    until(lambda: place.get("service", "demo-risk-manager"), "the Service again", 60)


def test_how_long_there_was_no_operator_is_told(place: Place, operator: OperatorProcess) -> None:
    """Killed, it hands nothing over: the next one says how long nobody worked, if its Lease was over by then."""
    place.apply()
    place.until_reconciled()
    made = _instant(place.system()["metadata"]["creationTimestamp"])
    until(lambda: _renewed(place) > made, "a renewal since", 60)
    operator.end(signal.SIGKILL)
    renewed = _renewed(place)
    until(lambda: datetime.now(UTC) > renewed + timedelta(seconds=14), "the end of the Lease")
    operator.start()
    assert "no operator worked for" in until(lambda: place.events("Warning").get("OperatorAway", ""), "the Event", 60)


def _renewed(place: Place) -> datetime:
    lease = ("get", "lease", "tradingmesh-operator", "-n", "default", "-o", "jsonpath={.spec.renewTime}")
    return _instant(place.server.kubectl(*lease).stdout)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
