"""The exchange and broker in one: takes orders, fills them against the tape's quotes, keeps the account.

Pure: time is the market time of the events it is told of, ids are computed from a name and a count. Everything that
happens to an order leaves as a `TradeUpdate`, in order.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import asdict, replace

from tradingmesh.alpaca_simulator import admission, refusals
from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.admission import Standing
from tradingmesh.alpaca_simulator.order_body import IMMEDIATE, Changes
from tradingmesh.alpaca_simulator.order_store import OrderStore
from tradingmesh.alpaca_simulator.orders import Execution, NewOrder, Order, Status, TradeUpdate
from tradingmesh.alpaca_simulator.replacement import changed
from tradingmesh.alpaca_simulator.sessions import Phase, closing_session, current_or_next, phase_at
from tradingmesh.alpaca_simulator.symbol_book import SymbolBook, is_stop
from tradingmesh.core.fills import Fill
from tradingmesh.core.market import MarketEvent, Quote, Trade
from tradingmesh.core.money import EXACT, ZERO, notional, to_e4
from tradingmesh.core.signal import Side, TimeInForce

ORDERS_MAX = 100_000
"""How many orders one run keeps; past it new ones are refused, because none that was taken is ever forgotten."""

_GTC_NS = 90 * 86_400 * 10**9
_NOTHING: Sequence[TradeUpdate] = ()


class Exchange:
    """One account at one exchange. `name` goes into every id, so that two runs with two names share none."""

    def __init__(self, symbols: Iterable[str], account: Account, name: str, start_ns: int = 0) -> None:
        self.account = account
        self.now_ns = start_ns
        self.executions: list[Execution] = []
        self._books = {symbol: SymbolBook() for symbol in symbols}
        self.orders = OrderStore()
        self._told = 0
        self._namespace = uuid5(NAMESPACE_URL, name)
        self._phase, self._phase_ends_ns = phase_at(start_ns)

    # What is asked

    @property
    def symbols(self) -> Iterable[str]:
        """What can be traded."""
        return self._books.keys()

    def book(self, symbol: str) -> SymbolBook:
        """The market in one symbol. Raises KeyError for one that is not traded."""
        return self._books[symbol]

    def price(self, symbol: str) -> Decimal:
        """The current price of a traded symbol, which marks positions."""
        return self._books[symbol].price()

    def held_cost(self) -> Decimal:
        """The buying power that open orders hold."""
        return admission.held_cost(self.orders.open())

    def buying_power(self, multiplier_max: Decimal) -> Decimal:
        """What new positions may cost, at the account's multiplier or at this one where it is lower."""
        multiplier = min(self.account.multiplier, multiplier_max)
        return self.account.buying_power(self.price, self.held_cost(), multiplier)

    # What clients do

    def place(self, wanted: NewOrder) -> tuple[Order, Sequence[TradeUpdate]]:
        """Takes an order and works it against the quote at hand.

        Returns the order as it was taken (its fills are in the updates). Raises `RefusalError`, with nothing changed.
        """
        order = self._admit(wanted)
        updates: list[TradeUpdate] = []
        self._enter(order, updates)
        return order, updates

    def cancel(self, order_id: str) -> Sequence[TradeUpdate]:
        """Cancels an open order. Raises `RefusalError`."""
        order = self.orders.get(order_id)
        if not order.is_open:
            raise refusals.unprocessable(f'order is already in "{order.status}" state')
        updates: list[TradeUpdate] = []
        self._finish(order, Status.CANCELED, updates)
        return updates

    def replace(self, order_id: str, changes: Changes) -> tuple[Order, Sequence[TradeUpdate]]:
        """Puts a new order in the place of an open one: of the asked quantity, else of what was left.

        The replacement starts unfilled; the fills of the old order stay with the old order. Raises `RefusalError`.
        """
        old = self.orders.get(order_id)
        order = replace(self._admit(changed(old, changes), replacing=old), replaces=old.order_id)
        updates: list[TradeUpdate] = []
        old = replace(old, replaced_by=order.order_id)
        self._finish(old, Status.REPLACED, updates)
        self._enter(order, updates)
        return order, updates

    # What the market does

    def on_market_event(self, event: MarketEvent) -> Sequence[TradeUpdate]:
        """Moves market time on and works the open orders of the event's symbol."""
        updates: Sequence[TradeUpdate] = _NOTHING
        if event.timestamp_ns > self.now_ns:
            self.now_ns = event.timestamp_ns
            if event.timestamp_ns >= self._phase_ends_ns:
                updates = self._turn_phase()
        book = self._books.get(event.symbol)
        if book is None:
            return updates
        if type(event) is Quote:
            book.on_quote(event)
        elif type(event) is Trade:
            book.on_trade(event)
        else:
            return updates
        resting = self.orders.resting.get(event.symbol)
        return [*updates, *self._work_resting(list(resting), book, event)] if resting else updates

    def _work_resting(self, order_ids: Iterable[str], book: SymbolBook, event: Quote | Trade) -> list[TradeUpdate]:
        """Works the orders oldest first; a trade displays nothing to fill against, so it can only wake stops."""
        updates: list[TradeUpdate] = []
        for order_id in order_ids:
            order = self.orders.get(order_id)
            if type(event) is Quote or not order.triggered:
                self._work(order, book, updates)
        return updates

    def _turn_phase(self) -> list[TradeUpdate]:
        self._phase, self._phase_ends_ns = phase_at(self.now_ns)
        updates: list[TradeUpdate] = []
        for order in self.orders.open():
            if order.expires_ns <= self.now_ns:
                self._finish(order, Status.EXPIRED, updates)
            elif order.status is Status.ACCEPTED and self._is_live(order):
                self._tell(replace(order, status=Status.NEW), "new", updates)
        return updates

    # The life of an order

    def _admit(self, wanted: NewOrder, replacing: Order | None = None) -> Order:
        if len(self.orders) >= ORDERS_MAX:
            raise refusals.forbidden(f"the simulator takes no more than {ORDERS_MAX} orders in one run")
        book = self._books.get(wanted.symbol)
        if book is None:
            raise refusals.unprocessable(f'asset "{wanted.symbol[:40]}" not found')
        if self.orders.knows_client_id(wanted.client_order_id):
            raise refusals.invalid("client_order_id must be unique")
        standing = Standing(
            self.account, book, self.price, [order for order in self.orders.open() if order is not replacing]
        )
        intent, hold = admission.admit(wanted, standing)
        return self._new_order(wanted, intent, hold)

    def _new_order(self, wanted: NewOrder, intent: str, hold: Decimal) -> Order:
        number = len(self.orders) + 1
        order_id = self._id("order", number)
        fields = asdict(wanted)
        fields["client_order_id"] = wanted.client_order_id or self._id("client-order", number)
        order = Order(
            **fields,
            order_id=order_id,
            number=number,
            limit_e4=to_e4(wanted.limit_price or ZERO),
            stop_e4=to_e4(wanted.stop_price or ZERO),
            position_intent=intent,
            hold_price=hold,
            triggered=not is_stop(wanted.type),
            status=Status.PENDING_NEW,
            submitted_ns=self.now_ns,
            updated_ns=self.now_ns,
            expires_ns=_expiry(wanted, self.now_ns),
        )
        return order if self._is_live(order) else replace(order, status=Status.ACCEPTED)

    def _id(self, kind: str, number: int) -> str:
        return str(uuid5(self._namespace, f"{kind}/{number}"))

    def _is_live(self, order: Order) -> bool:
        return self._phase is Phase.REGULAR or (order.extended_hours and self._phase is not Phase.CLOSED)

    def _enter(self, order: Order, updates: list[TradeUpdate]) -> None:
        book = self._books[order.symbol]
        self._tell(order, str(order.status), updates)
        if order.status is Status.PENDING_NEW:
            order = self._tell(replace(order, status=Status.NEW), "new", updates)
            if order.time_in_force is not TimeInForce.FOK or book.fills_whole(order):
                order = self._work(order, book, updates)
        if order.time_in_force in IMMEDIATE and order.is_open:
            self._finish(order, Status.CANCELED, updates)

    def _work(self, order: Order, book: SymbolBook, updates: list[TradeUpdate]) -> Order:
        """Trades what the order can trade against the quote at hand."""
        if not self._is_live(order):
            return order
        if not order.triggered:
            if not book.reaches_stop(order):
                return order
            order = replace(order, triggered=True)
            self.orders.put(order)
        quantity, price = book.executable(order)
        if order.notional is not None and order.side is Side.SELL:
            quantity = min(quantity, max(self.account.quantity(order.symbol), ZERO))
        if quantity <= 0:
            return order
        book.consume(order.side, quantity)
        return self._fill(order, quantity, price, updates)

    def _fill(self, order: Order, quantity: Decimal, price: Decimal, updates: list[TradeUpdate]) -> Order:
        commission = self.account.apply_fill(order.symbol, order.side, quantity, price)
        order = replace(
            order,
            filled_quantity=EXACT.add(order.filled_quantity, quantity),
            filled_value=EXACT.add(order.filled_value, notional(quantity, price)),
            filled_ns=self.now_ns,
            status=Status.PARTIALLY_FILLED,
        )
        leaves = order.leaves_at(price)
        if not leaves:
            order = replace(order, status=Status.FILLED)
        fill = Fill(
            fill_id=self._id("execution", len(self.executions) + 1),
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=price,
            cumulative_quantity=order.filled_quantity,
            timestamp_ns=self.now_ns,
        )
        self.executions.append(Execution(fill, leaves, order.status, commission))
        return self._tell(order, "partial_fill" if leaves else "fill", updates, fill)

    def _finish(self, order: Order, status: Status, updates: list[TradeUpdate]) -> None:
        if status is Status.CANCELED:
            order = replace(order, status=status, canceled_ns=self.now_ns)
        elif status is Status.EXPIRED:
            order = replace(order, status=status, expired_ns=self.now_ns)
        else:
            order = replace(order, status=status, replaced_ns=self.now_ns)
        self._tell(order, str(status), updates)

    def _tell(self, order: Order, event: str, updates: list[TradeUpdate], fill: Fill | None = None) -> Order:
        """Makes this the order's newest version and tells of it."""
        order = replace(order, updated_ns=self.now_ns)
        self.orders.put(order)
        self._told += 1
        update = TradeUpdate(
            event=event,
            update_id=fill.fill_id if fill else self._id("update", self._told),
            order=order,
            timestamp_ns=self.now_ns,
            execution=fill,
            position_quantity=self.account.quantity(order.symbol) if fill else None,
        )
        updates.append(update)
        return order


def _expiry(wanted: NewOrder, now_ns: int) -> int:
    if wanted.time_in_force is TimeInForce.GTC:
        return now_ns + _GTC_NS
    if wanted.extended_hours:
        return current_or_next(now_ns).post_end_ns
    return closing_session(now_ns).close_ns
