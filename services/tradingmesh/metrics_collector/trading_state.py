"""Watches the trading state: shows it, and raises the alert when trading stops.

The alert is raised from the state, not from the event `CircuitBreakerTripped`: an event may be lost, the state comes
again a few times a second. So it is raised within a second of the trip, or of the first word heard after it.
"""

from tradingmesh.adapters.zmq_trading_state import TradingStateSubscriber
from tradingmesh.contract import Channel, TradingState
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.trading_status import TradingStatus
from tradingmesh.runtime.component import Context

LOOK_EVERY_S = 0.25
SILENT_AFTER_NS = 4_000_000_000
TRADING_LEVELS = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}
STATE_ALERTS = ("breaker-open", "trading-halted", "risk-manager-silent")
BREAKER_LEVELS = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class TradingStateWatch:
    """Each trip, each halt and each silence of the risk manager is one alert."""

    def __init__(self, context: Context) -> None:
        self._context = context
        socket = context.sockets.sub(Channel.TRADING_STATE)
        self._state = TradingStateSubscriber(socket, context.clock.monotonic_ns, context.metrics)
        self._before: TradingStatus | None = None
        self._silent = False
        for kind in STATE_ALERTS:
            context.metrics.counter("alerts", kind=kind)
        context.metrics.gauge("trading_state", self._trading)
        context.metrics.gauge("breaker_state", self._breaker)
        context.loop.on_readable(socket, self._hear)
        context.loop.every(LOOK_EVERY_S, self._look)

    @property
    def status(self) -> TradingStatus | None:
        """The last one heard."""
        return self._state.status

    @property
    def age_ns(self) -> int:
        """Since it was heard, or since the beginning."""
        return self._state.age_ns

    def _hear(self) -> None:
        self._state.drain()
        now, before = self._state.status, self._before
        self._before = now
        if now is None:
            return
        tripped_before_ns = before.breaker_since_ns if before and before.breaker is BreakerState.OPEN else None
        if now.breaker is BreakerState.OPEN and now.breaker_since_ns != tripped_before_ns:
            alert(self._context, "breaker-open", reason=now.breaker_reason)
        halted_before = before is not None and before.trading is TradingState.HALTED
        if now.trading is TradingState.HALTED and not halted_before:
            alert(self._context, "trading-halted", manifest=now.manifest_trading.value, switch=now.switch.value)

    def _look(self) -> None:
        silent = self._state.age_ns >= SILENT_AFTER_NS
        if silent and not self._silent:
            alert(self._context, "risk-manager-silent", reason=f"no word for {SILENT_AFTER_NS // 10**9} s")
        self._silent = silent

    def _trading(self) -> float:
        known = self._state.known
        return TRADING_LEVELS[known.trading] if known is not None else -1

    def _breaker(self) -> float:
        known = self._state.known
        return BREAKER_LEVELS[known.breaker] if known is not None else -1


def alert(context: Context, kind: str, **fields: str) -> None:
    """Something a person must know of within seconds: an error in the log, and a counter for an alert rule to watch."""
    context.metrics.counter("alerts", kind=kind).inc()
    context.log.error("alert", kind=kind, **fields)
