"""A broker that acts on an order and loses the answer: no order twice, none forgotten. Its own account is the truth."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.contract import Component
from tradingmesh.core.fills import Fill, OrderClosed, Report
from tradingmesh.runtime.settings import load_manifest
from tradingmesh.testing.execution_peers import ExecutionPeers

pytestmark = pytest.mark.processes
LOST, LOST_SHORT = 1_000, 60
AT_ONCE = 20
READ_TIMEOUT_S = 0.4
SYMBOLS = ("IBM", "BAC", "KO")
IMPATIENT = f"""
from tradingmesh.adapters import alpaca_trading
alpaca_trading.READ_TIMEOUT_S = {READ_TIMEOUT_S}
"""


class Desk:
    """The engine's peers, played by the test: every signal is approved, every report kept once and acknowledged."""

    def __init__(self, mesh: Any) -> None:
        self.mesh = mesh
        mesh.plan()
        endpoints = load_manifest(mesh.system_file).spec.endpoints
        parts = (Component.SIGNAL_GENERATOR, Component.RISK_MANAGER, Component.FILL_PROCESSOR)
        self._sockets = [SocketFactory(part, endpoints) for part in parts]
        generator, risk, processor = self._sockets
        self.peers = ExecutionPeers(generator, risk, processor, mesh.wait)
        self.reports: dict[tuple[str, int], Report] = {}

    def send(self, number: int, valid_s: float) -> None:
        """One signal to the engine. Where it is refused up front, nobody is asked."""
        self.peers.signal(number, symbol=SYMBOLS[number % len(SYMBOLS)], quantity=1, valid_s=valid_s)
        self.answer()

    def answer(self) -> None:
        """Answers what is asked, takes what is reported."""
        if self.peers.risk.poll(5):
            self.peers.answer(self.peers.request())
        while self.peers.reports_wait:
            report = self.peers.report()
            self.reports[report.body.symbol, report.symbol_sequence] = report
            self.peers.ack(report)

    def wait(self, condition: Callable[[], object]) -> None:
        """Goes on answering until the condition holds."""

        def holds() -> object:
            self.answer()
            return condition()

        self.mesh.wait(holds, deadline_s=60.0)

    def closed(self) -> Counter[str]:
        """How often the end of each reservation was reported."""
        return Counter(r.reservation_id for r in self.reports.values() if isinstance(r.body, OrderClosed))

    def has_closed(self, count: int) -> bool:
        """Whether the end of so many reservations was reported."""
        return len(self.closed()) >= count

    def filled(self) -> Counter[str]:
        """How often each execution of the broker was reported."""
        return Counter(report.body.fill_id for report in self.reports.values() if isinstance(report.body, Fill))

    def inject(self, *faults: dict[str, Any], seed: int = 7) -> None:
        """Puts these faults in force, and no others."""
        put = self.mesh.broker("PUT", "/simulator/faults", {"seed": seed, "inject": list(faults)})
        assert "struck" in put, put

    def placed(self) -> list[dict[str, Any]]:
        """Every order that the broker ever took, by its own account."""
        orders: list[dict[str, Any]] = []
        while True:
            after = f"&after_order_id={orders[-1]['id']}" if orders else ""
            page = self.mesh.broker("GET", f"/v2/orders?status=all&direction=asc&limit=500{after}")
            orders += page
            if len(page) < 500:
                return orders

    def close(self) -> None:
        """Goes away."""
        self.peers.close()
        for sockets in self._sockets:
            sockets.close()


@pytest.fixture
def desk(mesh: Any) -> Iterator[Desk]:
    mesh.spec["broker"]["retry"] = {"initial": "10ms", "max": "100ms"}
    mesh.spec["broker"]["apiCircuitBreaker"] = {"failureThreshold": 10, "recoveryTimeout": "300ms"}
    mesh.prelude["execution-engine"] = IMPATIENT
    made = Desk(mesh)
    mesh.start("alpaca-simulator", "execution-engine")
    mesh.play()
    yield made
    made.close()


def _losses() -> tuple[dict[str, Any], ...]:
    """Acted on and not told, in every way; on its way for so long that it is not there yet when it is looked up."""
    post = {"where": "rest", "requests": "POST /v2/orders"}
    late = {"min": f"{int(READ_TIMEOUT_S * 1_500)}ms", "max": f"{int(READ_TIMEOUT_S * 3_000)}ms"}
    look_up = {"where": "rest", "requests": "GET /v2/orders:by_client_order_id"}
    return (
        {**post, "what": "error", "code": 504, "acted": True, "rate": "0.4"},
        {**post, "what": "reset", "acted": True, "rate": "0.6"},
        {**post, "what": "delay", "acted": True, "rate": "0.05", **late},
        {**post, "what": "delay", "rate": "0.05", **late},
        {**post, "what": "error", "code": 503, "rate": "0.05"},
        {**look_up, "what": "error", "code": 500, "rate": "0.05"},
    )


def _check_no_doubles(desk: Desk, signals: int) -> None:
    per_signal = Counter(order["client_order_id"].rpartition("-e")[0] for order in desk.placed())
    assert max(per_signal.values(), default=1) == 1, "a signal has two orders"
    assert set(per_signal) <= {f"tm-s-{number}" for number in range(signals)}


def _send_until(desk: Desk, lost: int) -> int:
    """Sends signals, few at a time, until so many answers to orders acted on were lost. Returns how many signals."""
    sent, struck = 0, 0
    while struck < lost:
        for _ in range(AT_ONCE):
            desk.send(sent, valid_s=desk.mesh.chance.choice([0.3, 20.0, 20.0]))
            sent += 1
        _check_no_doubles(desk, sent)
        desk.wait(partial(desk.has_closed, sent - AT_ONCE))
        struck = sum(desk.mesh.broker("GET", "/simulator/faults")["struck"][:3])
    return sent


@pytest.mark.timeout(600)
def test_lost_answers_double_no_order_and_lose_none(desk: Desk, seed: int, full: bool) -> None:  # noqa: FBT001 - a fixture
    """Acted on, answer lost: no signal has two orders, each fill is reported once, each reservation ends once."""
    desk.inject(*_losses(), seed=seed)
    signals = _send_until(desk, LOST if full else LOST_SHORT)
    _check_no_doubles(desk, signals)
    desk.wait(partial(desk.has_closed, signals))
    _check_no_doubles(desk, signals)
    assert len(desk.placed()) > signals / 4, "hardly an order got through: nothing was tried"
    fills = desk.mesh.state()["fills"]
    desk.wait(lambda: set(desk.filled()) >= {fill["execution_id"] for fill in fills})
    assert desk.filled() == Counter({fill["execution_id"]: 1 for fill in fills})
    assert {fill.client_order_id for fill in _fills(desk)} == {fill["client_order_id"] for fill in fills}
    assert desk.closed() == Counter({f"r-{number}": 1 for number in range(signals)})


def _fills(desk: Desk) -> list[Fill]:
    return [report.body for report in desk.reports.values() if isinstance(report.body, Fill)]


def test_broker_away_and_back(desk: Desk) -> None:
    """It answers 503: orders are refused up front, none is left in doubt, `/readyz` says why; then all goes on."""
    mesh = desk.mesh
    desk.inject({"where": "rest", "what": "error", "code": 503})
    desk.send(1, valid_s=20.0)
    desk.wait(lambda: any("breaker" in reason for reason in mesh.reasons("execution-engine")))
    gauge = mesh.config("execution-engine")["metrics"]["gauges"]["broker_api_breaker"]
    assert set(gauge.values()) <= {1, 2}
    asked = mesh.counter("execution-engine", "broker_calls", "call=place,outcome=lost")
    desk.peers.signal(2)
    desk.wait(lambda: "r-2" in desk.closed())
    assert not desk.peers.risk.poll(0), "an order that cannot go out needs no approval"
    assert mesh.counter("execution-engine", "broker_calls", "call=place,outcome=lost") == asked
    desk.inject()
    mesh.wait(lambda: mesh.ready("execution-engine"))
    desk.send(3, valid_s=20.0)
    desk.wait(lambda: "r-3" in desk.closed())
    assert [order["client_order_id"].rpartition("-e")[0] for order in desk.placed()] == ["tm-s-3"]
    assert mesh.counter("execution-engine", "broker_api_breaker_trips") >= 1
