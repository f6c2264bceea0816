"""The risk manager as a process: killed at any moment it keeps what it answered, and it obeys the command line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
import zmq
from typer.testing import CliRunner

from tradingmesh.adapters.zmq_messages import read
from tradingmesh.adapters.zmq_reports import BatchSender
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.cli.control import ask, register
from tradingmesh.contract import Channel, Component
from tradingmesh.core.errors import TradingMeshError
from tradingmesh.core.fills import BookedReport, ReportAnswer, ReportApplied
from tradingmesh.core.risk.reports import place_of
from tradingmesh.core.signal import Side
from tradingmesh.runtime.settings import Settings, load_manifest
from tradingmesh.testing.risk_desk import RiskDesk
from tradingmesh.wire.messages import BOOKED_REPORT, REPORT_ANSWERS, ControlRequest

pytestmark = pytest.mark.processes
ANSWER_MS = 30_000
FILLS = 60


class Process:
    """A risk manager in a folder of its own, and a fill processor's socket to it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = folder / "system.yaml"
        spec = {"symbols": ["IBM"], "endpoints": {"transport": "ipc"}, "broker": {"simulator": {"cash": "100000"}}}
        system = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "test"}}
        file.write_text(yaml.safe_dump(system | {"spec": spec}))
        settings = {"SYSTEM_FILE": file, "DATA_DIR": folder, "IPC_DIR": folder, "ADMIN_PORT": 0, "CONTROL_TOKEN": "x"}
        for name, value in settings.items():
            monkeypatch.setenv(f"TRADINGMESH_{name}", str(value))
        self._sockets = SocketFactory(Component.FILL_PROCESSOR, load_manifest(file).spec.endpoints, ipc_dir=folder)
        self.dealer = self._sockets.dealer(Channel.POSITIONS)
        self._sender = BatchSender("processor", "positions", 1)
        self._answers: list[ReportAnswer] = []
        self._log = (folder / "log").open("wb")
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        command = [sys.executable, "-m", "tradingmesh", "run", Component.RISK_MANAGER.value]
        self.popen = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=dict(os.environ))
        assert ask(Settings(), ControlRequest("status"), within_ms=ANSWER_MS).ok

    def kill(self, number: int) -> int:
        """Sends a signal, and waits for the end; returns the exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(30)

    def hand_in(self, booked: BookedReport) -> None:
        """Sends a report; waits until the link is there."""
        assert self.dealer.poll(ANSWER_MS, zmq.POLLOUT)
        frames = self._sender.frames(BOOKED_REPORT.kind, place_of(booked), [BOOKED_REPORT.encode(booked)], 0)
        self.dealer.send_multipart(frames)

    def answer(self) -> ReportApplied:
        """The next answer."""
        if not self._answers:
            assert self.dealer.poll(ANSWER_MS)
            self._answers += read(REPORT_ANSWERS, self.dealer.recv_multipart())[1]
        found = self._answers.pop(0)
        assert isinstance(found, ReportApplied)
        return found

    def close(self) -> None:
        self.popen.kill()
        self.popen.wait(30)
        self._sockets.close()
        self._log.close()


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    running = Process(tmp_path, monkeypatch)
    yield running
    running.close()


def _cli(*arguments: str) -> tuple[str, BaseException | None]:
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, arguments)
    return result.stdout, result.exception


def _status() -> dict[str, Any]:
    status: dict[str, Any] = json.loads(_cli("status", "--json")[0])
    return status


def test_killed_at_any_moment_it_books_each_fill_once(process: Process) -> None:
    """Kill -9 after some answers, with others on their way: what was answered is there, the rest comes again."""
    desk = RiskDesk()
    fills = [desk.filled(desk.signal("s", Side.BUY, "1"), "1", "100", "0.01", ours=False) for _ in range(FILLS)]
    answered = 0
    for answers_before_kill in (5, 11):
        for booked in fills:
            process.hand_in(booked)
        for _ in range(answers_before_kill):
            answered = max(answered, process.answer().symbol_sequence)
        process.kill(signal.SIGKILL)
        while process.dealer.poll(0):
            answered = max(answered, process.answer().symbol_sequence)
        process.start()
        assert int(_status()["positions"][0]["quantity"]) >= answered
    seen: dict[int, ReportApplied] = {}
    for booked in fills:
        process.hand_in(booked)
    while len(seen) < FILLS:
        found = process.answer()
        seen[found.symbol_sequence] = found
    status = _status()
    assert status["cash"] == "93999.4"
    assert (status["positions"][0]["quantity"], status["realised"]) == ("60", "-0.6")
    assert process.kill(signal.SIGTERM) == 0


def test_the_command_line_commands_it(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command, in turn; a wrong token is told so, and a mesh that does not run too."""
    assert "trading   Active (manifest Active, switch Active)" in _cli("status")[0]
    assert _cli("halt", "--reason", "drill")[0].startswith("trading is Halted (manifest Active, switch Halted)")
    assert _status()["trading"] == "Halted"
    assert _cli("reduce")[0].startswith("trading is Reducing")
    assert "flatten" not in _cli("status")[0]
    assert "neither a position in 'IMB'" in str(_cli("flatten", "--symbol", "IMB")[1])
    assert "; flatten 1 closes every position" in _cli("flatten", "--reason", "drill")[0]
    assert "flatten   " in _cli("status")[0]
    assert _cli("resume")[0].startswith("trading is Active")
    assert str(_cli("reset-breaker")[1]) == "the circuit breaker is Closed: there is nothing to reset"
    monkeypatch.setenv("TRADINGMESH_CONTROL_TOKEN", "y")
    assert "the token is wrong" in str(_cli("halt")[1])
    process.kill(signal.SIGTERM)
    with pytest.raises(TradingMeshError, match=r"no answer from the risk manager at ipc://.* within 50 ms"):
        ask(Settings(), ControlRequest("status"), within_ms=50)


def test_a_damaged_journal_stops_the_start(process: Process, tmp_path: Path) -> None:
    """One line that names the file; nothing is decided on half a ledger."""
    process.kill(signal.SIGTERM)
    (journal,) = tmp_path.rglob("risk.journal")
    journal.with_name("risk.journal-wal").unlink()  # of which SQLite would make it whole again
    journal.write_bytes(b"damaged" * 1_000)
    command = [sys.executable, "-m", "tradingmesh", "run", Component.RISK_MANAGER.value]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "risk.journal: cannot open the journal" in done.stderr.splitlines()[-1]
