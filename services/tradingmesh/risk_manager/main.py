"""The risk-manager: checks orders, books fills, holds the kill switch. One loop, one core, one journal."""

from decimal import Decimal
from functools import partial
from typing import Any

from tradingmesh.adapters.journals import open_journal
from tradingmesh.adapters.zmq_market_data import Delivery, MarketDataSubscriber
from tradingmesh.contract import Channel, Mode, TradingSystemSpec
from tradingmesh.core.events import LedgerTold
from tradingmesh.core.market import MarketEvent, Quote, Trade
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.status import ledger_of
from tradingmesh.risk_manager.check_desk import CheckDesk
from tradingmesh.risk_manager.control_desk import ControlDesk
from tradingmesh.risk_manager.difference_watch import DifferenceWatch
from tradingmesh.risk_manager.limits_desk import LimitsDesk
from tradingmesh.risk_manager.recorder import Recorder
from tradingmesh.risk_manager.recovery import recover
from tradingmesh.risk_manager.report_desk import ReportDesk
from tradingmesh.risk_manager.trading_desk import TradingDesk
from tradingmesh.runtime.component import Context, Service
from tradingmesh.runtime.journal_place import journal_place
from tradingmesh.runtime.lag import watch

ADVANCE_S = 0.1
STATUS_S = 0.5
COMPACT_S = 0.2
_BREAKER_LEVELS = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class RiskManager:
    """Wires the core to its sockets. Ready once the journal is read."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._now_ns = context.clock.now_ns
        self._core = core_of(context.spec)
        journal = self._journal = open_journal(journal_place(context.spec, context.settings, context.data_dir))
        if journal.notice:
            context.log.warning("the end of the journal is lost", lost=journal.notice)
        self._recorder = Recorder(context, self._core, journal, recover(self._core, journal, context.log))
        context.manifest.takes(LimitsDesk(context, self._core).take)
        self._checks = CheckDesk(context, self._core, self._recorder)
        self._reports = ReportDesk(context, self._core, self._recorder)
        self._control = ControlDesk(context, self._core, self._checks, self._recorder)
        DifferenceWatch(context, self._core)
        self._trading = TradingDesk(context, self._core, self._recorder)
        self._ticks = self._hear_ticks()
        self._received_ns = 0
        self._status = self._control.status()
        self._begin()

    def ready(self) -> list[str]:
        """Not ready while the mounted manifest is wrong, the journal cannot be written, or a report stays missing."""
        journal = self._recorder.problem
        problems = (self._context.manifest.problem, journal and f"journal: {journal}", *self._reports.problems)
        return [problem for problem in problems if problem]

    def status(self) -> dict[str, Any]:
        """The state of half a second ago at most: another thread asks, and must not touch the state itself."""
        return self._status

    def drain(self) -> None:
        """Books what has arrived and answers it; then all of the journal is on disk, and a snapshot at its end."""
        self._reports.drain()
        self._core.keep_marks()
        self._end_turn()
        if self._recorder.problem or not self._recorder.snapshot():
            self._context.log.error("the journal ends without its last records", reason=self._recorder.problem)

    def _hear_ticks(self) -> MarketDataSubscriber:
        socket = self._context.sockets.sub(Channel.MARKET_DATA, self._context.spec.symbols)
        metrics, clock = self._context.metrics, self._context.clock
        ticks = MarketDataSubscriber(socket, self._on_tick, metrics, self._context.on_gap(), clock.now_ns)
        watch(self._context, ticks, self._context.spec.symbols)
        self._context.loop.on_readable(socket, self._drain_ticks)
        return ticks

    def _begin(self) -> None:
        loop, metrics = self._context.loop, self._context.metrics
        loop.every(ADVANCE_S, self._advance)
        loop.every(STATUS_S, self._refresh_status)
        loop.every(COMPACT_S, self._recorder.compact)
        loop.after_turn(self._end_turn)
        state = self._core.state
        metrics.gauge("reservations", lambda: len(state.reservations))
        metrics.counted("clock_steps", lambda: self._core.clock_steps)
        metrics.counted("ticks_refused", lambda: self._core.ticks_refused)
        metrics.gauge("breaker_state", self._breaker_level)
        for name in ("cash", "equity", "realised", "unrealised", "day_profit", "gross_notional"):
            metrics.gauge(f"ledger_{name}_dollars", partial(self._figure, name))
        for symbol in self._context.spec.symbols:
            metrics.gauge("ledger_position_quantity", partial(self._held, symbol), symbol=symbol)

    def _advance(self) -> None:
        self._core.advance(self._now_ns(), self._context.clock.monotonic_ns())

    def _drain_ticks(self) -> None:
        self._received_ns = self._now_ns()
        self._ticks.drain()

    def _on_tick(self, event: MarketEvent, delivery: Delivery) -> None:
        # A last value sent again to a late joiner is as old as its first publication, and so is one that waited here.
        received_ns = min(self._received_ns, delivery.timestamp_ns)
        if isinstance(event, Quote):
            self._core.on_quote(event, received_ns)
        elif isinstance(event, Trade):
            self._core.on_trade(event, received_ns)

    def _end_turn(self) -> None:
        if self._recorder.end_turn():
            self._reports.answer()
        self._trading.tell()

    def _refresh_status(self) -> None:
        self._status = self._control.status()
        self._context.events.emit(LedgerTold, ledger=ledger_of(self._status))

    def _breaker_level(self) -> float:
        return _BREAKER_LEVELS[self._core.state.breaker.state]

    def _figure(self, name: str) -> float:
        return float(self._status[name])

    def _held(self, symbol: str) -> float:
        return float(self._core.state.ledger.position(symbol).quantity)


def core_of(spec: TradingSystemSpec) -> RiskCore:
    """The core of a manifest.

    In mode simulated the market's time is the tape's and cash begins with the simulator's account; otherwise time is
    the wall's and cash begins at 0, so that it shows what this system earned and spent.
    """
    simulated = spec.mode is Mode.SIMULATED
    return RiskCore(
        spec.risk_limits,
        spec.circuit_breaker,
        spec.broker.simulator.cash if simulated else Decimal(0),
        spec.trading,
        market_clock="tape" if simulated else "wall",
        symbols=spec.symbols,
    )


def build(context: Context) -> Service:
    """The risk manager of this mesh. Raises `JournalError` where its journal is damaged or held by another process."""
    return RiskManager(context)
