"""A tape through the whole mesh in one process: strategies, every risk check, simulated fills, booking, ledger.

The decisions are the services' own (`SignalCore`, `RiskCore`); only what lies between them is missing: no socket, no
broker, no time but the tape's. The same tape gives the same result, to the last id.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from tradingmesh.contract import TradingSystemSpec
from tradingmesh.core.checks import Approved, Check, RiskCheckRequest, RiskCheckResponse, Stage
from tradingmesh.core.fills import BookedReport, Fill, Position, Report
from tradingmesh.core.ids import client_order_id
from tradingmesh.core.market import MarketEvent, Quote, Trade
from tradingmesh.core.money import ZERO, notional
from tradingmesh.core.replay.fills import SimulatedFills
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.ledger import cash_impact
from tradingmesh.core.signals.core import Ask, Effect, Origin, Reject, Send, SignalCore
from tradingmesh.core.signals.roster import Roster, Running

_EPOCH = 1
_TIMEOUT_NS = 1_000_000_000
_WATCH_NS = 1_000_000_000
"""How much market time passes between looks at the breaker and the expiries."""


class ReplayResult(msgspec.Struct, frozen=True):
    """What a replay came to. `realised` and `cash` are exact; `refused` counts by check."""

    trades: int
    quotes: int
    signals: int
    approved: int
    refused: dict[Check, int]
    stopped: dict[str, str]
    fills: list[Fill]
    positions: dict[str, Position]
    cash: Decimal
    realised: Decimal


def replay(spec: TradingSystemSpec, running: Iterable[Running], tape: Iterable[MarketEvent]) -> ReplayResult:
    """Plays the tape to its end. A symbol without quotes trades at its last trade, which stands for bid and ask."""
    return _Replay(spec, running).run(tape)


class _Replay:
    def __init__(self, spec: TradingSystemSpec, running: Iterable[Running]) -> None:
        self._roster = Roster(running)
        self._signals = SignalCore(self._roster, epoch=_EPOCH, timeout_ns=_TIMEOUT_NS, valid_for_ns=_TIMEOUT_NS)
        cash = spec.broker.simulator.cash
        self._risk = RiskCore(spec.risk_limits, spec.circuit_breaker, cash, spec.trading, market_clock="tape")
        self._broker = SimulatedFills(_EPOCH)
        self._per_share = spec.broker.commission_per_share
        self._newest: dict[str, Quote] = {}
        self._approved = 0
        self._refused: dict[Check, int] = {}
        self._fills: list[Fill] = []

    def run(self, tape: Iterable[MarketEvent]) -> ReplayResult:
        """The path of every tick: flat, and each name local, because this loop is what a replay's time goes into."""
        newest, wishes = self._newest, self._signals.on_event
        on_quote, on_trade, advance = self._risk.on_quote, self._risk.on_trade, self._risk.advance
        quoted: set[str] = set()
        trades = quotes = watch_ns = 0
        for event in tape:
            now_ns = event.timestamp_ns
            if type(event) is Trade:
                trades += 1
                symbol = event.symbol
                if symbol in quoted:
                    on_trade(event, now_ns)
                else:
                    price_e4, size = event.price_e4, event.size
                    newest[symbol] = quote = Quote(symbol, price_e4, price_e4, size, size, now_ns)
                    on_quote(quote, now_ns)
            elif type(event) is Quote:
                quotes += 1
                quoted.add(event.symbol)
                newest[event.symbol] = event
                on_quote(event, now_ns)
            if now_ns >= watch_ns:
                watch_ns = now_ns + _WATCH_NS
                advance(now_ns, now_ns)
            heard = wishes(event)
            if heard:
                self._do(self._signals.ask(heard, now_ns, Origin(published_ns=now_ns)), now_ns)
        return self._result(trades, quotes)

    def _do(self, effects: list[Effect], now_ns: int) -> None:
        while effects:
            effect = effects.pop(0)
            if isinstance(effect, Ask):
                decision = self._risk.check(effect.request, now_ns)
                response = RiskCheckResponse(effect.request.request_id, decision, 0, now_ns)
                effects += self._signals.on_answer(response, now_ns)
            elif isinstance(effect, Send):
                effects += self._signals.sent(effect, delivered=True)
                self._execute(effect, now_ns)
            elif isinstance(effect, Reject):
                self._count_refusal(effect.refused.check)

    def _execute(self, send: Send, now_ns: int) -> None:
        """As the execution engine: asks again right before it would submit, then trades."""
        signal, approval = send.approved.signal, send.approved.approval
        request_id = client_order_id(signal.signal_id, _EPOCH)
        request = RiskCheckRequest(
            request_id, Stage.ORDER, signal, signal.reference_price, now_ns, approval.reservation_id
        )
        decision = self._risk.check(request, now_ns)
        if not isinstance(decision, Approved):
            self._count_refusal(decision.check)
            return
        self._approved += 1
        self._book(self._broker.execute(send.approved, self._newest[signal.symbol]), now_ns)

    def _book(self, report: Report, now_ns: int) -> None:
        body, commission, cash = report.body, ZERO, ZERO
        if isinstance(body, Fill):
            commission = notional(body.quantity, self._per_share)
            cash = cash_impact(body.side, body.quantity, body.price, commission)
            self._fills.append(body)
        self._risk.apply(BookedReport(report, commission, cash), now_ns)
        self._risk.take_records()

    def _count_refusal(self, check: Check) -> None:
        self._refused[check] = self._refused.get(check, 0) + 1

    def _result(self, trades: int, quotes: int) -> ReplayResult:
        ledger = self._risk.state.ledger
        return ReplayResult(
            trades=trades,
            quotes=quotes,
            signals=self._signals.signals,
            approved=self._approved,
            refused=self._refused,
            stopped=self._roster.stopped,
            fills=self._fills,
            positions={position.symbol: position for position in ledger.positions()},
            cash=ledger.cash,
            realised=ledger.realised,
        )
