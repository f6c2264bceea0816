"""The signal-generator: market data -> strategies -> risk check -> approved signals to the execution engine.

The poll loop hears three things: ticks, the answer to the risk check in flight, and the time for giving one up. What
to do is decided in `core.signals.core`; here it is done. A signal leaves this process only inside an `ApprovedSignal`.
"""

from typing import Any

import zmq

from tradingmesh.adapters.strategy_loader import load_strategies
from tradingmesh.adapters.zmq_market_data import Delivery, MarketDataSubscriber
from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.contract import Channel, TradingSystemSpec
from tradingmesh.core.errors import WireError
from tradingmesh.core.market import MarketEvent
from tradingmesh.core.risk.limits import Limits
from tradingmesh.core.signals.core import Ask, Effect, Origin, Reject, Send, SignalCore
from tradingmesh.core.signals.roster import Roster, Running
from tradingmesh.runtime.component import Context, Service
from tradingmesh.runtime.lag import watch
from tradingmesh.signal_generator.telling import Telling
from tradingmesh.wire.messages import APPROVED_SIGNAL, RISK_CHECK_REQUEST, RISK_CHECK_RESPONSE

TURN_MAX = 100
"""Ticks taken before the loop looks whether an answer has come."""
ORDER_GRACE_NS = 1_000_000_000
"""How long a signal is valid beyond the time that its risk check may take."""
LOOK_EVERY_S = 0.02
"""How often a risk check in flight is looked at: it is given up at most this much late."""
_NS_PER_MS = 1_000_000


class SignalGenerator:
    """Carries out what the core decides."""

    def __init__(self, context: Context, running: list[Running]) -> None:
        self._context = context
        self._now_ns = context.clock.now_ns
        self._roster = Roster(running)
        timeout_ns = context.spec.endpoints.risk_check.timeout_ms * _NS_PER_MS
        valid_for_ns = timeout_ns + ORDER_GRACE_NS
        self._core = SignalCore(
            self._roster,
            epoch=context.epoch,
            timeout_ns=timeout_ns,
            valid_for_ns=valid_for_ns,
            tick_age_max_ns=tick_ages_ns(context.spec),
        )
        self._wishes = self._core.on_event
        self._telling = Telling(context, self._core)
        self._asked = ("", 0)
        self._open_sockets(frozenset[str]().union(*(one.symbols for one in running)))
        context.loop.every(LOOK_EVERY_S, self._give_up_late)

    def _open_sockets(self, symbols: frozenset[str]) -> None:
        context, sockets = self._context, self._context.sockets
        self._requests = sockets.req(Channel.RISK_CHECK)
        self._orders = sockets.push(Channel.ORDERS)
        ticks = sockets.sub(Channel.MARKET_DATA, sorted(symbols))
        self._market_data = MarketDataSubscriber(
            ticks, self.on_event, context.metrics, context.on_gap(), context.clock.now_ns
        )
        watch(context, self._market_data, symbols)
        self._request_sender = Sender(RISK_CHECK_REQUEST, context.settings.instance, context.epoch)
        self._order_sender = Sender(APPROVED_SIGNAL, context.settings.instance, context.epoch)
        context.loop.on_readable(self._requests, self._take_answer)
        context.loop.on_readable(ticks, lambda: self._market_data.drain(TURN_MAX))

    def on_event(self, event: MarketEvent, delivery: Delivery) -> None:
        """The path of every tick. Nearly always no strategy wishes anything, and that is all."""
        heard = self._wishes(event)
        if heard:
            now_ns = self._now_ns()
            self._telling.tick_to_signal.observe_ns(now_ns - delivery.timestamp_ns)
            origin = Origin(delivery.trace_id, delivery.flags, delivery.timestamp_ns)
            self._do(self._core.ask(heard, now_ns, origin), now_ns)

    def _take_answer(self) -> None:
        """One answer, for one request is out: a REQ socket that has its answer must not be read again."""
        try:
            frames = self._requests.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:  # what came was the answer to a request that was given up
            return
        now_ns = self._now_ns()
        try:
            _, response = read(RISK_CHECK_RESPONSE, frames)
        except WireError as error:
            self._telling.malformed.inc()
            self._context.log.warning("risk answer dropped", error=str(error))
            return
        request_id, asked_ns = self._asked
        if response.request_id == request_id:
            self._telling.round_trip.observe_ns(now_ns - asked_ns)
        self._do(self._core.on_answer(response, now_ns), now_ns)

    def _give_up_late(self) -> None:
        now_ns = self._now_ns()
        self._do(self._core.on_time(now_ns), now_ns)

    def _do(self, effects: list[Effect], now_ns: int) -> None:
        for effect in effects:
            if isinstance(effect, Ask):
                self._ask(effect, now_ns)
            elif isinstance(effect, Send):
                self._send(effect, now_ns)
            elif isinstance(effect, Reject):
                self._telling.rejection(effect, now_ns)
            else:
                self._telling.strategy_stopped(effect)
        self._telling.count()

    def _ask(self, ask: Ask, now_ns: int) -> None:
        request, origin = ask.request, ask.origin
        frames = self._request_sender.frames(request, now_ns, trace_id=origin.trace_id, flags=origin.flags)
        self._asked = (request.request_id, now_ns)
        try:
            self._requests.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:  # nobody is there to be asked: the timeout will refuse the signal
            self._context.log.warning("risk check not sent", request_id=request.request_id)

    def _send(self, send: Send, now_ns: int) -> None:
        origin = send.origin
        frames = self._order_sender.frames(send.approved, now_ns, trace_id=origin.trace_id, flags=origin.flags)
        try:
            self._orders.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            self._do(self._core.sent(send, delivered=False), now_ns)
            return
        self._telling.approval(send, now_ns)
        self._do(self._core.sent(send, delivered=True), now_ns)

    def ready(self) -> list[str]:
        """Not ready while a strategy is stopped."""
        return [f"strategy {name} stopped: {error}" for name, error in self._roster.stopped.items()]

    def status(self) -> dict[str, Any]:
        """What was heard, and what became of the signals."""
        return {
            "received": self._market_data.received.value,
            "gaps": self._market_data.gaps.value,
            "signals": self._telling.signals.value,
            "approved": self._telling.approved.value,
            "waiting": self._core.waiting,
            "stopped": dict(self._roster.stopped),
        }

    def drain(self) -> None:
        """Refuses the signals that have no answer: nothing is sent once the generator stops."""
        self._do(self._core.give_up(), self._now_ns())


def tick_ages_ns(spec: TradingSystemSpec) -> dict[str, int]:
    """How old a tick may be to be decided on: as old as the risk manager lets a quote be."""
    limits = Limits(spec.risk_limits)
    ages_ns = {symbol: limits.of(symbol).quote_age_ns for symbol in spec.symbols}
    return {symbol: age_ns for symbol, age_ns in ages_ns.items() if age_ns is not None}


def build(context: Context) -> Service:
    """The signal generator of the manifest's strategies. Raises `ConfigError` naming one that is wrong."""
    return SignalGenerator(context, load_strategies(context.spec, context.settings.strategy_path))
