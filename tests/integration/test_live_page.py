"""The collector's live page over real sockets: what components tell a browser is sent, and nobody waits for it."""

import json
import socket
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.page_told import beat, filled, ledger, placed
from tradingmesh.adapters.zmq_market_data import MarketDataPublisher
from tradingmesh.adapters.zmq_messages import Sender
from tradingmesh.adapters.zmq_trading_state import TradingStatePublisher
from tradingmesh.contract import Channel, Component, TradingState
from tradingmesh.core.events import StageLatency, SystemEvent
from tradingmesh.core.market import Trade
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.trading_status import TradingStatus, Withdraw
from tradingmesh.metrics_collector.main import MetricsCollector, build
from tradingmesh.runtime.component import Context
from tradingmesh.wire.messages import SYSTEM_EVENT

ACTIVE, HALTED = TradingState.ACTIVE, TradingState.HALTED


class Mesh:
    """A collector with its page, and in one hand those who tell it things: all turned in this thread."""

    def __init__(self, make_context: Callable[..., Context], until: Callable[..., None]) -> None:
        self.context = make_context(Component.METRICS_COLLECTOR, {})
        service = build(self.context)
        assert isinstance(service, MetricsCollector)
        self.service, self._until = service, until
        risk, feed = make_context(Component.RISK_MANAGER, {}), make_context(Component.MARKET_DATA_FEED, {})
        self._outlet, self._sender = risk.sockets.pub(Channel.EVENTS), Sender(SYSTEM_EVENT, "risk-manager", 7)
        self.state = TradingStatePublisher(risk.sockets.pub(Channel.TRADING_STATE), "risk", 7, risk.clock.now_ns)
        market = feed.sockets.pub(Channel.MARKET_DATA)
        self.feed = MarketDataPublisher(market, "feed", 5, feed.metrics, 0)
        self._feed_loop = feed.loop
        feed.loop.on_readable(market, self.feed.answer_subscriptions)
        self.loop = self.context.loop

    def tell(self, *told: SystemEvent) -> None:
        for event in told:
            self._outlet.send_multipart(self._sender.frames(event, 1))

    def run_until(self, condition: Callable[[], object]) -> None:
        self._until(condition, self.loop, self._feed_loop)

    def heard(self, kind: str) -> int:
        counters = self.context.metrics.snapshot()["counters"].get("system_events", {})
        return int(sum(count for labels, count in counters.items() if f"type={kind}" in labels))


class Watcher:
    """A browser at the stream: `sections` has the newest of each."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self._socket.settimeout(0)
        self._rest = b""
        self.sections: dict[str, Any] = {}
        self.ended = False

    def read(self) -> dict[str, Any]:
        try:
            while chunk := self._socket.recv(65_536):
                self._rest += chunk
            self.ended = True
        except BlockingIOError:
            pass
        *whole, self._rest = self._rest.split(b"\n\n")
        for message in whole:
            lines = dict(line.split(b": ", 1) for line in message.splitlines() if b": " in line)
            if b"event" in lines:
                self.sections[lines[b"event"].decode()] = json.loads(lines[b"data"])
        return self.sections

    def close(self) -> None:
        self._socket.close()


Watch = Callable[[], Watcher]


@pytest.fixture
def watch(mesh: Mesh) -> Iterator[Watch]:
    """Opens the page; whatever the test does, it is closed."""
    made: list[Watcher] = []

    def start() -> Watcher:
        made.append(Watcher(mesh.service.status()["page_port"]))
        return made[-1]

    yield start
    for watcher in made:
        watcher.close()


@pytest.fixture
def mesh(make_context: Callable[..., Context], until: Callable[..., None]) -> Mesh:
    made = Mesh(make_context, until)

    def joined() -> bool:
        made.tell(beat("risk-manager"))
        return made.heard("ComponentBeat") > 0

    made.run_until(joined)
    return made


def _status(trading: TradingState) -> TradingStatus:
    flattening = False
    return TradingStatus(trading, ACTIVE, trading, BreakerState.CLOSED, "", 0, flattening, "", Withdraw.NONE)


def test_what_is_told_is_shown(mesh: Mesh, watch: Watch) -> None:
    """An order, its fill, the ledger, a stage: to who watches already and to who comes later, the same."""
    early = watch()
    mesh.tell(placed("a"), filled("a", "300"), ledger("962728.4965", positions={"KO": "300"}))
    now_ms = mesh.context.clock.now_ns() // 1_000_000
    mesh.tell(beat("execution-engine", now_ms, StageLatency("order_post", 900.0, 4_000.0, 2)))
    names = ("orders", "fills", "ledger", "stages", "feed")

    def arrived() -> bool:
        told = early.read()
        return "feed" in told and bool(told["stages"] and told["fills"]["rows"] and told["ledger"]["ledger"])

    mesh.run_until(arrived)
    late = watch()
    mesh.run_until(lambda: "feed" in late.read() and all(early.read()[name] == late.read()[name] for name in names))
    assert late.sections["ledger"]["ledger"]["cash"] == "962728.4965"
    assert [(row["status"], row["trace_id"]) for row in late.sections["orders"]["rows"]] == [("filled", "trace-a")]
    assert [row["price"] for row in late.sections["fills"]["rows"]] == ["190.25"]


def test_a_halt_is_shown_from_the_state(mesh: Mesh, watch: Watch) -> None:
    """No event is needed for it; before the first word trading is unknown."""
    watcher = watch()
    mesh.run_until(lambda: watcher.read().get("trading") == {"known": False})
    for trading in (ACTIVE, HALTED):
        mesh.state.tell(_status(trading))

        def shown(wanted: TradingState = trading) -> bool:
            mesh.state.repeat()
            trading = watcher.read()["trading"]
            return bool(trading["known"] and trading["trading"] == wanted.value)

        mesh.run_until(shown)


def test_the_last_trade_of_each_symbol_is_shown(mesh: Mesh, watch: Watch) -> None:
    """With when it was heard; a symbol without a trade has no price."""
    watcher = watch()

    def shown() -> bool:
        mesh.feed.publish_event(Trade("IBM", 1_902_500, 100, 1), mesh.context.clock.now_ns())
        return bool(watcher.read().get("market", {}).get("ticks"))

    mesh.run_until(shown)
    ibm, bac = watcher.sections["market"]["symbols"]
    assert (ibm["symbol"], ibm["price"], bac["symbol"], bac["price"]) == ("IBM", "190.25", "BAC", "")
    assert ibm["heard_ms"] > 0 == bac["heard_ms"]


def test_while_nobody_watches_nothing_is_made(mesh: Mesh, watch: Watch) -> None:
    """It is folded all the same: who comes finds it."""
    mesh.tell(ledger("5"))
    mesh.run_until(lambda: mesh.heard("LedgerTold"))
    for _ in range(3):
        mesh.service._page.look(mesh.service._ticks)
    assert mesh.service._page._board.newer(-1, 0.0) == (0, {})
    watcher = watch()
    mesh.run_until(lambda: "ledger" in watcher.read())
    assert Decimal(watcher.sections["ledger"]["ledger"]["cash"]) == 5


def test_who_comes_back_finds_nothing_old(mesh: Mesh, watch: Watch) -> None:
    """What hung there when the last watcher went is taken down: it would be shown as if it were of now."""
    watcher = watch()
    mesh.tell(ledger("5"))
    mesh.run_until(lambda: watcher.read().get("ledger", {}).get("ledger"))
    watcher.close()
    mesh.run_until(lambda: mesh.service._page._board.newer(-1, 0.0)[1] == {})
    again = watch()
    mesh.run_until(lambda: again.read().get("ledger", {}).get("ledger"))


def test_watchers_are_counted_and_let_go_at_the_end(mesh: Mesh, watch: Watch) -> None:
    """A collector that stops ends the stream at once: the browser knows, and comes again."""
    watcher = watch()
    mesh.run_until(lambda: mesh.context.metrics.snapshot()["gauges"]["page_watchers"][""] == 1)
    mesh.service.drain()
    mesh.run_until(lambda: watcher.read() is not None and watcher.ended)


def test_more_events_than_there_is_room_for_are_told(mesh: Mesh, watch: Watch) -> None:
    """The page says how many it could not show."""
    for number in range(5_007):
        mesh.service._bus.publish(ledger(str(number)))
    watcher = watch()
    mesh.run_until(lambda: watcher.read().get("clock", {}).get("missed", 0) >= 7)
