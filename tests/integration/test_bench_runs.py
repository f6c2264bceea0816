"""Every benchmark in a short form: it measures what it says, beside its yardsticks. No time is asserted."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import zmq

from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.bench import c_libzmq, fills, peers, pubsub, replay, riskcheck, tick_to_order, wire
from tradingmesh.bench.figures import Report
from tradingmesh.bench.peers import BenchError, Peer, Pipe
from tradingmesh.contract import Channel


def checked(report: Report, name: str, *figures: str) -> None:
    """The report's shape: its name, figures that are numbers above 0, ratios where there is a yardstick."""
    assert (report.benchmark, report.rounds) == (name, 1)
    assert {row.figure for row in report.rows} == set(figures)
    for row in report.rows:
        assert row.value > 0
        if row.yardstick_value is None:
            assert row.ratio is None
            assert row.yardstick == "" or row.note
        else:
            assert row.ratio == row.value / row.yardstick_value
        assert (row.met is None) == (row.goal == "" or (row.ratio is None and row.goal.endswith("x")))


def test_wire() -> None:
    """The codec beside json and MessagePack, whole messages too, and batches."""
    report = wire.run(rounds=1, count=200)
    figures = ("trade, encode + decode", "header + trade, encode + decode", "batch of 10000 trades, decode")
    checked(report, "wire", *figures)
    assert [row.goal for row in report.rows if row.goal] == ["≥ 10 x", "≥ 5 M/s"]


def test_pubsub() -> None:
    """Every message of a few thousand arrives, here and in the yardsticks."""
    report = pubsub.run(rounds=1, count=3_000)
    checked(report, "pubsub", "messages received")
    assert [row.goal for row in report.rows if row.goal] == ["≥ 0.8 x", "≥ 100 K/s"]


def test_pubsub_counts_only_what_is_received() -> None:
    """A figure with messages missing is no figure."""
    with pytest.raises(BenchError, match="2999 of 3000 messages arrived, 1 were missed"):
        pubsub.between(pubsub.raw_publisher, _loses_one, 3_000)


def _loses_one(pipe: Pipe, port: int, count: int) -> None:
    pubsub.raw_subscriber(_Less(pipe), port, count)  # type: ignore[arg-type] # all of a pipe that is used


class _Less:
    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def send(self, told: tuple[int, int, int]) -> None:
        self._pipe.send((told[0] - 1, 1, told[2]))


def test_riskcheck() -> None:
    """Round trips to a real risk manager with every check passed."""
    report = riskcheck.run(rounds=1, count=50)
    checked(report, "riskcheck", "round trip, every check passed, p50", "inside the risk manager, p50")
    assert [row.goal for row in report.rows if row.goal] == ["≤ 1.4 x", "≤ 30 µs"]


def test_tick_to_order() -> None:
    """Ticks become orders over tcp and ipc in four processes of the real services."""
    report = tick_to_order.run(rounds=1, count=20)
    checked(report, "tick-to-order", "tick to order over tcp, p50", "tick to order over ipc, p50")
    assert [row.goal for row in report.rows if row.goal] == ["≤ 1.7 x", "≤ 542 µs"]


def test_fills(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every fill of a few hundred ends in the ledger; where nothing can be kept in memory, the yardstick says so."""
    monkeypatch.setattr(fills, "SHM", tmp_path / "absent")
    report = fills.run(rounds=1, count=300)
    checked(report, "fills", "fills, 2 processors, synced to disk")
    assert [row.goal for row in report.rows if row.goal] == ["≥ 5000 fills/s"]


def test_fills_count_only_when_each_is_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger with another number of fills gives no figure."""
    monkeypatch.setattr(fills, "_BOOKED_WITHIN_S", 0.0)
    chain = object.__new__(fills.Chain)
    chain._engine = SimpleNamespace(put=lambda _: None, get=lambda: (1, 0))  # type: ignore[assignment]
    chain._mesh = SimpleNamespace(status=lambda _: {"fills_booked": 49})  # type: ignore[assignment]
    chain._booked = chain.pushed_again = 0
    with pytest.raises(BenchError, match="the ledger has 49 fills of 50"):
        chain.per_s(50)


def test_replay(tmp_path: Path) -> None:
    """A generated tape where there is no shared one."""
    report = replay.run(rounds=1, generated_ms=20_000, shared=tmp_path / "absent")
    [row] = report.rows
    checked(report, "replay", row.figure)
    assert row.figure.endswith("trades, generated")
    assert row.goal == "≥ 250 K/s"


@pytest.mark.parametrize(
    ("sources", "path", "missing"),
    [
        ("absent", None, "no C sources: not run from a checkout"),
        (None, "", "no compiler"),
    ],
)
def test_what_the_c_yardstick_lacks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: str | None, path: str | None, missing: str
) -> None:
    """A row without it says why."""
    if sources is not None:
        monkeypatch.setattr(c_libzmq, "SOURCES", tmp_path / sources)
        compiler = tmp_path / "cc"
        compiler.touch(mode=0o755)
        path = str(tmp_path)
    monkeypatch.setenv("PATH", path or str(tmp_path / "empty"))
    assert c_libzmq.Program("echo", tmp_path).missing == missing


def test_missing_headers_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that does not find zmq.h."""
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'echo.c:1: fatal error: zmq.h: No such file' >&2\nexit 1\n", encoding="utf-8")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert c_libzmq.Program("echo", tmp_path).missing == "no libzmq headers (Debian: libzmq3-dev)"


def test_a_peer_that_ends_or_keeps_silent_is_told() -> None:
    """Neither lets a benchmark hang."""
    with Peer(_ends) as peer, pytest.raises(BenchError, match="_ends ended early"):
        peer.get()
    with Peer(_silent) as peer, pytest.raises(BenchError, match=r"_silent said nothing for 0\.2 s"):
        peer.get(timeout_s=0.2)


def _ends(_pipe: Pipe) -> None:
    pass


def _silent(pipe: Pipe) -> None:
    pipe.recv()


def test_peers_end_with_their_benchmark() -> None:
    """No process is left behind."""
    with Peer(_silent) as peer:
        process = peer._process
        assert process.is_alive()
    with pytest.raises(ValueError, match="closed"):
        process.is_alive()


def test_free_ports_differ() -> None:
    """And are free: the same many again can be had at once."""
    assert len(set(peers.free_ports(20))) == 20


def test_the_yardsticks_use_bare_sockets_and_the_subject_its_own() -> None:
    """What is compared is the mesh's sockets with pyzmq's, not one with itself."""
    factory = SocketFactory(None, pubsub.endpoints(peers.free_ports(1)[0]))
    assert type(factory.sub(Channel.MARKET_DATA)) is not zmq.Socket
    factory.close()
