"""The risk manager over real sockets, its journal on disk: feed, askers and fill processors are played by the test."""

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import zmq

from tests.integration.risk_manager_mesh import Mesh
from tradingmesh.adapters.zmq_messages import read
from tradingmesh.core.checks import Approved, Check, Refused, Stage
from tradingmesh.core.events import CircuitBreakerReset, CircuitBreakerTripped, LimitsChanged
from tradingmesh.core.fills import ReportApplied
from tradingmesh.core.market import Quote
from tradingmesh.core.signal import Side
from tradingmesh.runtime.component import Context
from tradingmesh.wire.header import FLAG_SNAPSHOT, HEADER, Kind, encode_header
from tradingmesh.wire.market import encode, topic_of
from tradingmesh.wire.messages import (
    CONTROL_RESPONSE,
    RISK_CHECK_RESPONSE,
)


@pytest.fixture
def mesh(make_context: Callable[..., Context], until: Callable[..., None], tmp_path: Path) -> Mesh:
    return Mesh(make_context, until, tmp_path)


def test_a_signal_is_reserved_and_its_order_confirmed(mesh: Mesh) -> None:
    """Both stages over REQ/REP, and the time it took is measured."""
    signal = mesh.signal("s1")
    assert isinstance(mesh.check(signal), Approved)
    assert isinstance(mesh.check(signal, Stage.ORDER), Approved)
    assert isinstance(mesh.check(mesh.signal("s2", "5000")), Refused)
    state = mesh.command("status").state
    assert (state["approved"], state["refused"]) == (2, {"order-quantity": 1})
    assert mesh.context.metrics.latency("risk-check").count == 3


def test_approvals_survive_a_restart(mesh: Mesh) -> None:
    """The order of a signal approved before is confirmed afterwards."""
    signal = mesh.signal("s1")
    mesh.check(signal)
    mesh.restart()
    assert isinstance(mesh.check(signal, Stage.ORDER), Approved)


_HEADER = encode_header(Kind.RISK_CHECK_REQUEST, 1, 1, 1, bytes(16))


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [os.urandom(200)],
        [os.urandom(HEADER.size), b"x"],
        [_HEADER, b"\xc1"],
        [_HEADER, os.urandom(500)],
        [_HEADER, b"", b""],
        [bytes([9]) + _HEADER[1:], b""],
        [encode_header(Kind.REPORT, 1, 1, 1, bytes(16)), b""],
    ],
)
def test_garbage_is_answered_and_counted(mesh: Mesh, frames: list[bytes]) -> None:
    """The asker is not left waiting, and the next request is served; a fill processor's garbage is dropped."""
    answer = read(RISK_CHECK_RESPONSE, mesh.frames(mesh.asker, *frames))[1]
    assert isinstance(answer.result, Refused)
    assert answer.result.check is Check.REQUEST
    assert not read(CONTROL_RESPONSE, mesh.frames(mesh.control, *frames))[1].ok
    mesh.processors[0].send_multipart(frames)
    mesh.hand_in(0, mesh.desk.filled(mesh.signal("s"), "1", "100", ours=False))
    assert len(mesh.answers(0, 1)) == 1
    assert isinstance(mesh.check(mesh.signal("s1")), Approved)
    malformed = mesh.context.metrics.snapshot()["counters"]["messages_malformed"]
    assert {name: malformed[f"channel={name}"] for name in ("risk-check", "control", "positions")} == {
        "risk-check": 1,
        "control": 1,
        "positions": 1,
    }


def test_reports_are_answered_to_who_handed_them_in(mesh: Mesh) -> None:
    """Two processors share one symbol's fills: the one ahead waits for the other, and each gets its own answers."""
    first, second = (mesh.desk.filled(mesh.signal("s"), "10", price, ours=False) for price in ("100", "101"))
    mesh.hand_in(1, second)
    mesh.run_until(lambda: mesh.service._core.state.reports.waiting_count)
    assert not mesh.processors[1].poll(0)
    mesh.hand_in(0, first)
    (one,), (two,) = mesh.answers(0, 1), mesh.answers(1, 1)
    assert [(answer.symbol_sequence, answer.cash) for answer in (one, two) if isinstance(answer, ReportApplied)] == [
        (1, Decimal(99_000)),
        (2, Decimal(97_990)),
    ]


def test_an_answer_means_on_disk(mesh: Mesh) -> None:
    """After a restart the position is there, and the report that comes again is a duplicate."""
    booked = mesh.desk.filled(mesh.signal("s"), "10", "100", "1.5", ours=False)
    mesh.hand_in(0, booked)
    (before,) = mesh.answers(0, 1)
    mesh.restart()
    mesh.hand_in(1, booked)
    (after,) = mesh.answers(1, 1)
    assert isinstance(before, ReportApplied)
    assert isinstance(after, ReportApplied)
    assert (before.duplicate, after.duplicate, after.cash) == (False, True, Decimal("98998.5"))
    assert after.after == before.after


def _is_gone(mesh: Mesh) -> bool:
    """Whether the risk manager's own socket knows that the asker has gone; until then it takes an answer for it."""
    desk = mesh.service._reports
    ((asker,),) = desk._waiting.values()
    try:
        desk._socket.send_multipart([asker, b""], zmq.NOBLOCK)
    except zmq.ZMQError:
        return True
    return False


def test_a_gone_processors_answer_is_dropped(mesh: Mesh) -> None:
    """Another one hands the report in again, and is answered."""
    first, second = (mesh.desk.filled(mesh.signal("s"), "1", "100", ours=False) for _ in range(2))
    mesh.hand_in(1, second)
    mesh.run_until(lambda: mesh.service._core.state.reports.waiting_count)
    mesh.processors[1].close()
    mesh.run_until(lambda: _is_gone(mesh))
    mesh.hand_in(0, first)
    mesh.answers(0, 1)
    mesh.run_until(lambda: mesh.context.metrics.counter("report_answers_dropped").value)
    mesh.hand_in(0, second)
    (again,) = mesh.answers(0, 1)
    assert isinstance(again, ReportApplied)
    assert again.duplicate


def test_commands_need_the_token_and_survive_a_restart(mesh: Mesh) -> None:
    """Status does not; a halt holds until somebody resumes."""
    for token in ("", "wrong", "öffne dich"):
        assert mesh.command("halt", token).message == "denied: the token is wrong (TRADINGMESH_CONTROL_TOKEN)"
    assert mesh.command("status", "").state["trading"] == "Active"
    assert mesh.command("explode").message == "there is no command 'explode'"
    assert mesh.command("halt").ok
    mesh.restart()
    decision = mesh.check(mesh.signal("s1"))
    assert isinstance(decision, Refused)
    assert decision.check is Check.TRADING_STATE
    assert mesh.command("resume").state["trading"] == "Active"
    assert mesh.command("reset-breaker").message == "the circuit breaker is Closed: there is nothing to reset"


def test_new_limits_are_taken_while_it_runs(mesh: Mesh) -> None:
    """Each change is told of. A wrong manifest changes nothing, and makes it not ready with the reason."""
    mesh.write_limits({"maxOrderQuantity": 5}, trading="Reducing")
    mesh.run_until(lambda: mesh.service.status()["trading"] == "Reducing")
    (told,) = mesh.events.drain()
    assert isinstance(told, LimitsChanged)
    assert told.changes == ("riskLimits.maxOrderQuantity 1000 -> 5", "trading Active -> Reducing")
    mesh.write_limits({"maxOrderQuantity": -5})
    mesh.run_until(mesh.service.ready)
    assert "maxOrderQuantity" in mesh.service.ready()[0]
    mesh.write_limits({"maxOrderQuantity": 5})
    mesh.run_until(lambda: not mesh.service.ready())
    (back,) = mesh.events.drain()
    assert isinstance(back, LimitsChanged)
    assert back.changes == ("trading Reducing -> Active",)
    decision = mesh.check(mesh.signal("s1"))
    assert isinstance(decision, Refused)
    assert decision.reason == "order-quantity: IBM order of 10, limit is 5"


def test_a_loss_trips_the_breaker_without_anybody_asking(mesh: Mesh) -> None:
    """The event goes out; a gain and a person's reset close it."""
    mesh.hand_in(0, mesh.desk.filled(mesh.signal("s"), "100", "100", ours=False))
    mesh.answers(0, 1)
    mesh.quote("IBM", 40)
    mesh.run_until(lambda: len(mesh.events))
    (tripped,) = mesh.events.drain()
    assert isinstance(tripped, CircuitBreakerTripped)
    assert tripped.reason == "the day's loss is 6000, limit is 5000"
    assert "would trip again at once" in mesh.command("reset-breaker").message
    mesh.quote("IBM", 100)
    assert mesh.command("reset-breaker").ok
    (reset,) = mesh.events.drain()
    assert isinstance(reset, CircuitBreakerReset)


def test_a_last_value_sent_again_is_as_old_as_it_is(mesh: Mesh) -> None:
    """A joiner's first quote may be an hour old, although it has only just come."""
    hour_ago_ns = mesh.now_ns() - 3_600 * 10**9
    _, payload = encode(Quote("BAC", 100_000, 100_200, 1, 1, hour_ago_ns))
    header = encode_header(Kind.QUOTE, 99, 1, hour_ago_ns, bytes(16), flags=FLAG_SNAPSHOT)
    mesh._feed_socket.send_multipart([topic_of("BAC"), header, payload])
    mesh.run_until(lambda: "BAC" in mesh.service._core.state.books)
    mesh.desk.now_ns = mesh.now_ns()
    decision = mesh.check(mesh.desk.signal("s", Side.BUY, "1", "BAC"))
    assert isinstance(decision, Refused)
    assert decision.check is Check.QUOTE_AGE


def test_metrics_and_status_show_the_books(mesh: Mesh) -> None:
    """What a scrape and `/configz` read, from another thread's point of view."""
    mesh.hand_in(0, mesh.desk.filled(mesh.signal("s"), "10", "99", ours=False))
    mesh.answers(0, 1)
    mesh.run_until(lambda: mesh.service.status()["day_profit"] == "10")
    gauges = mesh.context.metrics.snapshot()["gauges"]
    assert (gauges["ledger_position_quantity"]["symbol=IBM"], gauges["ledger_cash_dollars"][""]) == (10, 99_010)
    assert (gauges["breaker_state"][""], gauges["reservations"][""]) == (0, 0)
    mesh.service.drain()
