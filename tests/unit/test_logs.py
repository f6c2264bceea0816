"""The logs: JSON a line, sparing with what repeats, and with the trace id of each order and signal."""

import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from tradingmesh.core.bus import EventBus
from tradingmesh.core.checks import Check
from tradingmesh.core.events import ComponentStarted, EventMetadata, OrderPlaced, SignalRejected, SystemEvent
from tradingmesh.core.signal import Side, Signal
from tradingmesh.runtime.events import EventLog
from tradingmesh.telemetry import logs

ABOUT = EventMetadata("e-1", 1, "execution-engine", "ab" * 16)


def test_a_line_is_one_json_object() -> None:
    """On standard error, with component and instance; a library's warnings look the same."""
    program = (
        "import logging; from tradingmesh.telemetry.logs import configure\n"
        "log = configure('INFO', component='c', instance='c-1')\n"
        "log.debug('unsaid'); log.info('hello', trace_id='t'); logging.getLogger('lib').warning('odd')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    ours, theirs = (json.loads(line) for line in ended.stderr.splitlines())
    assert (ours["event"], ours["level"], ours["component"], ours["trace_id"]) == ("hello", "info", "c", "t")
    assert (theirs["event"], theirs["logger"], theirs["instance"]) == ("odd", "lib", "c-1")


def test_lines_alike_are_limited_and_what_is_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty of an event in a second; other events have their own twenty."""
    now_s = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    sparing = logs._Sparing()

    def written(event: str) -> dict[str, Any] | None:
        try:
            return dict(sparing(None, "warning", {"event": event}))
        except structlog.DropEvent:
            return None

    assert sum(written("noise") is not None for _ in range(50)) == logs.ALIKE_PER_S
    assert written("other") == {"event": "other"}
    now_s[0] += 1
    assert written("noise") == {"event": "noise", "left_out": 30}
    assert written("noise") == {"event": "noise"}


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            OrderPlaced(
                metadata=ABOUT, client_order_id="c", order_id="o", symbol="IBM", side=Side.BUY, quantity=Decimal(5)
            ),
            {"event": "OrderPlaced", "client_order_id": "c", "quantity": "5"},
        ),
        (
            SignalRejected(
                metadata=ABOUT,
                signal=Signal("s", "m", "IBM", Side.BUY, Decimal(1), Decimal(100), 1, 2),
                check=Check.DUPLICATE,
                reason="why",
            ),
            {"event": "SignalRejected", "check": "duplicate", "reason": "why"},
        ),
    ],
)
def test_orders_and_signals_are_logged_with_their_trace(event: SystemEvent, told: dict[str, str]) -> None:
    """Each once, with its figures; other events are not logged here."""
    bus = EventBus()
    with capture_logs() as lines:
        events = EventLog(bus, structlog.get_logger())
        bus.publish(ComponentStarted(metadata=ABOUT, instance="i", version="1"))
        bus.publish(event)
        events.write()
        events.write()
    (line,) = lines
    assert line["trace_id"] == "ab" * 16
    assert told.items() <= line.items()
    json.dumps(line)
