"""What leaves the exchange as JSON: amounts exact and plain, nothing negative that is nothing."""

from decimal import Decimal
from typing import Any

import pytest

from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.exchange import Exchange
from tradingmesh.alpaca_simulator.orders import NewOrder, TradeUpdate
from tradingmesh.alpaca_simulator.views import (
    account_view,
    activity_view,
    asset_id,
    order_view,
    position_view,
    update_view,
)
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.signal import OrderType, Side, TimeInForce

OPEN_NS = 1_709_562_600 * 10**9
D = Decimal


@pytest.fixture
def exchange() -> Exchange:
    exchange = Exchange(["IBM"], Account(D(100_000)), "views", OPEN_NS)
    exchange.on_market_event(Trade("IBM", 990_000, 100, OPEN_NS + 1))
    exchange.on_market_event(Quote("IBM", 999_800, 1_000_200, 30, 30, OPEN_NS + 2_500_000))
    return exchange


def place(exchange: Exchange, side: Side, quantity: str, **more: Any) -> list[TradeUpdate]:
    fields = {"type": OrderType.MARKET, "time_in_force": TimeInForce.DAY, **more}
    return list(exchange.place(NewOrder(symbol="IBM", side=side, quantity=D(quantity), **fields))[1])


def test_an_order_that_is_partly_filled(exchange: Exchange) -> None:
    """Quantities and average as text, times in UTC, what has not happened is null."""
    *_, update = place(exchange, Side.BUY, "40")
    view = order_view(update.order)
    assert (view["qty"], view["filled_qty"], view["filled_avg_price"]) == ("40", "30", "100.02")
    assert (view["status"], view["position_intent"]) == ("partially_filled", "buy_to_open")
    assert (view["filled_at"], view["expires_at"]) == ("2024-03-04T14:30:00.0025Z", "2024-03-04T21:00:00Z")
    assert view["canceled_at"] is view["notional"] is view["limit_price"] is None


def test_an_update_of_a_fill_has_its_figures(exchange: Exchange) -> None:
    """Price, quantity and position beside the order; an update that is no fill has none of them."""
    *_, new, fill = place(exchange, Side.SELL, "10")
    told = update_view(fill)["data"]
    assert (told["event"], told["price"], told["qty"], told["position_qty"]) == ("fill", "99.98", "10", "-10")
    assert told["timestamp"] == told["at"] == "2024-03-04T14:30:00.0025Z"
    assert not {"price", "qty", "position_qty"} & set(update_view(new)["data"])


def test_a_long_position(exchange: Exchange) -> None:
    """Valued at the last trade, changed since the first price of the tape."""
    place(exchange, Side.BUY, "10")
    exchange.on_market_event(Trade("IBM", 1_089_000, 100, OPEN_NS + 3_000_000))
    [(symbol, holding)] = exchange.account.positions().items()
    view = position_view(exchange, symbol, holding)
    assert view["asset_id"] == asset_id("IBM")
    assert (view["side"], view["qty"], view["qty_available"]) == ("long", "10", "10")
    assert (view["cost_basis"], view["market_value"], view["unrealized_pl"]) == ("1000.2", "1089", "88.8")
    assert (view["current_price"], view["lastday_price"], view["change_today"]) == ("108.9", "99", "0.1")


def test_a_short_position_held_by_its_cover(exchange: Exchange) -> None:
    """Negative, and nothing of it is available: 0, not -0."""
    place(exchange, Side.SELL, "10")
    place(exchange, Side.BUY, "10", type=OrderType.LIMIT, limit_price=D(90))
    [(symbol, holding)] = exchange.account.positions().items()
    view = position_view(exchange, symbol, holding)
    assert (view["side"], view["qty"], view["qty_available"]) == ("short", "-10", "0")
    assert (view["cost_basis"], view["avg_entry_price"], view["market_value"]) == ("-999.8", "99.98", "-990")
    assert view["unrealized_pl"] == "9.8"


def test_the_account_adds_up(exchange: Exchange) -> None:
    """Equity is cash and both market values; buying power is what the multiplier leaves."""
    place(exchange, Side.BUY, "10")
    view = account_view(exchange, OPEN_NS)
    assert (view["cash"], view["long_market_value"], view["equity"]) == ("98999.8", "990", "99989.8")
    assert view["buying_power"] == str(4 * D("99989.8") - 990)
    assert view["regt_buying_power"] == str(2 * D("99989.8") - 990)
    assert (view["multiplier"], view["created_at"]) == ("4", "2024-03-04T14:30:00Z")


def test_an_activity_is_named_by_time_and_execution(exchange: Exchange) -> None:
    """Alpaca's form of the id; the rest is the fill's."""
    *_, update = place(exchange, Side.BUY, "40")
    view = activity_view(exchange.executions[0])
    assert view["id"] == f"20240304143000002::{update.update_id}"
    assert (view["type"], view["qty"], view["cum_qty"], view["leaves_qty"]) == ("partial_fill", "30", "30", "10")
    assert (view["order_status"], view["price"]) == ("partially_filled", "100.02")
