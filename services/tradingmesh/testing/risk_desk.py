"""A `RiskCore` with a clock that is set by hand: says in one short line what a test or a scenario does to it."""

from decimal import Decimal
from typing import Any

from tradingmesh.contract import CircuitBreakerSpec, RiskLimits, TradingState
from tradingmesh.core.checks import NOBODY, Decision, RiskCheckRequest, Stage, Writer
from tradingmesh.core.fills import Body, BookedReport, Fill, OrderClosed, Report, ReportAnswer
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.money import EXACT, ZERO, to_e4
from tradingmesh.core.risk.core import MarketClock, RiskCore
from tradingmesh.core.risk.ledger import cash_impact
from tradingmesh.core.risk.records import RiskRecord, decode, encode
from tradingmesh.core.risk.reservations import reservation_id
from tradingmesh.core.signal import OrderType, Side, Signal
from tradingmesh.core.standing import OrderWorking

START_NS = 1_381_152_600_000_000_000
"""2013-10-07 09:30 in New York."""
SECOND_NS = 1_000_000_000
VALID_NS = 10 * SECOND_NS
OUTBOX = 7

GENEROUS: dict[str, Any] = {
    "max_order_quantity": Decimal(1_000),
    "max_order_notional": Decimal(250_000),
    "max_position_quantity": Decimal(2_000),
    "max_position_notional": Decimal(500_000),
    "max_gross_notional": Decimal(1_000_000),
    "max_daily_loss": Decimal(5_000),
    "max_open_orders": 20,
    "max_orders_per_minute": 120,
    "price_collar_percent": Decimal(3),
    "max_quote_age_ms": 5_000,
    "duplicate_window_ms": 0,
}
"""The limits of the sample manifest, and no window for duplicates."""


def limits(**changed: Any) -> RiskLimits:
    """Limits that let ordinary orders through, with these changed."""
    return RiskLimits(**{**GENEROUS, **changed})


class RiskDesk:
    """The core, its wall clock, the reports' sequences, and every record it left so far."""

    def __init__(
        self,
        risk_limits: RiskLimits | None = None,
        *,
        cash: Decimal = Decimal(1_000_000),
        trading: TradingState = TradingState.ACTIVE,
        breaker: CircuitBreakerSpec | None = None,
        market_clock: MarketClock = "wall",
    ) -> None:
        self._arguments = (risk_limits or limits(), breaker or CircuitBreakerSpec(), cash, trading, market_clock)
        self.core = RiskCore(*self._arguments)
        self.now_ns = START_NS
        self.monotonic_ns = 0
        self.records: list[RiskRecord] = []
        self._sequences: dict[str, int] = {}
        self._filled: dict[str, Decimal] = {}

    def wait(self, seconds: Decimal | float) -> None:
        """Time goes by, and is let take effect."""
        self.now_ns += int(seconds * SECOND_NS)
        self.monotonic_ns += int(seconds * SECOND_NS)
        self.core.advance(self.now_ns, self.monotonic_ns)

    def set_clock(self, seconds: Decimal | float) -> None:
        """The wall clock is set forward, or back, while no time goes by."""
        self.now_ns += int(seconds * SECOND_NS)

    def quote(self, symbol: str, bid: str, ask: str, at_ns: int | None = None) -> None:
        """A quote comes in."""
        at_ns = self.now_ns if at_ns is None else at_ns
        self.core.on_quote(Quote(symbol, to_e4(Decimal(bid)), to_e4(Decimal(ask)), 100, 100, at_ns), self.now_ns)

    def trade(self, symbol: str, price: str) -> None:
        """A trade comes in."""
        self.core.on_trade(Trade(symbol, to_e4(Decimal(price)), 100, self.now_ns), self.now_ns)

    def signal(self, name: str, side: Side, quantity: str, symbol: str = "IBM", limit: str | None = None) -> Signal:
        """A signal as a strategy would give it now; a limit order where `limit` is given."""
        return Signal(
            signal_id=name,
            strategy="desk",
            symbol=symbol,
            side=side,
            quantity=Decimal(quantity),
            reference_price=Decimal(100),
            generated_ns=self.now_ns,
            valid_until_ns=self.now_ns + VALID_NS,
            order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit_price=None if limit is None else Decimal(limit),
        )

    def ask(self, signal: Signal) -> Decision:
        """Asks for a reservation."""
        request = RiskCheckRequest(f"{signal.signal_id}/signal", Stage.SIGNAL, signal, Decimal(100), self.now_ns)
        return self.core.check(request, self.now_ns)

    def confirm(self, signal: Signal, by: str = "", writer: Writer = NOBODY, **acked: int) -> Decision:
        """Asks again, as the execution engine does before it submits."""
        key = reservation_id(signal.signal_id)
        request_id = by or f"tm-{signal.signal_id}"
        request = RiskCheckRequest(request_id, Stage.ORDER, signal, Decimal(100), self.now_ns, key, writer, **acked)
        return self.core.check(request, self.now_ns)

    def filled(
        self, signal: Signal, quantity: str, price: str, commission: str = "0", *, ours: bool = True
    ) -> BookedReport:
        """The report of a fill, next in its symbol's sequence; `ours` is false for an order placed elsewhere."""
        fill = Fill(
            fill_id=f"f-{signal.symbol}-{self._sequences.get(signal.symbol, 0)}",
            order_id=f"o-{signal.signal_id}",
            client_order_id=f"tm-{signal.signal_id}",
            symbol=signal.symbol,
            side=signal.side,
            quantity=Decimal(quantity),
            price=Decimal(price),
            cumulative_quantity=self._progress(signal.signal_id, Decimal(quantity)),
            timestamp_ns=self.now_ns,
        )
        impact = cash_impact(fill.side, fill.quantity, fill.price, Decimal(commission))
        return BookedReport(
            self._report(fill, reservation_id(signal.signal_id) if ours else ""), Decimal(commission), impact
        )

    def closed(self, signal: Signal, status: str = "canceled", by: str = "") -> BookedReport:
        """The report of an order's end, next in its symbol's sequence."""
        name = signal.signal_id
        end = OrderClosed(f"o-{name}", by or f"tm-{name}", signal.symbol, status, ZERO, self.now_ns)
        return self.report(end, reservation_id(name))

    def working(self, name: str, side: Side, quantity: str | None, price: str | None, **more: Any) -> BookedReport:
        """The report of an order placed elsewhere, next in its symbol's sequence."""
        amount = None if quantity is None else Decimal(quantity)
        limit = None if price is None else Decimal(price)
        return self.report(
            OrderWorking(f"o-{name}", name, more.pop("symbol", "IBM"), side, amount, limit, **more), name
        )

    def report(self, body: Body, key: str = "") -> BookedReport:
        """A report that moves no cash, next in its sequence."""
        return BookedReport(self._report(body, key), ZERO, ZERO)

    def apply(self, booked: BookedReport) -> tuple[ReportAnswer, ...]:
        """Hands a report to the core."""
        return self.core.apply(booked, self.now_ns)

    def buy(self, symbol: str, quantity: str, price: str) -> None:
        """A position comes about: a fill of an order placed elsewhere."""
        self.apply(self.filled(self.signal("adopted", Side.BUY, quantity, symbol), quantity, price, ours=False))

    def sell(self, symbol: str, quantity: str, price: str) -> None:
        """The same, the other way."""
        self.apply(self.filled(self.signal("adopted", Side.SELL, quantity, symbol), quantity, price, ours=False))

    def keep_records(self) -> list[RiskRecord]:
        """Every record so far, as it comes back from a journal."""
        self.records += [decode(encode(record)) for record in self.core.take_records()]
        return self.records

    def restarted(self) -> RiskCore:
        """A new core with the state that the records give. It has heard no tick."""
        core = RiskCore(*self._arguments)
        core.restore(self.keep_records())
        return core

    def _progress(self, name: str, quantity: Decimal) -> Decimal:
        filled = self._filled[name] = EXACT.add(self._filled.get(name, ZERO), quantity)
        return filled

    def _report(self, body: Body, key: str) -> Report:
        number = self._sequences[body.symbol] = self._sequences.get(body.symbol, 0) + 1
        return Report(OUTBOX, number, key, body)
