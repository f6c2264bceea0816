"""All that the risk manager knows. Records change what must survive a restart; ticks change only prices.

`fold` is the one way a record takes effect, live and in a replay of the journal alike.
"""

from collections.abc import Callable
from decimal import Decimal

from tradingmesh.contract import CircuitBreakerSpec, RiskLimits, TradingState
from tradingmesh.core.fills import Fill
from tradingmesh.core.risk.breaker import Breaker, BreakerMoved
from tradingmesh.core.risk.ledger import Ledger
from tradingmesh.core.risk.limits import Limits
from tradingmesh.core.risk.rate import RecentOrders, order_key
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
from tradingmesh.core.risk.reports import ReportSequences
from tradingmesh.core.risk.reservations import Reservation, Reservations
from tradingmesh.core.risk.symbol_book import SymbolBook
from tradingmesh.core.risk.units import scaled, text_e18

_STRICTEST = (TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE)


class RiskState:
    """The state, its sums, and the fold.

    `manifest_trading` is what the manifest says and `switch` what a person said; the stricter of the two holds.
    """

    def __init__(self, limits: RiskLimits, breaker: CircuitBreakerSpec, cash: Decimal, trading: TradingState) -> None:
        self.limits = Limits(limits)
        self.manifest_trading = self.trading = trading
        self.switch = TradingState.ACTIVE
        self.breaker = Breaker(breaker)
        self.ledger = Ledger(cash)
        self.reservations = Reservations()
        self.recent = RecentOrders()
        self.reports = ReportSequences()
        self.day = DayStarted(0, 0, cash)
        self.books: dict[str, SymbolBook] = {}
        self.stale: set[SymbolBook] = set()
        """Books whose value changed since it was last added up."""
        self._cash_e18 = self._day_e18 = scaled(cash, 18)
        self._held_e18 = self._gross_e18 = 0
        self._folds: dict[type[RiskRecord], Callable[..., None]] = {
            Reserved: self._fold_reserved,
            Confirmed: self._fold_confirmed,
            Expired: lambda record: self._release(record.reservation_id),
            ReportBooked: self._fold_booked,
            ReportKept: lambda record: self.reports.keep(record.booked.report, record.reason),
            DayStarted: self._fold_day,
            SwitchSet: self._fold_switch,
            BreakerMoved: self.breaker.fold,
        }

    def fold(self, record: RiskRecord) -> None:
        """Takes the record's effect. A record that was decided on this state never fails to fold."""
        self._folds[type(record)](record)

    def set_trading(self, *, manifest: TradingState | None = None, switch: TradingState | None = None) -> None:
        """Takes what the manifest or a person says; `trading` is what may be traded now."""
        self.manifest_trading = manifest or self.manifest_trading
        self.switch = switch or self.switch
        self.trading = next(state for state in _STRICTEST if state in (self.manifest_trading, self.switch))

    def book(self, symbol: str) -> SymbolBook:
        """The symbol's book, made at first use."""
        found = self.books.get(symbol)
        if found is None:
            found = self.books[symbol] = SymbolBook(symbol)
        return found

    @property
    def equity_e18(self) -> int:
        """Cash and every position at its mark."""
        if self.stale:
            self._add_up()
        return self._cash_e18 + self._held_e18

    @property
    def gross_e18(self) -> int:
        """Over all symbols, the larger of the long and the short notional that working orders could lead to."""
        if self.stale:
            self._add_up()
        return self._gross_e18

    @property
    def day_profit_e18(self) -> int:
        """Equity now less equity when the New York day began."""
        if self.stale:
            self._add_up()
        return self._cash_e18 + self._held_e18 - self._day_e18

    def loss(self) -> str:
        """How the day's loss is past its limit, in a sentence; empty while it is not."""
        limit_e18 = self.limits.daily_loss_e18
        loss_e18 = -self.day_profit_e18
        if limit_e18 is None or loss_e18 <= limit_e18:
            return ""
        return f"the day's loss is {text_e18(loss_e18)}, limit is {text_e18(limit_e18)}"

    def marks(self) -> dict[str, Decimal]:
        """The mark of every symbol with a position or a price."""
        return {symbol: book.mark for symbol, book in self.books.items()}

    def _add_up(self) -> None:
        for book in self.stale:
            held_e18 = book.quantity_e9 * book.mark_e9
            gross_e18 = max(held_e18 + book.buying_e18, book.selling_e18 - held_e18)
            self._held_e18 += held_e18 - book.held_e18
            self._gross_e18 += gross_e18 - book.gross_e18
            book.held_e18, book.gross_e18 = held_e18, gross_e18
        self.stale.clear()

    def _fold_reserved(self, record: Reserved) -> None:
        signal = record.signal
        reservation = Reservation(
            record.reservation_id, signal, scaled(signal.quantity, 9), record.price_e9, record.expires_ns
        )
        self.reservations.add(reservation, record.approved_ns)
        self.recent.add(order_key(signal), record.market_ns, self.limits.keep_ns)
        self._reserve(reservation, reservation.open_e9)

    def _fold_confirmed(self, record: Confirmed) -> None:
        reservation = self.reservations.get(record.reservation_id)
        if reservation is not None:
            reservation.confirmed_by = record.request_id

    def _fold_booked(self, record: ReportBooked) -> None:
        report = record.booked.report
        self.reports.advance(report)
        if not isinstance(report.body, Fill):
            self._release(report.reservation_id)
        elif not self.reports.knows_fill(report.body.fill_id):
            self._fold_fill(report.body, report.reservation_id, record.booked.commission)

    def _fold_fill(self, fill: Fill, reservation_id: str, commission: Decimal) -> None:
        _, after = self.ledger.book(fill, commission)
        self.reports.remember_fill(fill.fill_id)
        self._cash_e18 = scaled(self.ledger.cash, 18)
        book = self.book(fill.symbol)
        book.quantity_e9 = scaled(after.quantity, 9)
        book.seed_e9 = scaled(fill.price, 9)
        self.stale.add(book)
        self._fill_reservation(fill, reservation_id)

    def _fill_reservation(self, fill: Fill, reservation_id: str) -> None:
        reservation = self.reservations.get(reservation_id)
        if reservation is None or (reservation.signal.symbol, reservation.signal.side) != (fill.symbol, fill.side):
            return
        reservation.confirmed_by = reservation.confirmed_by or fill.order_id  # it fills, so it was submitted
        filled_e9 = min(scaled(fill.quantity, 9), reservation.open_e9)
        self._reserve(reservation, -filled_e9)
        reservation.open_e9 -= filled_e9
        if not reservation.open_e9:
            self.reservations.remove(reservation_id)

    def _release(self, reservation_id: str) -> None:
        reservation = self.reservations.get(reservation_id)
        if reservation is not None:
            self._reserve(reservation, -reservation.open_e9)
            self.reservations.remove(reservation_id)

    def _reserve(self, reservation: Reservation, quantity_e9: int) -> None:
        book = self.book(reservation.signal.symbol)
        book.reserve(reservation.signal.side, quantity_e9, reservation.price_e9)
        self.stale.add(book)

    def _fold_day(self, record: DayStarted) -> None:
        self.day = record
        self._day_e18 = scaled(record.equity, 18)

    def _fold_switch(self, record: SwitchSet) -> None:
        self.set_trading(switch=record.trading)
