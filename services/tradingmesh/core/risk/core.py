"""The risk manager's decisions: may this be traded, and what a report of the broker does to the books.

Deterministic, without a clock: the same calls in the same order give the same decisions, and folding the records they
leave gives the same state. Ticks are the hot path: they store integers and decide nothing.
"""

import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from tradingmesh.contract import FLATTEN, CircuitBreakerSpec, RiskLimits, TradingState
from tradingmesh.core.checks import Approved, ApprovedSignal, Check, Decision, Refused, RiskCheckRequest, Stage
from tradingmesh.core.errors import InputError
from tradingmesh.core.fills import Body, BookedReport, Fill, Position, ReportAnswer, ReportApplied, ReportSetAside
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.place import Place, PoisonReport
from tradingmesh.core.risk.closing import ClosingOrders
from tradingmesh.core.risk.day import Day, DayWatch, day_of
from tradingmesh.core.risk.lapses import Lapses
from tradingmesh.core.risk.limits import Limits
from tradingmesh.core.risk.pre_trade import ORDER_PLAN, REPEAT_PLAN, SIGNAL_PLAN, Ask, Plan
from tradingmesh.core.risk.records import (
    Confirmed,
    DayStarted,
    Expired,
    FlattenBegan,
    FlattenEnded,
    Marked,
    PoisonKept,
    ReportBooked,
    ReportKept,
    Reserved,
    RiskRecord,
    SwitchSet,
    WriterSeen,
)
from tradingmesh.core.risk.reports import CONTESTED, Handed, fault_of, opening_fault, place_of
from tradingmesh.core.risk.reservations import SIGNAL_HORIZON_NS, expiry_ns, reservation_id
from tradingmesh.core.risk.snapshot import RiskSnapshot
from tradingmesh.core.risk.state import RiskState
from tradingmesh.core.risk.symbol_book import SymbolBook
from tradingmesh.core.risk.units import PRICE_MAX, PRICE_MAX_E4, QUANTITY_MAX, e9
from tradingmesh.core.signal import OrderType, Signal
from tradingmesh.core.standing import OpeningPosition

MarketClock = Literal["tape", "wall"]
MARKS_EVERY_NS = 5_000_000_000


class RiskCore:
    """The checks, the ledger and the breaker of one mesh.

    `symbols` are those that are quoted; where none is named all are. `market_clock` says what time the market has: the
    wall's, or (`tape`) the newest tick's over all symbols.
    Every time given to a method is in nanoseconds; `now_ns` and `received_ns` are wall time, which may be set while the
    mesh runs; `monotonic_ns` never is, and what must last a while is reckoned by it.
    """

    def __init__(
        self,
        limits: RiskLimits,
        breaker: CircuitBreakerSpec,
        cash: Decimal,
        trading: TradingState = TradingState.ACTIVE,
        market_clock: MarketClock = "wall",
        symbols: Iterable[str] = (),
    ) -> None:
        self.state = RiskState(limits, breaker, cash, trading, frozenset(symbols))
        self._tape = market_clock == "tape"
        self._tick_ns = 0
        self._tape_day_end_ns = 0 if self._tape else sys.maxsize
        self._days = DayWatch()
        self._lapses = Lapses()
        self._closing = ClosingOrders(self.state, self._decide)
        self._marked_ns = 0
        self.ticks_refused = 0
        self._records: list[RiskRecord] = []

    def on_quote(self, quote: Quote, received_ns: int) -> None:
        """Takes a quote, as it is: one with a side missing makes the symbol unquoted. One at no price is left out."""
        if quote.ask_e4 > PRICE_MAX_E4 or quote.bid_e4 > PRICE_MAX_E4:
            self.ticks_refused += 1
            return
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
        if book.quantity_e9 or book.buying_marked_e9 or book.selling_marked_e9:  # what the mark decides
            self.state.stale.add(book)

    def on_trade(self, trade: Trade, received_ns: int) -> None:  # noqa: ARG002 - a trade's age is never asked for
        """Takes a trade: the mark of symbols that nobody quotes. One at no price is left out."""
        if trade.price_e4 > PRICE_MAX_E4:
            self.ticks_refused += 1
            return
        if trade.timestamp_ns > self._tick_ns:
            self._take_time(trade.timestamp_ns)
        book = self.state.books.get(trade.symbol)
        if book is None:
            book = self.state.book(trade.symbol)
        book.last_e4 = trade.price_e4
        if book.quantity_e9 or book.buying_marked_e9 or book.selling_marked_e9:  # what the mark decides
            self.state.stale.add(book)

    def check(self, request: RiskCheckRequest, now_ns: int) -> Decision:
        """May this be traded? An approval at stage SIGNAL reserves; one at stage ORDER confirms that reservation.

        Asked again with the same request, it answers alike and reserves nothing twice.
        """
        if request.signal.strategy == FLATTEN and request.stage is Stage.SIGNAL:
            return Refused(Check.REQUEST, f"{Check.REQUEST}: strategy {FLATTEN} is the risk manager's own")
        return self._decide(request, now_ns)

    def _decide(self, request: RiskCheckRequest, now_ns: int) -> Decision:
        self._take_effect(now_ns, None)
        try:
            ask = self._ask(request, now_ns)
        except InputError as error:
            return Refused(Check.REQUEST, f"{Check.REQUEST}: {error}")
        if ask.writer.epoch > self.state.writer_epoch:
            self._record(WriterSeen(ask.writer.epoch))
        plan = _plan_of(ask)
        for count, (check, test) in enumerate(plan.tests):
            reason = test(self.state, ask)
            if reason:
                return Refused(check, f"{check}: {reason}", plan.passed[count])
        return self._approve(ask, plan.passed[-1])

    def apply(self, handed: Handed, now_ns: int) -> tuple[ReportAnswer, ...]:
        """Takes a report, and gives every answer that became final by it: its own, and those that waited for it.

        Empty where reports before it are missing: it is held until they came, or comes again. Nothing is answered twice
        as new. The caller must have `take_records` on disk before it lets an answer out.
        """
        self._take_effect(now_ns, None)
        place = place_of(handed)
        line, number = place[:2], place.symbol_sequence
        expected = self.state.reports.next_of(line)
        if number < 1:
            return (_set_aside(place, f"symbol_sequence {number} is below 1"),)
        if number < expected:
            return (self._answer_again(handed),)
        if number > expected:
            self.state.reports.hold(handed)
            return ()
        answers = [self._take_report(handed)]
        while (waiting := self.state.reports.take_waiting(line)) is not None:
            answers.append(self._take_report(waiting))
        self._watch(now_ns, None)
        return tuple(answers)

    def advance(self, now_ns: int, monotonic_ns: int) -> None:
        """Lets time take effect: a new trading day, reservations that expired, the breaker's next move.

        To be called several times a second. What is decided in between starts no day and ends no wait.
        """
        day = self.state.day
        if self._days.begins(Day(day.start_ns, day.end_ns), now_ns, monotonic_ns) and not self._tape:
            self._start_day(now_ns)
        for key in self._lapses.due(self.state.reservations, monotonic_ns):
            self._record(Expired(key))
        self._take_effect(now_ns, monotonic_ns)
        if monotonic_ns - self._marked_ns >= MARKS_EVERY_NS:
            self._marked_ns = monotonic_ns
            self.keep_marks()

    def keep_marks(self) -> None:
        """Leaves a record of the marks that moved, so that after a restart nothing looks won or lost that was not."""
        moved = {
            symbol: book.mark_e9
            for symbol, book in sorted(self.state.books.items())
            if book.quantity_e9 and book.mark_e9 != book.seed_e9
        }
        if moved:
            self._record(Marked(moved))

    @property
    def clock_steps(self) -> int:
        """How often the wall clock was set while this core watched it."""
        return self._days.steps

    def set_limits(self, limits: RiskLimits, breaker: CircuitBreakerSpec, trading: TradingState) -> None:
        """Takes what the manifest says now. Configuration, so it leaves no record."""
        self.state.limits = Limits(limits)
        self.state.breaker.spec = breaker
        self.state.set_trading(manifest=trading)

    def set_switch(self, trading: TradingState) -> None:
        """A person halts, reduces or resumes. The manifest's own trading state still holds where it is stricter.

        To halt or to resume also ends a flatten.
        """
        self._record(SwitchSet(trading))
        if self.state.flatten.active and trading is not TradingState.REDUCING:
            self._record(FlattenEnded(f"stopped: the switch was set to {trading.value}"))

    def flatten(self, symbol: str = "") -> None:
        """A person wants every position closed, or the one of `symbol`: from now on only what reduces may trade.

        Raises `InputError` where the manifest halts trading, or nothing is held of `symbol` and nothing works.
        """
        state = self.state
        if state.manifest_trading is TradingState.HALTED:
            raise InputError("the manifest halts trading, which closing orders obey too: set it to Reducing first")
        if symbol and not (state.ledger.position(symbol).quantity or symbol in state.working_symbols()):
            raise InputError(f"there is neither a position in {symbol!r} nor a working order")
        self._record(SwitchSet(TradingState.REDUCING))
        self._record(FlattenBegan(state.flatten.number + 1, symbol))

    def closing_orders(self, now_ns: int, monotonic_ns: int) -> list[ApprovedSignal]:
        """The closing orders that are due, approved like any other; the execution engine is to be handed them.

        To be called several times a second: the first call that finds all flat ends the flatten.
        """
        if not self.state.flatten.active:
            return []
        given = self._closing.give(now_ns, self.market_ns(now_ns), monotonic_ns)
        if self._closing.done():
            self._record(FlattenEnded(self._closing.outcome()))
        return given

    def reset_breaker(self, now_ns: int) -> None:
        """A person closes the breaker. Raises `InputError` where it is closed, or the loss is still past its limit."""
        self._record(self.state.breaker.reset(now_ns, self.state.loss()))

    def take_records(self) -> list[RiskRecord]:
        """The records since the last call, in order: for the journal."""
        taken, self._records = self._records, []
        return taken

    def restore(self, records: Iterable[RiskRecord], snapshot: RiskSnapshot | None = None) -> None:
        """Folds the records of an earlier life into this new core: then it is where that one was, but for prices.

        With a snapshot, only the records after it.
        """
        if snapshot is not None:
            self.state.load(snapshot)
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

    def _take_effect(self, now_ns: int, monotonic_ns: int | None) -> None:
        state = self.state
        if not self._tape and not state.day.end_ns:
            self._start_day(now_ns)
        for reservation in state.reservations.expired(now_ns):
            self._record(Expired(reservation.reservation_id))
        self._watch(now_ns, monotonic_ns)

    def _watch(self, now_ns: int, monotonic_ns: int | None) -> None:
        moved = self.state.breaker.observe(now_ns, monotonic_ns, self.state.loss())
        if moved is not None:
            self.keep_marks()  # a restart must not see another loss than the one that moved it
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
            writer=request.writer,
            symbol_acked=request.symbol_acked,
            acked=request.acked,
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
                self._record(Confirmed(found.reservation_id, ask.request_id, ask.writer))
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

    def _take_report(self, handed: Handed) -> ReportAnswer:
        if isinstance(handed, PoisonReport):
            return self._keep(handed, handed.reason)
        booked, body = handed, handed.report.body
        fault = fault_of(booked) or self._clash(body)
        if fault:
            return self._keep(booked, fault)
        doubled = isinstance(body, Fill) and self.state.reports.knows_fill(body)
        before = self.state.ledger.position(body.symbol)
        self._record(ReportBooked(booked))
        return self._applied(booked, before, duplicate=doubled)

    def _clash(self, body: Body) -> str:
        if isinstance(body, OpeningPosition):
            return opening_fault(body, self.state.ledger)
        return self.state.reports.clash(body) if isinstance(body, Fill) else ""

    def _keep(self, handed: Handed, reason: str) -> ReportSetAside:
        """Sets it aside: of what it says nothing takes effect, and a person must look."""
        if isinstance(handed, PoisonReport):
            self._record(PoisonKept(PoisonReport(handed.place, handed.raw, reason)))
        else:
            self._record(ReportKept(handed, reason))
        return _set_aside(place_of(handed), reason)

    def _answer_again(self, handed: Handed) -> ReportAnswer:
        """Its place is taken: by itself, which is harmless, or by another one, which a person must look at."""
        reason = self.state.reports.kept_reason(handed)
        if reason is not None:
            return _set_aside(place_of(handed), reason)
        if isinstance(handed, PoisonReport) or not self.state.reports.took(handed):
            return self._keep(handed, CONTESTED)
        return self._applied(handed, self.state.ledger.position(handed.report.body.symbol), duplicate=True)

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


def _set_aside(place: Place, reason: str) -> ReportSetAside:
    return ReportSetAside(*place, reason)
