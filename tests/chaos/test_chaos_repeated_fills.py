"""Every fill ten times, in any order, by several hands, partials between each other: at the real risk manager."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import zmq

from tradingmesh.adapters.zmq_messages import read
from tradingmesh.adapters.zmq_reports import BATCH_MAX, BatchSender
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.contract import Channel, Component
from tradingmesh.core.fills import BookedReport, ReportApplied
from tradingmesh.core.place import Place
from tradingmesh.core.risk.reports import place_of
from tradingmesh.core.signal import Side
from tradingmesh.runtime.settings import load_manifest
from tradingmesh.testing.risk_desk import RiskDesk
from tradingmesh.wire.messages import BOOKED_REPORT, REPORT_ANSWERS

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]
SYMBOLS = ("IBM", "BAC", "KO")
FILLS, FILLS_FULL = 600, 20_000
TIMES = 10
TRADED, TRADED_FULL = 300, 5_000
NEAR = 2_000
"""So far from its place a report is handed in at most; the risk manager holds 10,000 that came early."""
ANSWER_MS = 10_000
SETTLE_S = 60.0
_TEN_TIMES = """
import random
from tradingmesh.fill_processor.main import FillProcessor

chance, held, hand_in = random.Random({seed}), [], FillProcessor._hand_in

def ten_times(self, *handed):
    held.extend([handed] * {times})
    for _ in range({times}):
        hand_in(self, *held.pop(chance.randrange(len(held))))

FillProcessor._hand_in = ten_times
"""
"""Hands each batch in ten times, in any order. What is held back at the end comes out with what is sent again."""


class Hands:
    """Three fill processors' sockets: they hand in what they are given, and note what comes back."""

    def __init__(self, mesh: Any) -> None:
        endpoints = load_manifest(mesh.system_file).spec.endpoints
        self.factory = SocketFactory(Component.FILL_PROCESSOR, endpoints)
        self.sockets = [self.factory.dealer(Channel.POSITIONS) for _ in range(3)]
        self._sender = BatchSender("hands", "positions", 1)
        self.applied: dict[Place, int] = {}

    def hand_in(self, socket: zmq.Socket[bytes], reports: list[BookedReport]) -> None:
        """Some reports that follow each other, in one message."""
        assert socket.poll(ANSWER_MS, zmq.POLLOUT)
        payloads = [BOOKED_REPORT.encode(report) for report in reports]
        socket.send_multipart(self._sender.frames(BOOKED_REPORT.kind, place_of(reports[0]), payloads, 1))
        self.heard()

    def heard(self) -> int:
        """How many reports were answered so far."""
        for socket in self.sockets:
            while socket.poll(0):
                for answer in read(REPORT_ANSWERS, socket.recv_multipart())[1]:
                    assert isinstance(answer, ReportApplied), answer
                    place = Place(answer.outbox_epoch, answer.symbol, answer.symbol_sequence)
                    self.applied[place] = self.applied.get(place, 0) + (not answer.duplicate)
        return len(self.applied)


@pytest.fixture
def hands(mesh: Any) -> Iterator[Hands]:
    """A risk manager, and nobody else."""
    mesh.start("risk-manager")
    made = Hands(mesh)
    yield made
    made.factory.close()


def story(chance: random.Random, count: int) -> tuple[RiskDesk, list[BookedReport]]:
    """Partial fills of nine orders at a time, mixed; and a desk that booked each once, in order."""
    desk = RiskDesk(cash=Decimal(900_000_000_000))
    reports = []
    for number in range(count):
        side = Side.BUY if chance.random() < 0.5 else Side.SELL
        signal = desk.signal(f"o{number // 27}-{chance.randrange(9)}", side, "1", chance.choice(SYMBOLS))
        price = Decimal(chance.randint(1_000, 20_000)) / 100
        report = desk.filled(signal, str(chance.randint(1, 300)), str(price), "0.0035", ours=False)
        desk.apply(report)
        reports.append(report)
    return desk, reports


def in_disorder(reports: list[BookedReport], chance: random.Random) -> list[list[BookedReport]]:
    """Each ten times, near its place but in no order; some travel together as they would."""
    came = [(index + chance.uniform(0, NEAR), index) for index in range(len(reports)) for _ in range(TIMES)]
    lines = {symbol: [r for r in reports if r.report.body.symbol == symbol] for symbol in SYMBOLS}
    batches = []
    for _, index in sorted(came):
        line = lines[reports[index].report.body.symbol]
        start = reports[index].report.symbol_sequence - 1
        batches.append(line[start : start + (chance.randint(2, BATCH_MAX) if chance.random() < 0.02 else 1)])
    return batches


def test_ten_times_in_disorder(mesh: Any, hands: Hands, *, full: bool) -> None:
    """Cash, positions and profits as if each had come once, in order; each was answered as new once."""
    desk, reports = story(mesh.chance, FILLS_FULL if full else FILLS)
    for batch in in_disorder(reports, mesh.chance):
        hands.hand_in(mesh.chance.choice(hands.sockets), batch)
    mesh.wait(lambda: hands.heard() == len(reports))
    assert set(hands.applied.values()) == {1}
    mesh.wait(lambda: mesh.booked() == len(reports))
    ledger, status = desk.core.state.ledger, mesh.status("risk-manager")
    assert Decimal(status["cash"]) == ledger.cash
    figures = ("quantity", "cost", "realised")
    held = {told["symbol"]: tuple(Decimal(told[name]) for name in figures) for told in status["positions"]}
    assert held == {p.symbol: (p.quantity, p.cost, p.realised) for p in ledger.positions()}


def test_ten_times_in_disorder_and_the_broker_agrees(mesh: Any, *, full: bool) -> None:
    """The same with every process there, and partial fills of three orders at a time: judged by the broker's account.

    Shown to fail: with a risk manager that knows no repetition (`took`, `knows_fill`), none is answered as one.
    """
    mesh.spec["fillProcessors"] = {"replicas": 3}
    for number in range(1, 4):
        seed = mesh.chance.randrange(1 << 32)
        mesh.prelude[f"fill-processor-{number}"] = _TEN_TIMES.format(seed=seed, times=TIMES)
    mesh.start("alpaca-simulator", "risk-manager", "execution-engine", "fill-processor")
    mesh.play()
    mesh.trade(TRADED_FULL if full else TRADED)
    mesh.settle(SETTLE_S)
    repeated = sum(mesh.counter(f"fill-processor-{number}", "reports_repeated") for number in range(1, 4))
    assert repeated > TIMES // 2 * mesh.booked()
    assert mesh.audit().differences == ()
