"""What the broker refuses, with Alpaca's status, code and words; and that a refusal changes nothing."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from tradingmesh.alpaca_simulator import exchange as exchange_module
from tradingmesh.alpaca_simulator.account import Account, Configuration
from tradingmesh.alpaca_simulator.exchange import Exchange
from tradingmesh.alpaca_simulator.order_body import Changes
from tradingmesh.alpaca_simulator.orders import NewOrder, Order
from tradingmesh.alpaca_simulator.refusals import RefusalError
from tradingmesh.core.market import Quote
from tradingmesh.core.signal import OrderType, Side, TimeInForce

OPEN_NS = 1_709_562_600 * 10**9
D = Decimal
BUY, SELL = Side.BUY, Side.SELL
LIMIT, MARKET, STOP = OrderType.LIMIT, OrderType.MARKET, OrderType.STOP

Place = Callable[..., Order]


@pytest.fixture
def exchange() -> Exchange:
    exchange = Exchange(["IBM", "BAC"], Account(D(100_000)), "desk", OPEN_NS)
    for symbol in ("IBM", "BAC"):
        exchange.on_market_event(Quote(symbol, 999_800, 1_000_000, 5_000, 5_000, OPEN_NS + 1))
    return exchange


@pytest.fixture
def place(exchange: Exchange) -> Place:
    def place(side: Side, quantity: str | None, type_: OrderType = MARKET, **more: Any) -> Order:
        fields = {"symbol": "IBM", "time_in_force": TimeInForce.DAY, **more}
        return exchange.place(
            NewOrder(side=side, type=type_, quantity=None if quantity is None else D(quantity), **fields)
        )[0]

    return place


def refused(do: Callable[[], object]) -> tuple[int, dict[str, Any]]:
    with pytest.raises(RefusalError) as refusal:
        do()
    return refusal.value.status, refusal.value.body()


def configure(exchange: Exchange, **settings: Any) -> None:
    exchange.account.configuration = replace(Configuration(), **settings)


def test_buying_power_is_not_exceeded(place: Place) -> None:
    """Four times the equity; a market order is held at 3 % above the ask."""
    status, body = refused(lambda: place(BUY, "3884"))
    assert status == 403
    assert body == {
        "code": 40310000,
        "message": "insufficient buying power",
        "buying_power": "400000",
        "cost_basis": "400052",
    }
    assert place(BUY, "3883")


def test_open_orders_hold_buying_power(exchange: Exchange, place: Place) -> None:
    """A resting limit order counts at its price, until it is canceled."""
    resting = place(BUY, "3900", LIMIT, limit_price=D(99))
    assert refused(lambda: place(BUY, "200", LIMIT, limit_price=D(99), symbol="BAC"))[0] == 403
    exchange.cancel(resting.order_id)
    assert place(BUY, "200", LIMIT, limit_price=D(99), symbol="BAC")


def test_positions_use_buying_power(place: Place) -> None:
    """What is held already counts at its value, short positions at their absolute one."""
    place(SELL, "2000")
    status, body = refused(lambda: place(BUY, "2100", symbol="BAC"))
    assert (status, body["message"]) == (403, "insufficient buying power")


def test_a_replacement_does_not_pay_twice(exchange: Exchange, place: Place) -> None:
    """The order that is replaced gives back what it held."""
    old = place(BUY, "3900", LIMIT, limit_price=D(99))
    new, _ = exchange.replace(old.order_id, Changes(quantity=D(4000)))
    assert new.quantity == 4000
    assert refused(lambda: exchange.replace(new.order_id, Changes(quantity=D(4100))))[0] == 403


def test_a_sale_closes_no_more_than_there_is(place: Place) -> None:
    """One order does not turn a long position into a short one."""
    place(BUY, "100")
    status, body = refused(lambda: place(SELL, "150"))
    assert status == 403
    assert body == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 150, available: 100)",
        "symbol": "IBM",
        "available": "100",
        "existing_qty": "100",
        "held_for_orders": "0",
    }


def test_shares_in_open_sell_orders_are_held(place: Place) -> None:
    """The second sale finds what the first one left."""
    place(BUY, "100")
    place(SELL, "60", LIMIT, limit_price=D(110))
    _, body = refused(lambda: place(SELL, "50", LIMIT, limit_price=D(110)))
    assert (body["available"], body["held_for_orders"]) == ("40", "60")
    assert place(SELL, "40", LIMIT, limit_price=D(110))


def test_a_short_position_is_covered_no_further_than_flat(place: Place) -> None:
    """The same rule on the other side; covering needs no buying power."""
    place(SELL, "100")
    assert refused(lambda: place(BUY, "101"))[1]["code"] == 40310000
    assert place(BUY, "100").position_intent == "buy_to_close"


@pytest.mark.parametrize(
    ("resting", "coming", "kind"),
    [
        ((BUY, "10", STOP, {"stop_price": D(120)}), (SELL, "10", LIMIT, {"limit_price": D(110)}), "market/stop"),
        ((BUY, "10", LIMIT, {"limit_price": D(99)}), (SELL, "10", MARKET, {}), "market/stop"),
        ((BUY, "10", LIMIT, {"limit_price": D(99)}), (SELL, "10", LIMIT, {"limit_price": D(99)}), "limit"),
        ((SELL, "10", LIMIT, {"limit_price": D(101)}), (BUY, "10", LIMIT, {"limit_price": D(102)}), "limit"),
    ],
)
def test_orders_that_could_meet_are_a_wash_trade(place: Place, resting: Any, coming: Any, kind: str) -> None:
    """Alpaca's 403 with the id of the order that stands against it."""
    existing = place(*resting[:3], **resting[3])
    status, body = refused(lambda: place(*coming[:3], **coming[3]))
    assert status == 403
    assert body["message"] == "potential wash trade detected. use complex orders"
    assert body["existing_order_id"] == existing.order_id
    assert body["reject_reason"] == f"opposite side {kind} order exists"


def test_orders_that_cannot_meet_are_none(place: Place) -> None:
    """A bid below an offer, or another symbol."""
    place(BUY, "10", LIMIT, limit_price=D(99))
    assert place(SELL, "10", LIMIT, limit_price=D(101))
    assert place(SELL, "10", symbol="BAC")


def test_a_client_order_id_is_used_once(exchange: Exchange, place: Place) -> None:
    """Even after the order is done: that is what makes a retry safe."""
    first = place(BUY, "10", client_order_id="mine")
    status, body = refused(lambda: place(BUY, "10", client_order_id="mine"))
    assert (status, body) == (422, {"code": 40010001, "message": "client_order_id must be unique"})
    assert exchange.orders.by_client_id("mine").order_id == first.order_id
    assert exchange.account.quantity("IBM") == 10


def test_an_unknown_symbol_is_refused(place: Place) -> None:
    """Only what the manifest names is traded."""
    assert refused(lambda: place(BUY, "10", symbol="ZZZ")) == (
        422,
        {"code": 42210000, "message": 'asset "ZZZ" not found'},
    )


def test_fractions_are_not_sold_short(place: Place) -> None:
    """Neither as a quantity nor as an amount of money."""
    assert refused(lambda: place(SELL, "0.5"))[0] == 422
    assert refused(lambda: place(SELL, None, notional=D(100)))[0] == 422


def test_a_notional_order_has_a_least_amount(place: Place) -> None:
    """One dollar."""
    assert refused(lambda: place(BUY, None, notional=D("0.99")))[1]["message"].startswith("cost basis must be >=")


@pytest.mark.parametrize(
    ("settings", "side", "quantity"),
    [
        ({"suspend_trade": True}, BUY, "1"),
        ({"no_shorting": True}, SELL, "1"),
        ({"fractional_trading": False}, BUY, "0.5"),
        ({"max_margin_multiplier": "1"}, BUY, "1000"),
    ],
)
def test_the_accounts_settings_hold(
    exchange: Exchange, place: Place, settings: dict[str, Any], side: Side, quantity: str
) -> None:
    """Each of them refuses an order that is taken without it."""
    configure(exchange, **settings)
    assert refused(lambda: place(side, quantity))[0] == 403
    configure(exchange)
    assert place(side, quantity)


def test_a_refusal_changes_nothing(exchange: Exchange, place: Place) -> None:
    """No order, no hold, no id taken."""
    before = exchange.buying_power(D(4))
    refused(lambda: place(BUY, "999999", client_order_id="mine"))
    assert (len(exchange.orders), exchange.buying_power(D(4))) == (0, before)
    assert place(BUY, "1", client_order_id="mine")


def test_an_unknown_order_is_not_found(exchange: Exchange) -> None:
    """By id and by client order id, with Alpaca's code."""
    assert refused(lambda: exchange.orders.get("nobody"))[1]["code"] == 40410000
    assert refused(lambda: exchange.orders.by_client_id("nobody"))[0] == 404


def test_the_number_of_orders_is_limited(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than the limit is refused, and nothing is forgotten."""
    monkeypatch.setattr(exchange_module, "ORDERS_MAX", 2)
    place(BUY, "1")
    place(BUY, "1")
    assert refused(lambda: place(BUY, "1"))[0] == 403


def test_a_market_order_without_any_price_is_taken() -> None:
    """There is nothing to hold it at: it waits for the first quote."""
    silent = Exchange(["IBM"], Account(D(100)), "desk", OPEN_NS)
    order, _ = silent.place(
        NewOrder(symbol="IBM", side=BUY, type=MARKET, time_in_force=TimeInForce.DAY, quantity=D(1000))
    )
    assert (order.hold_price, order.is_open) == (D(0), True)
