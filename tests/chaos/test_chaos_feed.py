"""A feed whose messages are dropped, doubled and reordered on their way, that starts again, and is joined late.

Between publisher and subscribers sits a forwarder that does all that by chance and keeps a list of what it let through.
Every gap must be found, to the message, nothing heard twice or out of order, and nothing decided on what came late.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
import structlog

from tests.chaos.feed_forwarder import MARK, Forwarder, Sent
from tradingmesh.adapters.zmq_market_data import LATE_AFTER_NS, Delivery, MarketDataPublisher, MarketDataSubscriber
from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.cli.up_ports import counted_from
from tradingmesh.contract import Channel, Component, EndpointsSpec, TradingSystemSpec
from tradingmesh.core.bus import EventBus
from tradingmesh.core.checks import Check, Refused, RiskCheckResponse
from tradingmesh.core.events import SignalRejected, SubscriberSlow
from tradingmesh.core.market import MarketEvent, Trade
from tradingmesh.core.signal import Side, Signal
from tradingmesh.core.signals.roster import Running
from tradingmesh.core.strategy import Strategy, Wish
from tradingmesh.runtime import lag
from tradingmesh.runtime.component import Context, WallClock
from tradingmesh.runtime.events import Events
from tradingmesh.runtime.loop import Loop
from tradingmesh.runtime.manifest_file import ManifestFile
from tradingmesh.runtime.settings import Settings
from tradingmesh.signal_generator.main import ORDER_GRACE_NS, SignalGenerator
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.telemetry.tracing import NoTracer
from tradingmesh.wire.messages import RISK_CHECK_REQUEST, RISK_CHECK_RESPONSE

SYMBOLS = ("IBM", "BAC", "A")
SHARE = 0.05
LIVES = 4
AGE_MAX_MS = 100
DEADLINE_S = 30.0
MS = 1_000_000


class Feed:
    """A publisher that can start again. Each tick's size is its sequence, so that what is heard can be told apart."""

    def __init__(self, endpoints: EndpointsSpec) -> None:
        self._endpoints = endpoints
        self.epoch = 100
        self.start()

    def start(self) -> None:
        """As a new process would: with a socket and an epoch of its own."""
        self.epoch += 1
        self._factory = SocketFactory(Component.MARKET_DATA_FEED, self._endpoints)
        socket = self._factory.pub(Channel.MARKET_DATA)
        self.publisher = MarketDataPublisher(socket, "feed", self.epoch, Metrics(), 0)
        self.sequences = dict.fromkeys(SYMBOLS, 0)

    def tick(self, symbol: str) -> None:
        """The next trade of a symbol."""
        self.sequences[symbol] += 1
        now_ns = time.time_ns()
        self.publisher.publish_event(Trade(symbol, self.epoch, self.sequences[symbol], now_ns), now_ns)
        self.publisher.answer_subscriptions()

    def stop(self) -> None:
        self._factory.close()


class Listener:
    """A subscriber, and what it handed on."""

    def __init__(self, endpoints: EndpointsSpec) -> None:
        factory = SocketFactory(Component.SIGNAL_GENERATOR, endpoints)
        self.heard: list[Sent] = []
        self.told = 0
        socket = factory.sub(Channel.MARKET_DATA, SYMBOLS)
        self.inlet = MarketDataSubscriber(socket, self._hear, Metrics(), self._gap, time.time_ns)
        self.close = factory.close

    def _hear(self, event: MarketEvent, _: Delivery) -> None:
        assert isinstance(event, Trade)
        self.heard.append(Sent(event.symbol, event.price_e4, event.size))

    def _gap(self, _: str, expected: int, actual: int) -> None:
        self.told += actual - expected

    def missed(self) -> int:
        """How many of what was published, from the first it heard on, it did not; of each life up to its last word."""
        lives: dict[tuple[str, int], list[int]] = {}
        for symbol, epoch, sequence in self.heard:
            lives.setdefault((symbol, epoch), []).append(sequence)
        first_lives = {symbol: min(e for s, e in lives if s == symbol) for symbol, _ in lives}
        before = {(s, e): heard[0] - 1 if first_lives[s] == e else 0 for (s, e), heard in lives.items()}
        return sum(heard[-1] - before[life] - len(heard) for life, heard in lives.items())


def newer_only(sent: list[Sent]) -> list[Sent]:
    """What of it is news, as it comes: each message once, none after a later one, none of a life that is over."""
    newest: dict[str, tuple[int, int]] = {}
    news = []
    for one in sent:
        if (one.epoch, one.sequence) > newest.get(one.symbol, (0, 0)):
            newest[one.symbol] = (one.epoch, one.sequence)
            news.append(one)
    return news


class Wire(NamedTuple):
    """A publisher and a forwarder; `endpoints` is where subscribers go, `at_end` what is done when the test is over."""

    feed: Feed
    forwarder: Forwarder
    endpoints: EndpointsSpec
    at_end: ExitStack


@pytest.fixture
def wire(seed: int) -> Iterator[Wire]:
    ports = counted_from(0)
    here, there = (
        EndpointsSpec.model_validate(
            {
                channel.replace("-", "_"): {
                    "port": next(ports),
                    "sendHighWaterMark": MARK,
                    "receiveHighWaterMark": MARK,
                }
                for channel in Channel
            }
        )
        for _ in range(2)
    )
    forwarder = Forwarder(there.market_data.port, here.market_data.port, seed)
    feed = Feed(here)
    with ExitStack() as at_end:
        at_end.callback(forwarder.close)
        at_end.callback(lambda: feed.stop())  # noqa: PLW0108 - the feed's latest life
        yield Wire(feed, forwarder, there, at_end)


def until(done: Callable[[], object], step: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline_s, "the condition did not come to hold in time"
        step()


def joined(wire: Wire) -> Listener:
    """A subscriber that has heard something of every symbol."""
    listener = Listener(wire.endpoints)
    wire.at_end.callback(listener.close)

    def step() -> None:
        for symbol in SYMBOLS:
            wire.feed.tick(symbol)
        time.sleep(0.01)
        listener.inlet.drain()

    until(lambda: {one.symbol for one in listener.heard} == set(SYMBOLS), step)
    return listener


@pytest.mark.timeout(300)
def test_every_gap_is_found_and_nothing_is_heard_twice(wire: Wire, seed: int, full: bool) -> None:  # noqa: FBT001 - the fixture is one
    """5 % each dropped, doubled and moved, four lives of the feed, a late joiner: counted exactly as it was."""
    chance = random.Random(seed)  # noqa: S311 - replayable is what it must be
    listeners = [joined(wire)]
    wire.forwarder.share = SHARE
    for life in range(LIVES):
        if life:
            wire.feed.stop()
            wire.feed.start()
            until(lambda: wire.forwarder.sent[-1].epoch == wire.feed.epoch, lambda: wire.feed.tick("IBM"))
        for number in range(50_000 if full else 2_000):
            wire.feed.tick(chance.choice(SYMBOLS))
            if number % 200 == 0:
                drain(listeners)
        if life == 1:  # who never heard of a life cannot know that it is over
            until(lambda: not wire.forwarder.holds_older(wire.feed.epoch), lambda: wire.feed.tick("IBM"))
            listeners.append(joined(wire))
    wire.forwarder.share = 0.0
    settle(wire, listeners)
    assert min(wire.forwarder.dropped, wire.forwarder.doubled, wire.forwarder.moved) > 100
    check_heard_all_news(listeners[0], wire.forwarder.sent)
    for listener in listeners:
        assert listener.heard == newer_only(listener.heard)
        assert listener.inlet.gaps.value == listener.told == listener.missed() > 100
        assert listener.inlet.received.value == len(listener.heard)


def drain(listeners: list[Listener]) -> int:
    return sum(listener.inlet.drain() for listener in listeners)


def settle(wire: Wire, listeners: list[Listener]) -> None:
    """Until nothing is on its way: a last tick of each symbol has been heard by all, behind everything else."""
    last: set[Sent] = set()

    def step() -> None:
        if not drain(listeners):
            last.clear()
            for symbol in SYMBOLS:
                wire.feed.tick(symbol)
                last.add(Sent(symbol, wire.feed.epoch, wire.feed.sequences[symbol]))
            time.sleep(0.02)

    until(lambda: last and all(last <= set(listener.heard[-500:]) for listener in listeners), step)


def check_heard_all_news(listener: Listener, sent: list[Sent]) -> None:
    """From its first message of a symbol on it heard whatever was let through, and was news then."""
    for symbol in SYMBOLS:
        heard = [one for one in listener.heard if one.symbol == symbol]
        news = [one for one in newer_only(sent) if one.symbol == symbol]
        assert heard == news[news.index(heard[0]) :]


class Eager(Strategy):
    """Wishes at every trade."""

    heard = 0

    def on_trade(self, trade: Trade) -> list[Wish]:
        self.heard += 1
        return [Wish(trade.symbol, Side.BUY, Decimal(1), trade.price_e4)]


class Decider:
    """A signal generator, and its risk manager, which notes what it is asked and refuses it."""

    def __init__(self, wire: Wire, folder: Path) -> None:
        limits = {"maxQuoteAge": f"{AGE_MAX_MS}ms"}
        spec = TradingSystemSpec.model_validate({"symbols": list(SYMBOLS), "riskLimits": limits})
        metrics, clock = Metrics(), WallClock()
        sockets = SocketFactory(Component.SIGNAL_GENERATOR, wire.endpoints)
        events = Events(EventBus(), "signal-generator", "signal-generator", 1, clock, metrics)
        settings = Settings(instance="signal-generator", data_dir=folder)
        self.context = Context(
            Component.SIGNAL_GENERATOR,
            settings,
            spec,
            epoch=1,
            loop=Loop(),
            sockets=sockets,
            metrics=metrics,
            events=events,
            tracer=NoTracer(),
            log=structlog.get_logger(),
            clock=clock,
            manifest=ManifestFile(
                settings.system_file, Component.SIGNAL_GENERATOR, spec, None, metrics, structlog.get_logger()
            ),
        )
        self.strategy = Eager()
        self._valid_ns = spec.endpoints.risk_check.timeout_ms * MS + ORDER_GRACE_NS
        self._told = events.bus.subscribe(SignalRejected, SubscriberSlow)
        risk = SocketFactory(Component.RISK_MANAGER, wire.endpoints)
        wire.at_end.callback(risk.close)
        wire.at_end.callback(sockets.close)
        self._checks = risk.rep(Channel.RISK_CHECK)
        self._answers = Sender(RISK_CHECK_RESPONSE, "risk", 1)
        self.generator = SignalGenerator(self.context, [Running("eager", frozenset(SYMBOLS), self.strategy)])
        self.asked_ms: list[float] = []
        self.stale_ms: list[float] = []
        self.slow: list[SubscriberSlow] = []

    def turn(self) -> None:
        """Lets both work, and notes how old each tick was when it was decided on, or refused for its age."""
        self.context.loop.turn(1)
        while self._checks.poll(0):
            request = read(RISK_CHECK_REQUEST, self._checks.recv_multipart())[1]
            self.asked_ms.append(self._age_ms(request.signal))
            refused = RiskCheckResponse(request.request_id, Refused(Check.TRADING_STATE, "no"), 1, 1)
            self._checks.send_multipart(self._answers.frames(refused, 1))
        for event in self._told.drain():
            if isinstance(event, SubscriberSlow):
                self.slow.append(event)
            elif isinstance(event, SignalRejected) and event.check is Check.TICK_AGE:
                self.stale_ms.append(self._age_ms(event.signal))

    def _age_ms(self, signal: Signal) -> float:
        """How long before the signal was made its tick had been published."""
        return (signal.valid_until_ns - self._valid_ns - signal.generated_ns) / MS


@pytest.fixture
def decider(wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Decider:
    monkeypatch.setattr(lag, "TELL_EVERY_NS", 300 * MS)
    return Decider(wire, tmp_path)


@pytest.mark.timeout(300)
def test_nothing_is_decided_on_stale_data(wire: Wire, decider: Decider, seed: int, full: bool) -> None:  # noqa: FBT001 - the fixture is one
    """Messages are lost and held up: strategies hear all that arrives, and only what came in time is asked about."""
    chance = random.Random(seed)  # noqa: S311 - replayable is what it must be
    received = decider.context.metrics.counter("messages_received", channel="market-data")

    def step() -> None:
        wire.feed.tick(chance.choice(SYMBOLS))
        decider.turn()

    until(lambda: decider.asked_ms, step)
    wire.forwarder.share = SHARE
    holds_s = [chance.uniform(0.0, 3 * AGE_MAX_MS / 1_000) for _ in range(200 if full else 10)]
    for hold_s in [*holds_s, LATE_AFTER_NS / 1e9 + 0.2]:
        for holding in (True, False):
            wire.forwarder.holding = holding
            until_s = time.monotonic() + (hold_s if holding else 0.1)
            while time.monotonic() < until_s:
                step()
    until(lambda: max((event.lag_ms for event in decider.slow), default=0) >= LATE_AFTER_NS / MS, step)
    assert max(decider.asked_ms) <= AGE_MAX_MS < min(decider.stale_ms)
    assert decider.strategy.heard == received.value
    assert sum(event.missed for event in decider.slow) > 0
    assert decider.context.metrics.counter("messages_late", channel="market-data").value > 0
