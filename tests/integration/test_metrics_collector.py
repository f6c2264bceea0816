"""The metrics-collector over real sockets: it counts what others tell, and lives on whatever they send."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from tests.unit.page_told import filled
from tradingmesh.adapters.zmq_messages import Sender
from tradingmesh.adapters.zmq_trading_state import TradingStatePublisher
from tradingmesh.contract import Channel, Component, TradingState
from tradingmesh.core.checks import Check
from tradingmesh.core.events import (
    BrokerReconciled,
    CircuitBreakerTripped,
    ComponentError,
    EngineFenced,
    EventMetadata,
    PositionClosed,
    PositionUpdated,
    SignalRejected,
    SystemEvent,
)
from tradingmesh.core.fills import Position
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.signal import Side, Signal
from tradingmesh.core.trading_status import TradingStatus, Withdraw
from tradingmesh.metrics_collector.main import build
from tradingmesh.runtime.component import Context
from tradingmesh.wire.messages import SYSTEM_EVENT

ABOUT = EventMetadata("e-1", 1, "risk-manager", "ab" * 16)
SIGNAL = Signal("s", "m", "IBM", Side.BUY, Decimal(1), Decimal(100), 1, 2)


class Mesh:
    """A collector, and a component that tells it things, turned in this thread."""

    def __init__(self, make_context: Callable[..., Context], until: Callable[..., None]) -> None:
        self.context = make_context(Component.METRICS_COLLECTOR, {})
        self.service = build(self.context)
        risk = make_context(Component.RISK_MANAGER, {})
        self.outlet = risk.sockets.pub(Channel.EVENTS)
        self.state = TradingStatePublisher(risk.sockets.pub(Channel.TRADING_STATE), "risk", 7, risk.clock.now_ns)
        self._sender = Sender(SYSTEM_EVENT, "risk-manager", 7)
        self._until = until
        # A PUB socket drops what it sends before the collector's subscription reached it.
        until(self._joined, self.context.loop)

    def tell(self, event: SystemEvent) -> None:
        self.outlet.send_multipart(self._sender.frames(event, 1))

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, self.context.loop)

    def hears(self, count: int, metric: str, **labels: str) -> None:
        counter = self.context.metrics.counter(metric, **labels)
        self._until(lambda: counter.value >= count, self.context.loop)

    def heard_after(self, count: float) -> Callable[[], bool]:
        """Repeats the trading state until it was heard more than `count` times."""
        heard = self.context.metrics.counter("messages_received", channel="trading-state")

        def repeated() -> bool:
            self.state.repeat()
            return heard.value > count

        return repeated

    def metrics(self) -> str:
        return generate_latest(self.context.metrics.registry).decode()

    def _joined(self) -> bool:
        self.tell(CircuitBreakerTripped(metadata=ABOUT, reason="hello"))
        return bool(self.context.metrics.counter("system_events", **_labels("CircuitBreakerTripped")).value)


def _status(**changed: Any) -> TradingStatus:
    active = TradingState.ACTIVE
    said = TradingStatus(active, active, active, BreakerState.CLOSED, "", 0, False, "", Withdraw.NONE)  # noqa: FBT003
    return msgspec.structs.replace(said, **changed)


def _labels(name: str) -> dict[str, str]:
    return {"type": name, "source": "risk-manager"}


@pytest.fixture
def mesh(make_context: Callable[..., Context], until: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Mesh:
    """However slow this machine is, nobody is silent but where the test says so."""
    monkeypatch.setattr("tradingmesh.metrics_collector.trading_state.SILENT_AFTER_NS", 10**15)
    return Mesh(make_context, until)


def test_events_are_counted_by_kind_and_source(mesh: Mesh) -> None:
    """As they come."""
    mesh.tell(SignalRejected(metadata=ABOUT, signal=SIGNAL, check=Check.DUPLICATE, reason="duplicate: twice"))
    mesh.hears(1, "system_events", **_labels("SignalRejected"))


def test_alerts_are_logged_with_their_trace(mesh: Mesh) -> None:
    """A tripped breaker is a warning that names who told it, and why."""
    with capture_logs() as lines:
        mesh.tell(CircuitBreakerTripped(metadata=ABOUT, reason="lost 5001"))
        mesh.run_until(lambda: any(line.get("reason") == "lost 5001" for line in lines))
    (line,) = [line for line in lines if line.get("reason") == "lost 5001"]
    assert (line["log_level"], line["source"], line["trace_id"]) == ("warning", "risk-manager", "ab" * 16)


def _alerts(mesh: Mesh) -> dict[str, float]:
    counted = mesh.context.metrics.snapshot()["counters"]["alerts"]
    return {kind: count for kind, count in counted.items() if count}


def test_each_trip_and_each_halt_is_one_alert(mesh: Mesh) -> None:
    """However often the state is repeated; the gauges show it as it is."""
    for status, gauges in (
        (_status(), (0, 0)),
        (_status(breaker=BreakerState.OPEN, breaker_since_ns=5), (0, 2)),
        (_status(breaker=BreakerState.HALF_OPEN, breaker_since_ns=6), (0, 1)),
        (_status(breaker=BreakerState.OPEN, breaker_since_ns=7, trading=TradingState.HALTED), (2, 2)),
    ):
        mesh.state.tell(status)
        for _ in range(2):
            heard = mesh.context.metrics.counter("messages_received", channel="trading-state").value
            mesh.run_until(mesh.heard_after(heard))
        shown = mesh.context.metrics.snapshot()["gauges"]
        assert (shown["trading_state"][""], shown["breaker_state"][""]) == gauges
    assert _alerts(mesh) == {"kind=breaker-open": 2, "kind=trading-halted": 1}


def test_a_silent_risk_manager_is_an_alert(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once per silence; what it said last is not shown as known any more."""
    mesh.state.tell(_status())
    mesh.run_until(mesh.heard_after(0))
    monkeypatch.setattr("tradingmesh.metrics_collector.trading_state.SILENT_AFTER_NS", 1)
    mesh.run_until(lambda: _alerts(mesh))
    mesh.run_until(lambda: mesh.context.metrics.snapshot()["gauges"]["trading_state"][""] == -1)
    assert _alerts(mesh) == {"kind=risk-manager-silent": 1}


def test_a_components_trouble_is_an_alert(mesh: Mesh) -> None:
    """Counted by kind, for an alert rule to watch."""
    mesh.tell(ComponentError(metadata=ABOUT, instance="risk-manager", error="disk full"))
    mesh.run_until(lambda: _alerts(mesh) == {"kind=component-error": 1})


def test_a_broker_that_differs_is_an_alert(mesh: Mesh) -> None:
    """A position that was not booked, an order that it does not know; not a missed fill that is booked by now."""
    for found in ({"differences": ("position IBM",)}, {"missing": 1}, {"missed_fill": 3}, {"unreadable": 1}):
        numbers = dict.fromkeys(("missed_fill", "adopted", "missing", "short", "unreadable", "duration_ms"), 0)
        told: dict[str, Any] = {**numbers, "in_sync": True, "differences": (), **found}
        mesh.tell(BrokerReconciled(metadata=ABOUT, **told))
    mesh.tell(EngineFenced(metadata=ABOUT, instance="execution-engine", reason="another has taken over"))
    mesh.run_until(lambda: _alerts(mesh) == {"kind=broker-differs": 3, "kind=engine-fenced": 1})


def test_positions_are_as_last_told(mesh: Mesh) -> None:
    """Closed is zero."""
    mesh.tell(PositionUpdated(metadata=ABOUT, position=Position("IBM", Decimal(-7), Decimal(1), Decimal(0))))
    mesh.hears(1, "system_events", **_labels("PositionUpdated"))
    assert 'tradingmesh_position_quantity{component="metrics-collector",symbol="IBM"} -7.0' in mesh.metrics()
    mesh.tell(PositionClosed(metadata=ABOUT, symbol="IBM", realised=Decimal(3)))
    mesh.hears(1, "system_events", **_labels("PositionClosed"))
    assert mesh.service.status()["positions"] == {"IBM": "0"}


def test_series_are_bounded(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever events say of their source and of symbols: the rest is one series, and is counted."""
    monkeypatch.setattr("tradingmesh.metrics_collector.main.SYMBOLS_MAX", 3)
    for number in range(5):
        about = EventMetadata("e", 1, f"source-{number}", "")
        position = Position(f"S{number}", Decimal(number), Decimal(1), Decimal(0))
        mesh.tell(PositionUpdated(metadata=about, position=position))
        mesh.tell(filled("a", "1", symbol=f"S{number}"))
    mesh.hears(5, "system_events", type="PositionUpdated", source="other")
    mesh.hears(4, "fills_booked", symbol="other")
    mesh.hears(8, "symbols_left_out")
    assert mesh.service.status()["positions"] == {"S0": "0"}
    assert "source-" not in mesh.metrics()
    assert 'symbol="S1"' not in mesh.metrics()


@pytest.mark.parametrize("quantity", ["NaN", "sNaN", "Infinity"])
def test_a_position_that_is_no_number_is_left_out(mesh: Mesh, quantity: str) -> None:
    """It would break `/metrics` for as long as the collector runs."""
    mesh.tell(PositionUpdated(metadata=ABOUT, position=Position("IBM", Decimal(quantity), Decimal(1), Decimal(0))))
    mesh.hears(1, "messages_malformed", channel="events")
    assert mesh.service.status()["positions"] == {}
    assert "tradingmesh_position_quantity" not in mesh.metrics()


def test_bytes_that_are_no_event_are_counted(mesh: Mesh) -> None:
    """Wrong frame counts, random bytes, an unknown version: the next event is heard."""
    for frames in ([b""], [b"x" * 72, b"y"], [b"a", b"b", b"c"], [b"\x09" + bytes(71), b"z"]):
        mesh.outlet.send_multipart(frames)
    mesh.hears(4, "messages_malformed", channel="events")
    mesh.tell(PositionClosed(metadata=ABOUT, symbol="BAC", realised=Decimal(0)))
    mesh.hears(1, "system_events", **_labels("PositionClosed"))
