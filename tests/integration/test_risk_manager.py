"""The risk manager over real sockets, its journal on disk: feed, askers and fill processors are played by the test."""

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
import zmq

from tradingmesh.adapters.journal_sqlite import SqliteJournal
from tradingmesh.adapters.zmq_market_data import MarketDataPublisher
from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_reports import BatchSender
from tradingmesh.contract import Channel, Component
from tradingmesh.core.checks import Approved, Check, Decision, Refused, RiskCheckRequest, Stage
from tradingmesh.core.errors import JournalError
from tradingmesh.core.events import CircuitBreakerReset, CircuitBreakerTripped
from tradingmesh.core.fills import BookedReport, ReportAnswer, ReportApplied
from tradingmesh.core.market import Quote
from tradingmesh.core.place import Place
from tradingmesh.core.risk.reports import place_of
from tradingmesh.core.signal import Side, Signal
from tradingmesh.risk_manager.main import RiskManager, build
from tradingmesh.runtime.component import Context
from tradingmesh.testing.risk_desk import RiskDesk
from tradingmesh.wire.header import FLAG_SNAPSHOT, HEADER, Kind, encode_header
from tradingmesh.wire.market import encode, topic_of
from tradingmesh.wire.messages import (
    BOOKED_REPORT,
    CONTROL_REQUEST,
    CONTROL_RESPONSE,
    REPORT_ANSWERS,
    RISK_CHECK_REQUEST,
    RISK_CHECK_RESPONSE,
    ControlRequest,
    ControlResponse,
)

TOKEN = "open sesame"
LIMITS = {
    "maxOrderQuantity": 1000,
    "maxOrderNotional": 250000,
    "maxPositionQuantity": 2000,
    "maxPositionNotional": 500000,
    "maxGrossNotional": 1000000,
    "maxDailyLoss": 5000,
    "maxOpenOrders": 20,
    "maxOrdersPerMinute": 120,
    "priceCollarPercent": 3,
    "maxQuoteAge": "5s",
    "duplicateWindow": 0,
}


class Mesh:
    """The risk manager and those who talk to it, all in this thread: nothing happens but in `run_until`."""

    def __init__(self, make_context: Callable[..., Context], until: Callable[..., None], folder: Path) -> None:
        self._make_context, self._until = make_context, until
        self.file = folder / "system.yaml"
        self.write_limits({})
        feed = make_context(Component.MARKET_DATA_FEED, {})
        self.now_ns = feed.clock.now_ns
        self._feed_socket = feed.sockets.pub(Channel.MARKET_DATA)
        self.feed = MarketDataPublisher(self._feed_socket, "feed", 5, feed.metrics, 0)
        self._feed_loop = feed.loop
        self._feed_loop.on_readable(self._feed_socket, self.feed.answer_subscriptions)
        others = make_context(Component.FILL_PROCESSOR, {}).sockets
        self.asker, self.control = others.req(Channel.RISK_CHECK), others.req(Channel.CONTROL)
        self.processors = [others.dealer(Channel.POSITIONS), others.dealer(Channel.POSITIONS)]
        self.desk = RiskDesk()
        self._asks = Sender(RISK_CHECK_REQUEST, "asker", 1)
        self._commands = Sender(CONTROL_REQUEST, "person", 1)
        self._reports = BatchSender("processor", "positions", 1)
        self.start()

    def start(self) -> None:
        """The risk manager begins, with what its journal says."""
        spec = {"riskLimits": LIMITS, "broker": {"simulator": {"cash": "100000"}}}
        self.context = self._make_context(Component.RISK_MANAGER, spec, system_file=self.file, control_token=TOKEN)
        self.events = self.context.events.bus.subscribe(CircuitBreakerTripped, CircuitBreakerReset)
        service = build(self.context)
        assert isinstance(service, RiskManager)
        self.service = service
        self.quote("IBM", 100)

    def restart(self) -> None:
        """It ends without a word, and begins again."""
        self.abandon()
        self.start()

    def abandon(self) -> None:
        """It ends without a word: what it did not write is gone."""
        journal = self.service._journal
        assert isinstance(journal, SqliteJournal)
        journal._live.close()
        self.context.sockets.close()

    def write_limits(self, changed: dict[str, Any], **spec: Any) -> None:
        """The mounted manifest changes, all at once as Kubernetes does it."""
        content = {
            "apiVersion": "tradingmesh.io/v1alpha1",
            "kind": "TradingSystem",
            "metadata": {"name": "test"},
            "spec": {"symbols": ["IBM", "BAC"], "riskLimits": LIMITS | changed} | spec,
        }
        fresh = self.file.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(content))
        fresh.replace(self.file)

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, self._feed_loop, self.context.loop)

    def quote(self, symbol: str, price: int) -> None:
        """A quote goes out until the risk manager has it."""
        quote = Quote(symbol, price * 10_000 - 100, price * 10_000 + 100, 1, 1, self.now_ns())

        def heard() -> bool:
            self.feed.publish_event(quote, self.now_ns())
            book = self.service._core.state.books.get(symbol)
            return book is not None and book.bid_e4 == quote.bid_e4

        self.run_until(heard)

    def frames(self, socket: zmq.Socket[bytes], *frames: bytes) -> list[bytes]:
        """Sends frames and returns the answer's."""
        socket.send_multipart(frames)
        self.run_until(lambda: socket.poll(0))
        return socket.recv_multipart()

    def check(self, signal: Signal, stage: Stage = Stage.SIGNAL) -> Decision:
        """Asks as signal generator or execution engine would."""
        key = f"r-{signal.signal_id}" if stage is Stage.ORDER else ""
        request = RiskCheckRequest(f"{signal.signal_id}/{stage}", stage, signal, Decimal(100), self.now_ns(), key)
        answer = self.frames(self.asker, *self._asks.frames(request, self.now_ns()))
        response = read(RISK_CHECK_RESPONSE, answer)[1]
        assert response.request_id == request.request_id
        return response.result

    def signal(self, name: str, quantity: str = "10", side: Side = Side.BUY) -> Signal:
        """A signal, valid for ten seconds."""
        self.desk.now_ns = self.now_ns()
        return self.desk.signal(name, side, quantity)

    def command(self, command: str, token: str = TOKEN) -> ControlResponse:
        """A person's command."""
        answer = self.frames(self.control, *self._commands.frames(ControlRequest(command, token), self.now_ns()))
        return read(CONTROL_RESPONSE, answer)[1]

    def hand_in(self, processor: int, booked: BookedReport) -> None:
        """A fill processor hands in a report."""
        self.hand_in_raw(processor, place_of(booked), [BOOKED_REPORT.encode(booked)])

    def hand_in_raw(self, processor: int, first: Place, payloads: list[bytes]) -> None:
        """The bytes of some reports that follow each other."""
        frames = self._reports.frames(BOOKED_REPORT.kind, first, payloads, self.now_ns())
        self.processors[processor].send_multipart(frames)

    def answers(self, processor: int, count: int) -> list[ReportAnswer]:
        """What that processor is answered."""
        found: list[ReportAnswer] = []
        while len(found) < count:
            self.run_until(lambda: self.processors[processor].poll(0))
            found += read(REPORT_ANSWERS, self.processors[processor].recv_multipart())[1]
        return found


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
    malformed = mesh.context.metrics.snapshot()["counters"]["malformed_dropped"]
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


def test_a_gone_processors_answer_is_dropped(mesh: Mesh) -> None:
    """Another one hands the report in again, and is answered."""
    first, second = (mesh.desk.filled(mesh.signal("s"), "1", "100", ours=False) for _ in range(2))
    mesh.hand_in(1, second)
    mesh.run_until(lambda: mesh.service._core.state.reports.waiting_count)
    mesh.processors[1].close()
    mesh.hand_in(0, first)
    mesh.answers(0, 1)
    mesh.run_until(lambda: mesh.context.metrics.counter("report_answers_dropped", "").value)
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
    """A wrong manifest changes nothing, and makes it not ready with the reason."""
    mesh.write_limits({"maxOrderQuantity": 5}, trading="Reducing")
    mesh.run_until(lambda: mesh.service.status()["trading"] == "Reducing")
    mesh.write_limits({"maxOrderQuantity": -5})
    mesh.run_until(mesh.service.ready)
    assert "maxOrderQuantity" in mesh.service.ready()[0]
    mesh.write_limits({"maxOrderQuantity": 5})
    mesh.run_until(lambda: not mesh.service.ready())
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
    assert (gauges["position"]["symbol=IBM"], gauges["ledger_cash"][""]) == (10, 99_010)
    assert (gauges["breaker"][""], gauges["reservations"][""]) == (0, 0)
    mesh.service.drain()


def test_a_confirmation_is_kept_before_it_is_told(mesh: Mesh) -> None:
    """Killed right after its answer: the order is on its way to the broker, so its reservation must not expire."""
    signal = mesh.signal("s1")
    mesh.check(signal)
    mesh.context.loop._after_turn.clear()  # where the turn's records would be written
    assert isinstance(mesh.check(signal, Stage.ORDER), Approved)
    mesh.restart()
    reservation = mesh.service._core.state.reservations.get("r-s1")
    assert reservation is not None
    assert reservation.confirmed_by


def test_what_could_not_be_written_is_never_told(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full until the end: not even the last drain acknowledges the fill; it comes again."""
    booked = mesh.desk.filled(mesh.signal("s"), "10", "100", ours=False)
    with monkeypatch.context() as disk:
        disk.setattr(mesh.service._journal, "commit", _full)
        mesh.hand_in(0, booked)
        mesh.run_until(mesh.service.ready)
        mesh.service.drain()
        assert not mesh.processors[0].poll(200)
    mesh.abandon()
    mesh.start()
    mesh.hand_in(0, booked)
    (answer,) = mesh.answers(0, 1)
    assert isinstance(answer, ReportApplied)
    assert not answer.duplicate


def test_a_full_disk_stops_approvals_and_answers_until_there_is_room(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals and orders are refused with the reason, fills unanswered, a halt holds; then all goes on by itself."""
    signal = mesh.signal("s1")
    assert isinstance(mesh.check(signal), Approved)
    first, second = (mesh.desk.filled(mesh.signal("s"), "1", "100", ours=False) for _ in range(2))
    with monkeypatch.context() as disk:
        disk.setattr(mesh.service._journal, "commit", _full)
        disk.setattr(mesh.service._journal, "flush", _full)
        mesh.hand_in(0, first)
        mesh.run_until(mesh.service.ready)
        assert mesh.service.ready() == ["journal: no space left"]
        for refused in (mesh.check(mesh.signal("s2")), mesh.check(signal, Stage.ORDER)):
            assert isinstance(refused, Refused)
            assert (refused.check, refused.reason) == (Check.JOURNAL, "journal: no space left")
        for _ in range(3):
            mesh.hand_in(0, first)
            mesh.hand_in(1, second)
        halted = mesh.command("halt")
        assert halted.ok
        assert "not on disk yet, so a restart would forget it: no space left" in halted.message
        mesh.run_until(lambda: mesh.context.metrics.counter("reports_untaken", "").value == 6)
        assert not any(processor.poll(0) for processor in mesh.processors)
        assert mesh.context.metrics.snapshot()["gauges"]["journal_writable"][""] == 0
    mesh.run_until(lambda: not mesh.service.ready())
    assert [answer.symbol_sequence for answer in mesh.answers(0, 1)] == [1]
    mesh.hand_in(1, second)
    assert [answer.symbol_sequence for answer in mesh.answers(1, 1)] == [2]
    assert mesh.command("resume").ok
    assert isinstance(mesh.check(signal, Stage.ORDER), Approved)
    mesh.restart()
    assert mesh.service._core.state.ledger.position("IBM").quantity == 2


def _full() -> None:
    raise JournalError("no space left")
