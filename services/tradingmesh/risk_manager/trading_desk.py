"""Tells the trading state (PUB), and hands the closing orders of a flatten to the execution engine (PUSH)."""

import zmq

from tradingmesh.adapters.zmq_messages import Sender
from tradingmesh.adapters.zmq_trading_state import BEAT_S, TradingStatePublisher
from tradingmesh.contract import Channel
from tradingmesh.core.checks import ApprovedSignal
from tradingmesh.core.events import SignalApproved
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.trading_status import trading_status
from tradingmesh.risk_manager.recorder import Recorder
from tradingmesh.runtime.component import Context
from tradingmesh.wire.messages import APPROVED_SIGNAL

CLOSE_EVERY_S = 0.1


class TradingDesk:
    """`tell` is to be called at the end of a turn, when what was decided in it is on disk.

    While the journal cannot be written, the state is told all the same, for it only withdraws; no order is handed over.
    """

    def __init__(self, context: Context, core: RiskCore, recorder: Recorder) -> None:
        self._context = context
        self._core = core
        self._recorder = recorder
        self._clock = context.clock
        self._closing: list[ApprovedSignal] = []
        state = context.sockets.pub(Channel.TRADING_STATE)
        self._state = TradingStatePublisher(state, context.settings.instance, context.epoch, self._clock.now_ns)
        self._orders = context.sockets.push(Channel.ORDERS)
        self._sender = Sender(APPROVED_SIGNAL, context.settings.instance, context.epoch)
        metrics = context.metrics
        self._given = metrics.counter("closing_orders")
        self._undelivered = metrics.counter("closing_orders_undelivered")
        context.loop.on_readable(state, self._state.answer_subscriptions)
        context.loop.every(BEAT_S, self._state.repeat)
        context.loop.every(CLOSE_EVERY_S, self._close)

    def tell(self) -> None:
        """Tells the state where it changed, and hands over the closing orders of the turn."""
        self._state.tell(trading_status(self._core.state))
        if self._recorder.problem:
            return
        closing, self._closing = self._closing, []
        for approved in closing:
            self._hand_over(approved)

    def _close(self) -> None:
        if self._recorder.problem:
            return
        self._closing += self._core.closing_orders(self._clock.now_ns(), self._clock.monotonic_ns())

    def _hand_over(self, approved: ApprovedSignal) -> None:
        """One that nobody takes lapses with its reservation, and another is given."""
        signal = approved.signal
        figures = {"symbol": signal.symbol, "side": signal.side.value, "quantity": str(signal.quantity)}
        try:
            self._orders.send_multipart(self._sender.frames(approved, self._clock.now_ns()), zmq.NOBLOCK)
        except zmq.Again:
            self._undelivered.inc()
            self._context.log.warning("no execution engine takes the closing order", **figures)
            return
        self._given.inc()
        self._context.log.warning("closing order", signal_id=signal.signal_id, **figures)
        self._context.events.emit(SignalApproved, signal=signal, reservation_id=approved.approval.reservation_id)
