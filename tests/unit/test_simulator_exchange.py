"""What the exchange does with orders it took: fills against the displayed quote, lifetimes, stops, replacements."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.exchange import Exchange
from tradingmesh.alpaca_simulator.order_body import Changes
from tradingmesh.alpaca_simulator.orders import NewOrder, Order, Status, TradeUpdate
from tradingmesh.alpaca_simulator.refusals import RefusalError
from tradingmesh.core.market import Bar, Quote, Trade
from tradingmesh.core.signal import OrderType, Side, TimeInForce

OPEN_NS = 1_709_562_600 * 10**9
HOUR_NS = 3_600 * 10**9
D = Decimal


class Desk:
    """An exchange with one symbol, driven a millisecond at a time; it keeps every update that left."""

    def __init__(self, start_ns: int = OPEN_NS, commission: str = "0") -> None:
        self.exchange = Exchange(["IBM", "BAC"], Account(D(1_000_000), D(commission)), "desk", start_ns)
        self.now_ns = start_ns
        self.updates: list[TradeUpdate] = []

    def quote(self, bid: str, ask: str, bid_size: int = 500, ask_size: int = 500, symbol: str = "IBM") -> list[str]:
        self.now_ns += 1_000_000
        prices = int(D(bid) * 10_000), int(D(ask) * 10_000)
        return self.see(self.exchange.on_market_event(Quote(symbol, *prices, bid_size, ask_size, self.now_ns)))

    def trade(self, price: str, size: int = 100) -> list[str]:
        self.now_ns += 1_000_000
        return self.see(self.exchange.on_market_event(Trade("IBM", int(D(price) * 10_000), size, self.now_ns)))

    def place(
        self, side: Side, quantity: str | None = "100", type_: OrderType = OrderType.MARKET, **more: Any
    ) -> Order:
        fields = {"symbol": "IBM", "time_in_force": TimeInForce.DAY, **more}
        wanted = NewOrder(side=side, type=type_, quantity=None if quantity is None else D(quantity), **fields)
        order, updates = self.exchange.place(wanted)
        self.see(updates)
        return order

    def see(self, updates: Sequence[TradeUpdate]) -> list[str]:
        self.updates += updates
        return [update.event for update in updates]

    def newest(self, order: Order) -> Order:
        return self.exchange.orders.get(order.order_id)

    @property
    def events(self) -> list[str]:
        return [update.event for update in self.updates]

    @property
    def fills(self) -> list[tuple[str, str]]:
        return [(str(u.execution.quantity), str(u.execution.price)) for u in self.updates if u.execution]


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.quote("99.98", "100.02")
    return desk


def test_a_market_buy_takes_the_ask(desk: Desk) -> None:
    """At the ask's price exactly, with the position after it, in market time."""
    taken = desk.place(Side.BUY)
    assert taken.status is Status.PENDING_NEW
    assert desk.events == ["pending_new", "new", "fill"]
    fill = desk.updates[-1]
    assert desk.fills == [("100", "100.0200")]
    assert (fill.position_quantity, fill.timestamp_ns) == (D(100), desk.now_ns)
    assert desk.newest(taken).status is Status.FILLED
    assert desk.exchange.account.cash == D("989998")


def test_a_market_sell_takes_the_bid(desk: Desk) -> None:
    """A short sale of whole shares is allowed."""
    desk.place(Side.SELL, "200")
    assert desk.fills == [("200", "99.9800")]
    assert desk.exchange.account.quantity("IBM") == -200


def test_what_is_not_displayed_waits_for_the_next_quote(desk: Desk) -> None:
    """900 shares against 500 displayed: a partial fill, then the rest at the next quote's price."""
    order = desk.place(Side.BUY, "900")
    assert desk.newest(order).status is Status.PARTIALLY_FILLED
    assert desk.trade("100.02") == []
    assert desk.quote("100.00", "100.05", ask_size=300) == ["partial_fill"]
    assert desk.quote("100.00", "100.04") == ["fill"]
    assert desk.fills == [("500", "100.0200"), ("300", "100.0500"), ("100", "100.0400")]
    assert [u.execution.cumulative_quantity for u in desk.updates if u.execution] == [500, 800, 900]
    newest = desk.newest(order)
    assert (newest.filled_quantity, newest.filled_value) == (D(900), D("90029.00"))


def test_displayed_size_is_used_up_by_earlier_orders(desk: Desk) -> None:
    """The second order finds what the first has left."""
    desk.place(Side.BUY, "400")
    desk.place(Side.BUY, "400")
    assert desk.fills == [("400", "100.0200"), ("100", "100.0200")]


def test_resting_orders_fill_oldest_first(desk: Desk) -> None:
    """Three limit orders, a quote that is enough for one and a half."""
    orders = [desk.place(Side.BUY, "100", OrderType.LIMIT, limit_price=D(99)) for _ in range(3)]
    assert desk.quote("98.90", "98.95", ask_size=150) == ["fill", "partial_fill"]
    assert [desk.newest(order).filled_quantity for order in orders] == [100, 50, 0]


def test_a_limit_order_waits_for_its_price_and_gets_a_better_one(desk: Desk) -> None:
    """It rests at 99.50 and fills at the ask of 99.40."""
    desk.place(Side.BUY, "100", OrderType.LIMIT, limit_price=D("99.50"))
    assert desk.quote("99.49", "99.51") == []
    assert desk.quote("99.39", "99.40") == ["fill"]
    assert desk.fills == [("100", "99.4000")]


def test_a_sell_limit_fills_at_its_price_or_higher(desk: Desk) -> None:
    """The bid must reach the limit."""
    desk.place(Side.SELL, "100", OrderType.LIMIT, limit_price=D("100.10"))
    assert desk.quote("100.09", "100.12") == []
    assert desk.quote("100.10", "100.12") == ["fill"]


def test_an_order_before_any_quote_waits() -> None:
    """It is new, and fills at the first quote."""
    desk = Desk()
    order = desk.place(Side.BUY)
    assert desk.newest(order).status is Status.NEW
    assert desk.quote("99.98", "100.02") == ["fill"]


def test_a_side_without_a_price_fills_nothing(desk: Desk) -> None:
    """An ask of 0 is no offer."""
    desk.quote("99.98", "0")
    desk.place(Side.BUY)
    assert desk.fills == []


def test_another_symbols_quote_fills_nothing(desk: Desk) -> None:
    """Each symbol has its own book."""
    desk.place(Side.BUY, symbol="BAC")
    assert desk.quote("10.00", "10.01") == []
    assert desk.quote("10.00", "10.01", symbol="BAC") == ["fill"]


def test_fill_or_kill_is_all_or_nothing(desk: Desk) -> None:
    """501 shares against 500 displayed: killed; 500: filled."""
    desk.place(Side.BUY, "501", time_in_force=TimeInForce.FOK)
    assert desk.events == ["pending_new", "new", "canceled"]
    desk.place(Side.BUY, "500", time_in_force=TimeInForce.FOK)
    assert desk.fills == [("500", "100.0200")]


def test_immediate_or_cancel_cancels_the_rest(desk: Desk) -> None:
    """What is displayed fills, what is left is canceled at once."""
    order = desk.place(Side.BUY, "800", time_in_force=TimeInForce.IOC)
    assert desk.events == ["pending_new", "new", "partial_fill", "canceled"]
    newest = desk.newest(order)
    assert (newest.status, newest.filled_quantity, newest.canceled_ns) == (Status.CANCELED, D(500), desk.now_ns)
    assert desk.exchange.orders.open() == []


@pytest.mark.parametrize("tif", [TimeInForce.IOC, TimeInForce.FOK])
def test_immediate_orders_do_not_wait_for_a_first_quote(tif: TimeInForce) -> None:
    """Nothing displayed, nothing to wait for."""
    desk = Desk()
    desk.place(Side.BUY, time_in_force=tif)
    assert desk.events[-1] == "canceled"


def test_a_buy_stop_wakes_at_a_trade_and_fills_at_the_ask(desk: Desk) -> None:
    """A trade at the stop price triggers it; its price is the market's."""
    desk.place(Side.BUY, "100", OrderType.STOP, stop_price=D("100.50"))
    assert desk.trade("100.49") == []
    assert desk.trade("100.50") == ["fill"]
    assert desk.fills == [("100", "100.0200")]


def test_a_sell_stop_wakes_when_the_whole_quote_is_below(desk: Desk) -> None:
    """The ask, not only the bid, has to come down to the stop."""
    desk.place(Side.SELL, "100", OrderType.STOP, stop_price=D("99.50"))
    assert desk.quote("99.40", "99.60") == []
    assert desk.quote("99.40", "99.50") == ["fill"]


def test_a_stop_limit_rests_at_its_limit_once_awake(desk: Desk) -> None:
    """Triggered by a trade, it still waits for an ask within the limit, even if the price falls back."""
    order = desk.place(Side.BUY, "100", OrderType.STOP_LIMIT, stop_price=D("100.50"), limit_price=D("100.00"))
    assert desk.trade("100.60") == []
    assert desk.newest(order).triggered
    assert desk.quote("99.90", "99.95") == ["fill"]


def test_a_day_order_expires_at_the_close(desk: Desk) -> None:
    """At the first event from 16:00 on, with what it had filled."""
    order = desk.place(Side.BUY, "700", limit_price=D("100.02"), type_=OrderType.LIMIT)
    desk.now_ns = OPEN_NS + 6 * HOUR_NS + HOUR_NS // 2
    assert desk.quote("99.98", "100.02") == ["expired"]
    newest = desk.newest(order)
    assert (newest.status, newest.filled_quantity, newest.expired_ns) == (Status.EXPIRED, D(500), desk.now_ns)


def test_a_good_till_canceled_order_lives_on(desk: Desk) -> None:
    """It rests over night without filling after hours, and fills the next morning."""
    desk.place(Side.BUY, "100", OrderType.LIMIT, limit_price=D(99), time_in_force=TimeInForce.GTC)
    desk.now_ns = OPEN_NS + 7 * HOUR_NS
    assert desk.quote("98.00", "98.01") == []
    desk.now_ns = OPEN_NS + 24 * HOUR_NS
    assert desk.quote("98.50", "98.60") == ["fill"]


def test_an_order_before_the_open_is_accepted_and_works_from_the_open_on() -> None:
    """Accepted in the pre-market, new at 09:30, filled by the first regular quote."""
    desk = Desk(OPEN_NS - HOUR_NS)
    desk.quote("99.98", "100.02")
    order = desk.place(Side.BUY)
    assert order.status is Status.ACCEPTED
    assert desk.quote("99.98", "100.02") == []
    desk.now_ns = OPEN_NS
    assert desk.quote("99.98", "100.03") == ["new", "fill"]
    assert desk.events == ["accepted", "new", "fill"]


def test_an_extended_hours_limit_order_trades_before_the_open() -> None:
    """That is what extended_hours is for; it expires at 20:00."""
    desk = Desk(OPEN_NS - HOUR_NS)
    desk.quote("99.98", "100.02")
    order = desk.place(Side.BUY, "600", OrderType.LIMIT, limit_price=D("100.05"), extended_hours=True)
    assert desk.fills == [("500", "100.0200")]
    assert order.expires_ns == OPEN_NS + 10 * HOUR_NS + HOUR_NS // 2


def test_cancel_ends_an_open_order_once(desk: Desk) -> None:
    """The second cancel is refused with Alpaca's code."""
    order = desk.place(Side.BUY, "100", OrderType.LIMIT, limit_price=D(99))
    assert [update.event for update in desk.exchange.cancel(order.order_id)] == ["canceled"]
    with pytest.raises(RefusalError) as refused:
        desk.exchange.cancel(order.order_id)
    assert (refused.value.status, refused.value.code) == (422, 42210000)
    assert desk.quote("98.00", "98.01") == []


def test_a_replacement_takes_the_old_orders_place(desk: Desk) -> None:
    """New id, linked both ways, and worked at once against the quote."""
    old = desk.place(Side.BUY, "100", OrderType.LIMIT, limit_price=D(99))
    new, updates = desk.exchange.replace(old.order_id, Changes(limit_price=D("100.02")))
    assert [update.event for update in updates] == ["replaced", "pending_new", "new", "fill"]
    assert new.replaces == old.order_id
    assert desk.newest(old).replaced_by == new.order_id
    assert desk.newest(old).status is Status.REPLACED
    assert desk.newest(new).status is Status.FILLED


def test_a_replacement_wants_what_the_old_order_left(desk: Desk) -> None:
    """700 wanted, 500 filled: the replacement is of 200, so that no share is bought twice."""
    old = desk.place(Side.BUY, "700", OrderType.LIMIT, limit_price=D("100.02"))
    new, _ = desk.exchange.replace(old.order_id, Changes(limit_price=D("100.05")))
    assert (new.quantity, new.filled_quantity) == (D(200), D(0))
    desk.quote("100.00", "100.04")
    assert desk.exchange.account.quantity("IBM") == 700


def test_a_replacement_of_a_given_quantity_is_of_that_quantity(desk: Desk) -> None:
    """Each parameter overrides the attribute of the old order."""
    old = desk.place(Side.BUY, "700", OrderType.LIMIT, limit_price=D("100.02"))
    new, _ = desk.exchange.replace(old.order_id, Changes(quantity=D(50)))
    assert new.quantity == 50


@pytest.mark.parametrize("changes", [Changes(), Changes(limit_price=D(99)), Changes(stop_price=D(5))])
def test_a_replacement_that_changes_nothing_or_what_is_not_there_is_refused(desk: Desk, changes: Changes) -> None:
    """And the old order stays as it was."""
    old = desk.place(Side.BUY, "100", OrderType.LIMIT, limit_price=D(99))
    with pytest.raises(RefusalError):
        desk.exchange.replace(old.order_id, changes)
    assert desk.newest(old).status is Status.NEW


def test_a_finished_order_cannot_be_replaced(desk: Desk) -> None:
    """A filled one is in the account already."""
    order = desk.place(Side.BUY)
    with pytest.raises(RefusalError, match="filled"):
        desk.exchange.replace(order.order_id, Changes(quantity=D(5)))


def test_a_notional_order_buys_what_its_money_is_worth(desk: Desk) -> None:
    """1,000 dollars at 100.02, rounded down to nine decimals; the order is filled, not left with dust."""
    order = desk.place(Side.BUY, None, notional=D(1000))
    assert desk.fills == [("9.998000399", "100.0200")]
    newest = desk.newest(order)
    assert (newest.status, newest.quantity) == (Status.FILLED, None)


def test_a_notional_order_goes_on_over_quotes(desk: Desk) -> None:
    """Its money is spent over the displayed sizes, never more than it has."""
    desk.quote("99.98", "100.00", ask_size=3)
    order = desk.place(Side.BUY, None, notional=D(1000))
    assert desk.quote("99.98", "50.00", ask_size=100) == ["fill"]
    assert desk.fills == [("3", "100.0000"), ("14", "50.0000")]
    assert desk.newest(order).filled_value == 1000


def test_a_fraction_of_a_share_fills(desk: Desk) -> None:
    """Nine decimals, exactly."""
    desk.place(Side.BUY, "0.000000001")
    assert desk.exchange.account.cash == D("1000000") - D("0.00000010002")


def test_commission_is_taken_off_the_cash() -> None:
    """Per share, of every fill."""
    desk = Desk(commission="0.005")
    desk.quote("99.98", "100.00")
    desk.place(Side.BUY, "200")
    assert desk.exchange.account.cash == D("979999.000")
    assert desk.exchange.account.commissions == D(1)


def test_ids_depend_on_the_name_and_nothing_else() -> None:
    """Two runs of one name repeat each other, another name shares no id with them."""

    def ids(name: str) -> list[str]:
        exchange = Exchange(["IBM"], Account(D(10_000)), name, OPEN_NS)
        exchange.on_market_event(Quote("IBM", 10_000, 10_100, 100, 100, OPEN_NS + 1))
        order, updates = exchange.place(
            NewOrder(symbol="IBM", side=Side.BUY, type=OrderType.MARKET, time_in_force=TimeInForce.DAY, quantity=D(1))
        )
        return [order.order_id, order.client_order_id, *(update.update_id for update in updates)]

    assert ids("a") == ids("a")
    assert not set(ids("a")) & set(ids("b"))
    assert len(set(ids("a"))) == 5


def test_bars_and_strangers_are_let_pass(desk: Desk) -> None:
    """A bar, or a symbol that is not traded, moves time and nothing else."""
    desk.place(Side.BUY, "100", OrderType.LIMIT, limit_price=D(99))
    later_ns = desk.now_ns + 1
    assert list(desk.exchange.on_market_event(Bar("IBM", 1, 1, 1, 1, 5, later_ns))) == []
    assert list(desk.exchange.on_market_event(Quote("ZZZ", 1, 1, 5, 5, later_ns + 1))) == []
    assert desk.exchange.now_ns == later_ns + 1


def test_time_does_not_go_back(desk: Desk) -> None:
    """An event out of order is taken, at the time that was reached."""
    desk.exchange.on_market_event(Trade("IBM", 1_000_000, 1, OPEN_NS - HOUR_NS))
    assert desk.exchange.now_ns == desk.now_ns
