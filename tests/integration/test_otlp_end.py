"""The end of a tracer: what is left is sent, and an endpoint that does not answer holds nobody up."""

import socket
import time

import pytest

from tests.operator.otlp_receiver import OtlpReceiver
from tradingmesh.core.ids import MessageIds
from tradingmesh.core.spans import TICK
from tradingmesh.telemetry.otlp import CLOSE_WITHIN_S, OtlpTracer

SPANS = 2_000
NOW_NS = 1_700_000_000_000_000_000


def traced(endpoint: str) -> OtlpTracer:
    """One that has recorded more than goes into one request."""
    tracer, ids = OtlpTracer(endpoint, "risk-manager", "risk-manager", 1), MessageIds("feed", 1)
    for number in range(SPANS):
        tracer.record(TICK, ids.take(), NOW_NS + number, NOW_NS + number + 1)
    return tracer


def test_what_is_left_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last spans are those of how it ended. However slow this machine is, it is given the time."""
    monkeypatch.setattr("tradingmesh.telemetry.otlp.CLOSE_WITHIN_S", 30.0)
    with OtlpReceiver() as receiver:
        traced(receiver.url).close()
        assert len(receiver.spans) == SPANS


def test_an_endpoint_that_does_not_answer_is_not_waited_for() -> None:
    """It takes the connection and says nothing: each request would be waited for, and tried again."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        tracer = traced(f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        began_s = time.monotonic()
        tracer.close()
        assert time.monotonic() - began_s < CLOSE_WITHIN_S + 4.0
