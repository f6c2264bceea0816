"""What holds at the exchange whatever clients and market do: no cent and no share appears or is lost."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.exchange import Exchange
from tradingmesh.alpaca_simulator.order_body import Changes, check_consistent
from tradingmesh.alpaca_simulator.orders import OPEN, NewOrder, Status, TradeUpdate
from tradingmesh.alpaca_simulator.refusals import RefusalError
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.signal import OrderType, Side, TimeInForce

START_NS = 1_709_562_600 * 10**9
STEPS_NS = (*[1_000_000] * 20, 60 * 10**9, 4 * 3_600 * 10**9)
CASH = Decimal(1_000_000)
D = Decimal


class Cancel(NamedTuple):
    """Cancel the order of this number, if there is one."""

    number: int


class Replace(NamedTuple):
    """Replace the order of this number, if there is one."""

    number: int
    changes: Changes


prices = st.integers(9_000, 11_000).map(lambda cents: D(cents) / 100)
quantities = st.sampled_from([D(10), D(100), D(250)]) | st.integers(1, 10**9).map(lambda n: D(n).scaleb(-7))
quotes = st.builds(
    lambda bid, spread, bid_size, ask_size: Quote("IBM", bid * 100, (bid + spread) * 100, bid_size, ask_size, 0),
    st.integers(9_000, 11_000),
    st.integers(0, 20),
    st.integers(0, 300) | st.just(100_000),
    st.integers(0, 300) | st.just(100_000),
)
trades = st.builds(lambda cents: Trade("IBM", cents * 100, 100, 0), st.integers(9_000, 11_000))
orders = st.builds(
    lambda side, type_, tif, quantity, limit, stop: NewOrder(
        symbol="IBM",
        side=side,
        type=type_,
        time_in_force=tif,
        quantity=quantity,
        notional=D(5_000) if quantity is None else None,
        limit_price=limit if "limit" in type_ else None,
        stop_price=stop if "stop" in type_ else None,
    ),
    st.sampled_from(Side),
    st.sampled_from([*OrderType, OrderType.MARKET, OrderType.MARKET]),
    st.sampled_from([*TimeInForce, TimeInForce.DAY, TimeInForce.DAY]),
    quantities | quantities | st.none(),
    prices,
    prices,
)
changes = st.builds(Changes, quantity=st.none() | st.integers(1, 500).map(D), limit_price=prices)
actions = st.one_of(
    quotes,
    quotes,
    orders,
    orders,
    orders,
    trades,
    st.builds(Cancel, st.integers(0, 9)),
    st.builds(Replace, st.integers(0, 9), changes),
)
scripts = st.lists(st.tuples(st.sampled_from(STEPS_NS), actions), min_size=25, max_size=60)


class Run:
    """Plays a script and keeps what left the exchange, each fill with the quote that it was filled against."""

    def __init__(self, script: Sequence[tuple[int, object]]) -> None:
        self.exchange = Exchange(["IBM"], Account(CASH, D("0.0035")), "run", START_NS)
        self.updates: list[TradeUpdate] = []
        self.filled_against: list[tuple[int, Quote]] = []
        self.quote = Quote("IBM", 0, 0, 0, 0, 0)
        self.quote_number = 0
        now_ns = START_NS
        for step_ns, action in script:
            now_ns += step_ns
            try:
                self.take(self.act(action, now_ns))
            except RefusalError:
                continue

    def act(self, action: object, now_ns: int) -> Sequence[TradeUpdate]:
        known = [order.order_id for order in self.exchange.orders.newest_first()]
        if isinstance(action, Quote):
            self.quote, self.quote_number = action, self.quote_number + 1
            prices_and_sizes = action.bid_e4, action.ask_e4, action.bid_size, action.ask_size
            return self.exchange.on_market_event(Quote("IBM", *prices_and_sizes, now_ns))
        if isinstance(action, Trade):
            return self.exchange.on_market_event(Trade("IBM", action.price_e4, action.size, now_ns))
        if isinstance(action, NewOrder):
            check_consistent(action)
            return self.exchange.place(action)[1]
        if isinstance(action, Cancel) and action.number < len(known):
            return self.exchange.cancel(known[action.number])
        if isinstance(action, Replace) and action.number < len(known):
            return self.exchange.replace(known[action.number], action.changes)[1]
        return ()

    def take(self, updates: Sequence[TradeUpdate]) -> None:
        for update in updates:
            self.updates.append(update)
            if update.execution:
                self.filled_against.append((self.quote_number, self.quote))


@settings(max_examples=100, deadline=None)
@given(scripts)
def test_cash_and_positions_follow_from_the_fills(script: list[tuple[int, object]]) -> None:
    """Both to the last digit, and what was bought is neither more nor less than cost and profit say."""
    account = (run := Run(script)).exchange.account
    fills = [update.execution for update in run.updates if update.execution]
    spent = sum((fill.side.sign * fill.quantity * fill.price for fill in fills), D(0))
    commissions = sum((fill.quantity * D("0.0035") for fill in fills), D(0))
    assert account.cash == CASH - spent - commissions
    assert account.quantity("IBM") == sum((fill.side.sign * fill.quantity for fill in fills), D(0))
    cost = sum((held.cost for held in account.positions().values()), D(0))
    assert account.cash + cost == CASH + account.realised() - commissions


@settings(max_examples=100, deadline=None)
@given(scripts)
def test_no_fill_is_larger_than_the_market_or_the_order(script: list[tuple[int, object]]) -> None:
    """The fills against one side of one quote stay within its size, those of an order within the order."""
    run = Run(script)
    taken: dict[tuple[int, Side], Decimal] = defaultdict(Decimal)
    of_order: dict[str, Decimal] = defaultdict(Decimal)
    fills = [update.execution for update in run.updates if update.execution]
    for fill, (number, quote) in zip(fills, run.filled_against, strict=True):
        buying = fill.side is Side.BUY
        taken[number, fill.side] += fill.quantity
        of_order[fill.order_id] += fill.quantity
        assert fill.quantity > 0
        assert fill.price * 10_000 == (quote.ask_e4 if buying else quote.bid_e4)
        assert taken[number, fill.side] <= (quote.ask_size if buying else quote.bid_size)
    for order in run.exchange.orders.newest_first():
        assert order.filled_quantity == of_order[order.order_id]
        if order.quantity is not None:
            assert order.filled_quantity <= order.quantity
            assert (order.status is Status.FILLED) == (order.filled_quantity == order.quantity)
        else:
            assert order.filled_value <= (order.notional or 0)


@settings(max_examples=100, deadline=None)
@given(scripts)
def test_limits_and_times_in_force_are_kept(script: list[tuple[int, object]]) -> None:
    """No fill past the limit; fill-or-kill fills whole or not at all; immediate orders never rest."""
    run = Run(script)
    for update in run.updates:
        order, fill = update.order, update.execution
        if fill and order.limit_price is not None:
            assert (order.limit_price - fill.price) * order.side.sign >= 0
    for order in run.exchange.orders.newest_first():
        if order.time_in_force is TimeInForce.FOK:
            assert order.status is Status.FILLED or order.filled_quantity == 0
        if order.time_in_force in (TimeInForce.FOK, TimeInForce.IOC):
            assert not order.is_open


@settings(max_examples=100, deadline=None)
@given(scripts)
def test_an_order_ends_once_and_ids_are_unique(script: list[tuple[int, object]]) -> None:
    """After its end nothing is told of an order; the last that was told is what the broker says by REST."""
    run = Run(script)
    ended: set[str] = set()
    last: dict[str, Status] = {}
    for update in run.updates:
        assert update.order.order_id not in ended
        last[update.order.order_id] = update.order.status
        if update.order.status not in OPEN:
            ended.add(update.order.order_id)
    assert last == {order.order_id: order.status for order in run.exchange.orders.newest_first()}
    assert len({update.update_id for update in run.updates}) == len(run.updates)
    open_ids = {order.order_id for order in run.exchange.orders.open()}
    assert open_ids == set(last) - ended


@settings(max_examples=50, deadline=None)
@given(scripts)
def test_a_run_can_be_repeated(script: list[tuple[int, object]]) -> None:
    """The same script gives the same updates, ids included."""
    assert Run(script).updates == Run(script).updates
