"""Admin HTTP over a real port: metrics, health, readiness, configuration, and what is none of these."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.admin import HUNG_AFTER_S, Admin
from tradingmesh.telemetry.metrics import Metrics

HOST = "127.0.0.1"


class Served:
    """An admin server whose answers the test decides."""

    def __init__(self) -> None:
        self.metrics = Metrics(component="signal-generator")
        self.last_turn_s = time.monotonic()
        self.problems: list[str] = []
        self.config: dict[str, Any] = {"generation": 3}
        self.admin = Admin(
            self.metrics.registry,
            last_turn_s=lambda: self.last_turn_s,
            not_ready=lambda: self.problems,
            config=lambda: self.config,
        )
        self.port = self.admin.start(HOST, 0)

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.admin.close()


def test_metrics_can_be_scraped(served: Served) -> None:
    """In Prometheus's text format, each scrape as things are then."""
    counter = served.metrics.counter("signals")
    for expected in (1.0, 2.0):
        counter.inc()
        status, text = served.get("/metrics")
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert status == 200
        [sample] = families["tradingmesh_signals"].samples
        assert (sample.value, sample.labels) == (expected, {"component": "signal-generator"})


def test_health_is_the_work_loops(served: Served) -> None:
    """200 while the loop turns; 503 once it has not for `HUNG_AFTER_S`, with the age; 200 again when it does."""
    assert served.get("/healthz")[0] == 200
    served.last_turn_s -= HUNG_AFTER_S + 1
    status, body = served.get("/healthz")
    assert status == 503
    assert json.loads(body)["last_turn_age_s"] > HUNG_AFTER_S
    served.last_turn_s = time.monotonic()
    assert served.get("/healthz")[0] == 200


def test_readiness_says_why_not(served: Served) -> None:
    """503 with every reason, 200 without any."""
    served.problems = ["market data stream: keys refused"]
    status, body = served.get("/readyz")
    assert (status, json.loads(body)) == (503, {"ready": False, "reasons": ["market data stream: keys refused"]})
    served.problems = []
    status, body = served.get("/readyz")
    assert (status, json.loads(body)) == (200, {"ready": True, "reasons": []})


def test_configuration_is_json_whatever_is_in_it(served: Served) -> None:
    """Also values that JSON does not know are shown, as text."""
    served.config = {"generation": 3, "path": ValueError("odd")}
    status, body = served.get("/configz")
    assert (status, json.loads(body)) == (200, {"generation": 3, "path": "odd"})


@pytest.mark.parametrize("path", ["/", "/metrics/", "/config", "/../etc/passwd", "/%00"])
def test_other_paths_are_none(served: Served, path: str) -> None:
    """404, naming the four that there are."""
    status, body = served.get(path)
    assert status == 404
    assert body == "/metrics /healthz /readyz /configz\n"


def test_a_failing_answer_ends_only_itself(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    """An exception in one answer is a 500, and the next one is given."""

    def fail() -> list[str]:
        raise RuntimeError("broken")

    served.admin._not_ready = fail
    assert served.get("/readyz")[0] == 500
    assert served.get("/healthz")[0] == 200
    assert "broken" in capfd.readouterr().err


def test_a_slow_client_holds_up_nobody(served: Served) -> None:
    """One connection that sends nothing, and another is answered."""
    with socket.create_connection((HOST, served.port)):
        assert served.get("/healthz")[0] == 200


def test_garbage_is_survived(served: Served) -> None:
    """Bytes that are no HTTP get an error or a hang-up; the server goes on."""
    with socket.create_connection((HOST, served.port), timeout=5) as stranger:
        stranger.sendall(b"\x00\xff" * 100 + b"\r\n\r\n")
        stranger.recv(1_000)
    assert served.get("/healthz")[0] == 200


def test_a_taken_port_is_told(served: Served) -> None:
    """Which port, who has it, and which setting chooses another."""
    other = Admin(served.metrics.registry, last_turn_s=lambda: 0.0, not_ready=list, config=dict)
    with pytest.raises(ConfigError, match=rf"admin port {served.port} .* by .*TRADINGMESH_ADMIN_PORT"):
        other.start(HOST, served.port)


def test_a_closed_server_listens_no_more(served: Served) -> None:
    """Its port is free for the next."""
    served.admin.close()
    with pytest.raises(ConnectionRefusedError):
        served.get("/healthz")
