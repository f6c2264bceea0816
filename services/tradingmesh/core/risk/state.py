"""All that the risk manager knows. Records change what must survive a restart; ticks change only prices.

`fold` is the one way a record takes effect, live and in a replay of the journal alike.
"""

from collections.abc import Callable
from decimal import Decimal

from tradingmesh.contract import CircuitBreakerSpec, RiskLimits, TradingState
from tradingmesh.core.fills import Fill, OrderClosed
from tradingmesh.core.risk.breaker import Breaker, BreakerMoved
from tradingmesh.core.risk.differences import Differences
from tradingmesh.core.risk.flatten import Flatten
from tradingmesh.core.risk.ledger import Ledger
from tradingmesh.core.risk.limits import Limits
from tradingmesh.core.risk.rate import RecentOrders, order_key
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
from tradingmesh.core.risk.reports import ReportSequences
from tradingmesh.core.risk.reservations import Reservation, Reservations
from tradingmesh.core.risk.snapshot import RiskSnapshot
from tradingmesh.core.risk.symbol_book import SymbolBook
from tradingmesh.core.risk.units import scaled, text_e18
from tradingmesh.core.signal import Side
from tradingmesh.core.standing import BrokerPosition, EngineStarted, OpeningPosition, OrderWorking

_STRICTEST = (TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE)


class RiskState:
    """The state, its sums, and the fold.

    `manifest_trading` is what the manifest says and `switch` what a person said; the stricter of the two holds.
    """

    def __init__(
        self,
        limits: RiskLimits,
        breaker: CircuitBreakerSpec,
        cash: Decimal,
        trading: TradingState,
        symbols: frozenset[str] = frozenset(),
    ) -> None:
        self.limits = Limits(limits)
        self.symbols = symbols
        self.manifest_trading = self.trading = trading
        self.switch = TradingState.ACTIVE
        self.breaker = Breaker(breaker)
        self.ledger = Ledger(cash)
        self.reservations = Reservations()
        self.recent = RecentOrders()
        self.reports = ReportSequences()
        self.differences = Differences()
        self.writer_epoch = 0
        """The highest of an execution engine that asked: one of an older epoch is fenced off."""
        self.flatten = Flatten()
        self.day = DayStarted(0, 0, cash)
        self.books: dict[str, SymbolBook] = {}
        self.stale: set[SymbolBook] = set()
        """Books whose value changed since it was last added up."""
        self._cash_e18 = self._day_e18 = scaled(cash, 18)
        self._held_e18 = self._gross_e18 = 0
        self._folds: dict[type[RiskRecord], Callable[..., None]] = {
            Reserved: self._fold_reserved,
            Confirmed: self._fold_confirmed,
            WriterSeen: lambda record: self._see_writer(record.epoch),
            Expired: lambda record: self._release(record.reservation_id),
            ReportBooked: self._fold_booked,
            ReportKept: lambda record: self.reports.keep(record.booked, record.reason),
            PoisonKept: lambda record: self.reports.keep(record.poison, record.poison.reason),
            DayStarted: self._fold_day,
            Marked: self._fold_marks,
            FlattenBegan: lambda record: self.flatten.begin(record.number, record.symbol),
            FlattenEnded: lambda record: self.flatten.end(record.outcome),
            SwitchSet: self._fold_switch,
            BreakerMoved: self.breaker.fold,
        }

    def fold(self, record: RiskRecord) -> None:
        """Takes the record's effect. A record that was decided on this state never fails to fold."""
        self._folds[type(record)](record)

    def snapshot(self) -> RiskSnapshot:
        """What survives a restart: `load` in a new state is as good as folding every record. To be encoded at once."""
        return RiskSnapshot(
            cash=self.ledger.cash,
            positions=list(self.ledger.positions()),
            reservations=self.reservations.snapshot(),
            approved_signals=self.reservations.approved,
            recent=self.recent.orders,
            reports=self.reports.snapshot(),
            differences=self.differences.snapshot(),
            writer_epoch=self.writer_epoch,
            flatten=self.flatten.snapshot(),
            day=self.day,
            seeds_e9={symbol: Decimal(book.seed_e9) for symbol, book in sorted(self.books.items()) if book.seed_e9},
            switch=self.switch,
            breaker=self.breaker.at,
        )

    def load(self, snapshot: RiskSnapshot) -> None:
        """Takes a snapshot. To be called on a new state; all sums follow from what is taken."""
        self.ledger.load(snapshot.cash, snapshot.positions)
        self.reservations.load(snapshot.reservations, snapshot.approved_signals)
        self.recent.load(snapshot.recent)
        self.reports.load(snapshot.reports)
        self.differences.load(snapshot.differences)
        self.writer_epoch = snapshot.writer_epoch
        self.flatten.load(snapshot.flatten)
        self.breaker.fold(snapshot.breaker)
        self._fold_day(snapshot.day)
        self.set_trading(switch=snapshot.switch)
        self._cash_e18 = scaled(snapshot.cash, 18)
        for symbol, seed_e9 in snapshot.seeds_e9.items():
            book = self.book(symbol)
            book.seed_e9 = int(seed_e9)
            book.quantity_e9 = scaled(self.ledger.position(symbol).quantity, 9)
            self.stale.add(book)
        for reservation in self.reservations:
            self._reserve(reservation)

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

    def working_symbols(self) -> set[str]:
        """The symbols of which an order is approved and has not ended."""
        return {found.symbol for found in self.reservations}

    def unquoted(self) -> list[str]:
        """The symbols that are held, and that nobody quotes: their worth does not move, and no closing order passes."""
        return sorted(
            s for s, book in self.books.items() if book.quantity_e9 and self.symbols and s not in self.symbols
        )

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
            gross_e18 = max(book.exposure_e18(Side.BUY), book.exposure_e18(Side.SELL))
            self._held_e18 += held_e18 - book.held_e18
            self._gross_e18 += gross_e18 - book.gross_e18
            book.held_e18, book.gross_e18 = held_e18, gross_e18
        self.stale.clear()

    def _fold_reserved(self, record: Reserved) -> None:
        signal = record.signal
        reservation = Reservation(
            reservation_id=record.reservation_id,
            symbol=signal.symbol,
            side=signal.side,
            open_e9=scaled(signal.quantity, 9),
            price_e9=record.price_e9,
            signal=signal,
            expires_ns=record.expires_ns,
        )
        self.reservations.add(reservation, record.approved_ns)
        self.flatten.count(signal)
        self.recent.add(order_key(signal), record.market_ns, self.limits.keep_ns)
        self._reserve(reservation)

    def _fold_confirmed(self, record: Confirmed) -> None:
        reservation = self.reservations.get(record.reservation_id)
        if reservation is not None:
            reservation.confirmed_by = record.request_id
            reservation.writer = record.writer

    def _fold_booked(self, record: ReportBooked) -> None:
        report, body = record.booked.report, record.booked.report.body
        self.reports.advance(report)
        if isinstance(body, Fill):
            if not self.reports.knows_fill(body):
                self._fold_fill(body, report.reservation_id, record.booked.commission)
        elif isinstance(body, OrderClosed):
            self._fold_closed(body, report.reservation_id)
        elif isinstance(body, OrderWorking):
            self._fold_working(body, report.reservation_id)
        elif isinstance(body, OpeningPosition):
            self._fold_opening(body)
        elif isinstance(body, BrokerPosition):
            self.differences.compare(body.symbol, self.ledger.position(body.symbol).quantity, body.quantity)
        else:
            self._fold_started(body, report.outbox_epoch)

    def _fold_opening(self, opening: OpeningPosition) -> None:
        if self.ledger.knows(opening.symbol):
            return  # it was booked fill by fill, and came out the same
        self.ledger.take_over(opening.symbol, opening.quantity, opening.price)
        self._moved(opening.symbol, opening.quantity, opening.price)

    def _fold_fill(self, fill: Fill, reservation_id: str, commission: Decimal) -> None:
        _, after = self.ledger.book(fill, commission)
        self.reports.remember_fill(fill)
        self._moved(fill.symbol, after.quantity, fill.price)
        self._fill_reservation(fill, reservation_id)

    def _moved(self, symbol: str, quantity: Decimal, price: Decimal) -> None:
        self._cash_e18 = scaled(self.ledger.cash, 18)
        book = self.book(symbol)
        book.quantity_e9 = scaled(quantity, 9)
        book.seed_e9 = scaled(price, 9)
        self.stale.add(book)

    def _fill_reservation(self, fill: Fill, reservation_id: str) -> None:
        reservation = self.reservations.get(reservation_id)
        if reservation is None or (reservation.symbol, reservation.side) != (fill.symbol, fill.side):
            return
        if not reservation.used_by(fill.client_order_id):
            return
        reservation.confirmed_by = fill.client_order_id  # it fills, so it was submitted
        self._unreserve(reservation)
        reservation.take_fill(fill.quantity, fill.price)
        if reservation.open_e9 or reservation.money_e18:
            self._reserve(reservation)
        else:
            self.reservations.remove(reservation_id)

    def _fold_closed(self, closed: OrderClosed, reservation_id: str) -> None:
        """Gives back what is left, unless another order confirmed the reservation: this one was refused it then."""
        reservation = self.reservations.get(reservation_id)
        if reservation is not None and reservation.used_by(closed.client_order_id):
            self._release(reservation_id)

    def _fold_working(self, working: OrderWorking, reservation_id: str) -> None:
        """Reserves what the order may fill, in place of what was reserved for it before; nothing where that is all."""
        found = self.reservations.get(reservation_id)
        if found is not None:
            self._release(reservation_id)
        if not (working.open_quantity or working.open_notional):
            return
        reservation = Reservation(
            reservation_id=reservation_id,
            symbol=working.symbol,
            side=working.side,
            open_e9=scaled(working.open_quantity, 9) if working.open_quantity is not None else 0,
            price_e9=scaled(working.price, 9) if working.price is not None else 0,
            signal=found.signal if found is not None else None,
            confirmed_by=working.client_order_id,
            money_e18=scaled(working.open_notional, 18) if working.open_notional is not None else 0,
        )
        self.reservations.put(reservation)
        self._reserve(reservation)

    def _fold_started(self, started: EngineStarted, outbox_epoch: int) -> None:
        """Gives back what earlier lives of that outbox had confirmed and never submitted: it died in between."""
        self._see_writer(started.writer_epoch)
        used = frozenset(started.reservation_ids)
        for found in list(self.reservations):
            older = found.writer.outbox_epoch == outbox_epoch and 0 < found.writer.epoch < started.writer_epoch
            if older and found.reservation_id not in used:
                self._release(found.reservation_id)

    def _see_writer(self, epoch: int) -> None:
        self.writer_epoch = max(self.writer_epoch, epoch)

    def _release(self, reservation_id: str) -> None:
        reservation = self.reservations.get(reservation_id)
        if reservation is not None:
            self._unreserve(reservation)
            self.reservations.remove(reservation_id)

    def _reserve(self, reservation: Reservation) -> None:
        book = self.book(reservation.symbol)
        book.reserve(reservation.side, reservation.open_e9, reservation.price_e9, reservation.money_e18)
        self.stale.add(book)

    def _unreserve(self, reservation: Reservation) -> None:
        book = self.book(reservation.symbol)
        book.reserve(reservation.side, -reservation.open_e9, reservation.price_e9, -reservation.money_e18)
        self.stale.add(book)

    def _fold_day(self, record: DayStarted) -> None:
        self.day = record
        self._day_e18 = scaled(record.equity, 18)

    def _fold_marks(self, record: Marked) -> None:
        for symbol, mark_e9 in record.marks_e9.items():
            book = self.book(symbol)
            book.seed_e9 = mark_e9
            self.stale.add(book)

    def _fold_switch(self, record: SwitchSet) -> None:
        self.set_trading(switch=record.trading)
