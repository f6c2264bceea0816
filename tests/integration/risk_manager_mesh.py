"""The risk manager over real sockets, and all who talk to it in one hand: feed, askers, fill processors."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
import zmq

from tradingmesh.adapters.journal_sqlite import SqliteJournal
from tradingmesh.adapters.zmq_market_data import MarketDataPublisher
from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_reports import BatchSender
from tradingmesh.contract import Channel, Component
from tradingmesh.core.checks import Decision, RiskCheckRequest, Stage
from tradingmesh.core.events import CircuitBreakerReset, CircuitBreakerTripped, LimitsChanged
from tradingmesh.core.fills import BookedReport, ReportAnswer
from tradingmesh.core.market import Quote
from tradingmesh.core.place import Place
from tradingmesh.core.risk.reports import place_of
from tradingmesh.core.signal import Side, Signal
from tradingmesh.risk_manager.main import RiskManager, build
from tradingmesh.runtime.component import Context
from tradingmesh.runtime.manifest_file import LOOK_EVERY_S
from tradingmesh.testing.risk_desk import RiskDesk
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
    "duplicateWindow": "0s",
}


class Mesh:
    """The risk manager and those who talk to it, all in this thread: nothing happens but in `run_until`."""

    def __init__(
        self, make_context: Callable[..., Context], until: Callable[..., None], folder: Path, **spec: Any
    ) -> None:
        self._make_context, self._until, self._spec = make_context, until, spec
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
        spec = {"riskLimits": LIMITS, "broker": {"simulator": {"cash": "100000"}}, **self._spec}
        self.context = self._make_context(Component.RISK_MANAGER, spec, system_file=self.file, control_token=TOKEN)
        self.events = self.context.events.bus.subscribe(CircuitBreakerTripped, CircuitBreakerReset, LimitsChanged)
        service = build(self.context)
        assert isinstance(service, RiskManager)
        self.service = service
        self.context.loop.every(LOOK_EVERY_S, self.context.manifest.look)
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
