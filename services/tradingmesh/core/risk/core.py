"""The risk manager's decisions: may this be traded, and what a report of the broker does to the books.

Deterministic, without a clock: the same calls in the same order give the same decisions, and folding the records they
leave gives the same state. Ticks are the hot path: they store integers and decide nothing.
"""

import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from tradingmesh.contract import CircuitBreakerSpec, RiskLimits, TradingState
from tradingmesh.core.checks import Approved, Check, Decision, Refused, RiskCheckRequest, Stage
from tradingmesh.core.errors import InputError
from tradingmesh.core.fills import BookedReport, Fill, Position, ReportAnswer, ReportApplied, ReportSetAside
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.risk.day import day_of
from tradingmesh.core.risk.limits import Limits
from tradingmesh.core.risk.pre_trade import ORDER_PLAN, REPEAT_PLAN, SIGNAL_PLAN, Ask, Plan
from tradingmesh.core.risk.records import (
    Confirmed,
    DayStarted,
    Expired,
    ReportBooked,
    ReportKept,
    Reserved,
    RiskRecord,
    SwitchSet,
)
from tradingmesh.core.risk.reports import fault_of, line_of
from tradingmesh.core.risk.reservations import SIGNAL_HORIZON_NS, expiry_ns, reservation_id
from tradingmesh.core.risk.state import RiskState
from tradingmesh.core.risk.symbol_book import SymbolBook
from tradingmesh.core.risk.units import PRICE_MAX, QUANTITY_MAX, e9
from tradingmesh.core.signal import OrderType, Signal

MarketClock = Literal["tape", "wall"]


class RiskCore:
    """The checks, the ledger and the breaker of one mesh.

    `market_clock` says what time the market has: the wall's, or (`tape`) the newest tick's over all symbols.
    Every time given to a method is in nanoseconds; `now_ns` and `received_ns` are wall time.
    """

    def __init__(
        self,
        limits: RiskLimits,
        breaker: CircuitBreakerSpec,
        cash: Decimal,
        trading: TradingState = TradingState.ACTIVE,
        market_clock: MarketClock = "wall",
    ) -> None:
        self.state = RiskState(limits, breaker, cash, trading)
        self._tape = market_clock == "tape"
        self._tick_ns = 0
        self._tape_day_end_ns = 0 if self._tape else sys.maxsize
        self._records: list[RiskRecord] = []

    def on_quote(self, quote: Quote, received_ns: int) -> None:
        """Takes a quote, as it is: one with a side missing makes the symbol unquoted."""
        time_ns = quote.timestamp_ns
        if time_ns > self._tick_ns:
            self._take_time(time_ns)
        book = self.state.books.get(quote.symbol)
        if book is None:
            book = self.state.book(quote.symbol)
        book.bid_e4 = quote.bid_e4
        book.ask_e4 = quote.ask_e4
        book.quote_ns = time_ns
        book.received_ns = received_ns
        if book.quantity_e9:
            self.state.stale.add(book)

    def on_trade(self, trade: Trade, received_ns: int) -> None:  # noqa: ARG002 - a trade's age is never asked for
        """Takes a trade: the mark of symbols that nobody quotes."""
        if trade.timestamp_ns > self._tick_ns:
            self._take_time(trade.timestamp_ns)
        book = self.state.books.get(trade.symbol)
        if book is None:
            book = self.state.book(trade.symbol)
        book.last_e4 = trade.price_e4
        if book.quantity_e9:
            self.state.stale.add(book)

    def check(self, request: RiskCheckRequest, now_ns: int) -> Decision:
        """May this be traded? An approval at stage SIGNAL reserves; one at stage ORDER confirms that reservation.

        Asked again with the same request, it answers alike and reserves nothing twice.
        """
        self.advance(now_ns)
        try:
            ask = self._ask(request, now_ns)
        except InputError as error:
            return Refused(Check.REQUEST, f"{Check.REQUEST}: {error}")
        plan = _plan_of(ask)
        for count, (check, test) in enumerate(plan.tests):
            reason = test(self.state, ask)
            if reason:
                return Refused(check, f"{check}: {reason}", plan.passed[count])
        return self._approve(ask, plan.passed[-1])

    def apply(self, booked: BookedReport, now_ns: int) -> tuple[ReportAnswer, ...]:
        """Takes a report, and gives every answer that became final by it: its own, and those that waited for it.

        Empty where reports before it are missing: it is held until they came, or comes again. Nothing is answered twice
        as new. The caller must have `take_records` on disk before it lets an answer out.
        """
        self.advance(now_ns)
        line, number = line_of(booked.report), booked.report.symbol_sequence
        expected = self.state.reports.next_of(line)
        if number < 1:
            return (_set_aside(booked, f"symbol_sequence {number} is below 1"),)
        if number < expected:
            return (self._answer_again(booked),)
        if number > expected:
            self.state.reports.hold(booked)
            return ()
        answers = [self._take_report(booked)]
        while (waiting := self.state.reports.take_waiting(line)) is not None:
            answers.append(self._take_report(waiting))
        self._watch(now_ns)
        return tuple(answers)

    def advance(self, now_ns: int) -> None:
        """Lets time take effect: a new trading day, reservations that expired, the breaker's next move."""
        state = self.state
        if not self._tape and now_ns >= state.day.end_ns:
            self._start_day(now_ns)
        for reservation in state.reservations.expired(now_ns):
            self._record(Expired(reservation.reservation_id))
        self._watch(now_ns)

    def set_limits(self, limits: RiskLimits, breaker: CircuitBreakerSpec, trading: TradingState) -> None:
        """Takes what the manifest says now. Configuration, so it leaves no record."""
        self.state.limits = Limits(limits)
        self.state.breaker.spec = breaker
        self.state.set_trading(manifest=trading)

    def set_switch(self, trading: TradingState) -> None:
        """A person halts, reduces or resumes. The manifest's own trading state still holds where it is stricter."""
        self._record(SwitchSet(trading))

    def reset_breaker(self, now_ns: int) -> None:
        """A person closes the breaker. Raises `InputError` where it is closed, or the loss is still past its limit."""
        self._record(self.state.breaker.reset(now_ns, self.state.loss()))

    def take_records(self) -> list[RiskRecord]:
        """The records since the last call, in order: for the journal."""
        taken, self._records = self._records, []
        return taken

    def restore(self, records: Iterable[RiskRecord]) -> None:
        """Folds the records of an earlier life into this new core: then it is where that one was, but for prices."""
        for record in records:
            self.state.fold(record)
        if self._tape:
            self._tape_day_end_ns = self.state.day.end_ns

    def market_ns(self, now_ns: int) -> int:
        """The market's time."""
        return self._tick_ns if self._tape else now_ns

    def _record(self, record: RiskRecord) -> None:
        self.state.fold(record)
        self._records.append(record)

    def _take_time(self, tick_ns: int) -> None:
        self._tick_ns = tick_ns
        if tick_ns >= self._tape_day_end_ns:
            self._start_day(tick_ns)
            self._tape_day_end_ns = self.state.day.end_ns

    def _start_day(self, market_ns: int) -> None:
        day = day_of(market_ns)
        equity = self.state.ledger.equity(self.state.marks())
        self._record(DayStarted(day.start_ns, day.end_ns, equity))

    def _watch(self, now_ns: int) -> None:
        moved = self.state.breaker.observe(now_ns, self.state.loss())
        if moved is not None:
            self._record(moved)

    def _ask(self, request: RiskCheckRequest, now_ns: int) -> Ask:
        signal = request.signal
        if signal.valid_until_ns <= now_ns and request.stage is Stage.SIGNAL:
            raise InputError(f"signal {signal.signal_id} is past its valid-until")
        if signal.valid_until_ns > now_ns + SIGNAL_HORIZON_NS:
            raise InputError(f"signal {signal.signal_id} would be valid for more than an hour")
        if not (signal.reference_price.is_finite() and request.current_price.is_finite()):
            raise InputError("reference_price and current_price must be finite numbers")
        book = self.state.books.get(signal.symbol) or SymbolBook(signal.symbol)
        return Ask(
            signal=signal,
            stage=request.stage,
            request_id=request.request_id,
            reservation_id=request.reservation_id,
            book=book,
            limits=self.state.limits.of(signal.symbol),
            quantity_e9=e9(signal.quantity, "quantity", QUANTITY_MAX),
            price_e9=_price_e9(signal, book),
            now_ns=now_ns,
            market_ns=self.market_ns(now_ns),
            reservation=self.state.reservations.get(reservation_id(signal.signal_id)),
        )

    def _approve(self, ask: Ask, passed: tuple[Check, ...]) -> Approved:
        found = ask.reservation
        if ask.stage is Stage.ORDER and found is not None:
            if not found.confirmed_by:
                self._record(Confirmed(found.reservation_id, ask.request_id))
            return Approved(found.reservation_id, found.expires_ns, passed)
        if found is None:
            self._record(
                Reserved(
                    reservation_id(ask.signal.signal_id),
                    ask.signal,
                    ask.price_e9,
                    expiry_ns(ask.signal, ask.now_ns),
                    ask.now_ns,
                    ask.market_ns,
                )
            )
            return Approved(reservation_id(ask.signal.signal_id), expiry_ns(ask.signal, ask.now_ns), passed)
        return Approved(found.reservation_id, found.expires_ns, passed)

    def _take_report(self, booked: BookedReport) -> ReportAnswer:
        body = booked.report.body
        fault = fault_of(booked)
        if fault:
            self._record(ReportKept(booked, fault))
            return _set_aside(booked, fault)
        doubled = isinstance(body, Fill) and self.state.reports.knows_fill(body.fill_id)
        before = self.state.ledger.position(body.symbol)
        self._record(ReportBooked(booked))
        return self._applied(booked, before, duplicate=doubled)

    def _answer_again(self, booked: BookedReport) -> ReportAnswer:
        reason = self.state.reports.kept_reason(booked.report)
        if reason is not None:
            return _set_aside(booked, reason)
        return self._applied(booked, self.state.ledger.position(booked.report.body.symbol), duplicate=True)

    def _applied(self, booked: BookedReport, before: Position, *, duplicate: bool) -> ReportApplied:
        report, ledger = booked.report, self.state.ledger
        after = ledger.position(report.body.symbol)
        return ReportApplied(
            report.outbox_epoch, report.body.symbol, report.symbol_sequence, duplicate, before, after, ledger.cash
        )


def _plan_of(ask: Ask) -> Plan:
    if ask.stage is Stage.ORDER:
        return ORDER_PLAN
    found = ask.reservation
    repeated = found is not None and not found.confirmed_by and found.signal == ask.signal
    return REPEAT_PLAN if repeated else SIGNAL_PLAN


def _price_e9(signal: Signal, book: SymbolBook) -> int:
    if signal.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) and signal.limit_price is None:
        raise InputError(f"a {signal.order_type} order needs a limit_price")
    if signal.order_type in (OrderType.STOP, OrderType.STOP_LIMIT) and signal.stop_price is None:
        raise InputError(f"a {signal.order_type} order needs a stop_price")
    stop_e9 = e9(signal.stop_price, "stop_price", PRICE_MAX) if signal.stop_price is not None else 0
    if signal.limit_price is not None:
        return e9(signal.limit_price, "limit_price", PRICE_MAX)
    return stop_e9 or book.far_side_e9(signal.side)


def _set_aside(booked: BookedReport, reason: str) -> ReportSetAside:
    report = booked.report
    return ReportSetAside(report.outbox_epoch, report.body.symbol, report.symbol_sequence, reason)
