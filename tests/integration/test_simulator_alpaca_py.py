"""The unmodified alpaca-py trades against the simulator: TradingClient and TradingStream by `url_override` alone."""

import asyncio
import queue
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import requests
import structlog
from aiohttp import web

from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.app import Simulator, Telemetry
from tradingmesh.alpaca_simulator.http import Keys, RateLimit
from tradingmesh.core.market import MarketEvent, Quote, Tick, Trade
from tradingmesh.telemetry.metrics import Metrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py uses websockets' legacy client
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderClass, OrderSide, OrderStatus, OrderType, QueryOrderStatus, TimeInForce
    from alpaca.trading.models import AccountConfiguration
    from alpaca.trading.requests import (
        ClosePositionRequest,
        GetAssetsRequest,
        GetCalendarRequest,
        GetOrdersRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
        StopLimitOrderRequest,
        StopLossRequest,
        TakeProfitRequest,
    )
    from alpaca.trading.stream import TradingStream

KEYS = Keys("key-id", "secret")
OPEN_NS = 1_709_562_600 * 10**9
WAIT_S = 10.0


class Tape(list[Tick]):
    """A tape in memory."""

    @property
    def length(self) -> int:
        return len(self)


class Broker:
    """A simulator served from a thread, and a market that moves when the test says so."""

    def __init__(self, requests_per_minute: int = 60_000) -> None:
        telemetry = Telemetry(Metrics(), structlog.get_logger())
        tape = Tape([Quote("IBM", 999_800, 1_000_200, 500, 500, OPEN_NS)])
        account = Account(Decimal(1_000_000))
        self.now_ns = OPEN_NS
        self.simulator = Simulator(tape, ["IBM", "BAC"], "max", account, "test", KEYS, telemetry)
        limit = RateLimit(requests_per_minute, lambda: 0.0)
        self._runner = web.AppRunner(self.simulator.application(limit, KEYS, telemetry), shutdown_timeout=1.0)
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._runner.setup())
        self._loop.run_until_complete(web.TCPSite(self._runner, "127.0.0.1", 0).start())
        self.address = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.url = f"http://{self.address}"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def see(self, event: MarketEvent) -> None:
        """The market moves, and all that follows of it has left."""
        asyncio.run_coroutine_threadsafe(self.simulator._on_event(event), self._loop).result(WAIT_S)

    def quote(self, bid: str, ask: str, size: int = 500, symbol: str = "IBM") -> None:
        self.now_ns += 1_000_000
        prices = int(Decimal(bid) * 10_000), int(Decimal(ask) * 10_000)
        self.see(Quote(symbol, *prices, size, size, self.now_ns))

    def trade(self, price: str) -> None:
        self.now_ns += 1_000_000
        self.see(Trade("IBM", int(Decimal(price) * 10_000), 100, self.now_ns))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(WAIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker whose IBM is quoted at 99.98 to 100.02, 500 a side."""
    made = Broker()
    made.quote("99.98", "100.02")
    yield made
    made.close()


@pytest.fixture
def client(broker: Broker) -> Iterator[Any]:
    """alpaca-py as it is; its answers are unions of models and raw data, so `Any`."""
    made = TradingClient(*KEYS, url_override=broker.url)
    yield made
    made._session.close()


@pytest.fixture
def updates(broker: Broker) -> Iterator["queue.Queue[Any]"]:
    """What TradingStream hears, on a thread of its own; it listens already."""
    heard: queue.Queue[Any] = queue.Queue()
    stream = TradingStream(*KEYS, url_override=f"ws://{broker.address}/stream")

    async def hear(update: Any) -> None:
        heard.put(update)

    stream.subscribe_trade_updates(hear)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        thread = threading.Thread(target=stream.run)
        thread.start()
        wait_for(lambda: any(client.listening for client in broker.simulator.trading_stream._clients))
        yield heard
        assert stream._loop is not None
        asyncio.run_coroutine_threadsafe(stream.stop_ws(), stream._loop).result(WAIT_S)
        asyncio.run_coroutine_threadsafe(stream.close(), stream._loop).result(WAIT_S)
        thread.join(WAIT_S)
    assert not thread.is_alive()


def wait_for(condition: Callable[[], bool]) -> None:
    """Until the condition holds; fails after `WAIT_S`."""
    given_up = threading.Event()
    for _ in range(int(WAIT_S / 0.005)):
        if condition():
            return
        given_up.wait(0.005)
    raise AssertionError("the condition did not come to hold in time")


def market(side: OrderSide = OrderSide.BUY, quantity: float = 100, symbol: str = "IBM", **more: Any) -> Any:
    return MarketOrderRequest(symbol=symbol, qty=quantity, side=side, time_in_force=TimeInForce.DAY, **more)


def limit(price: float, side: OrderSide = OrderSide.BUY, quantity: float = 100, **more: Any) -> Any:
    day = TimeInForce.DAY
    return LimitOrderRequest(symbol="IBM", qty=quantity, side=side, time_in_force=day, limit_price=price, **more)


def refusal(do: Callable[[], object]) -> tuple[int, int, str]:
    with pytest.raises(APIError) as refused:
        do()
    return refused.value.status_code, refused.value.code, refused.value.message


def test_an_order_is_placed_filled_and_found(client: Any) -> None:
    """By id, by client order id and in lists; the account has paid for it to the cent."""
    taken = client.submit_order(market(client_order_id="mine"))
    assert (taken.status, taken.filled_qty) == (OrderStatus.PENDING_NEW, "0")
    order = client.get_order_by_id(taken.id)
    assert (order.status, order.filled_qty, order.filled_avg_price) == (OrderStatus.FILLED, "100", "100.02")
    assert client.get_order_by_client_id("mine") == order
    assert client.get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED)) == [order]
    assert client.get_orders() == []
    account = client.get_account()
    assert (account.cash, account.equity) == ("989998", "999998")


def test_every_kind_of_simple_order_is_taken(client: Any) -> None:
    """Fractional, notional, limit and stop-limit, as alpaca-py's request models write them."""
    orders = [
        market(quantity=0.123456789),
        MarketOrderRequest(symbol="IBM", notional=500.5, side=OrderSide.BUY, time_in_force=TimeInForce.DAY),
        limit(99.5, extended_hours=True),
        StopLimitOrderRequest(
            symbol="IBM", qty=5, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, stop_price=105, limit_price=106.5
        ),
    ]
    taken = [client.submit_order(order) for order in orders]
    assert [order.qty for order in taken] == ["0.123456789", None, "100", "5"]
    assert (taken[1].notional, taken[3].stop_price, taken[3].limit_price) == ("500.5", "105", "106.5")
    assert [order.type for order in client.get_orders()] == [OrderType.STOP_LIMIT, OrderType.LIMIT]


def test_orders_are_replaced_and_canceled(client: Any) -> None:
    """The replacement has new ids, linked both ways; then one cancel, and one for all."""
    old = client.submit_order(limit(99))
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(qty=50, limit_price=98.5))
    assert (new.replaces, new.qty, new.limit_price) == (old.id, "50", "98.5")
    assert client.get_order_by_id(old.id).replaced_by == new.id
    client.cancel_order_by_id(new.id)
    assert client.get_order_by_id(new.id).status is OrderStatus.CANCELED
    client.submit_order(limit(97))
    assert [(answer.status) for answer in client.cancel_orders()] == [200]
    assert client.get_orders() == []


def test_positions_are_told_and_closed(client: Any, broker: Broker) -> None:
    """With profit at the last trade; closed in part, then altogether."""
    client.submit_order(market())
    broker.trade("101.02")
    position = client.get_open_position("IBM")
    assert (position.qty, position.avg_entry_price, position.unrealized_pl) == ("100", "100.02", "100")
    assert client.get_open_position(position.asset_id) == position
    broker.quote("101.00", "101.04")
    assert client.close_position("IBM", ClosePositionRequest(percentage="25")).qty == "25"
    assert client.close_position("IBM", ClosePositionRequest(qty="5")).qty == "5"
    assert client.get_all_positions()[0].qty == "70"
    [closed] = client.close_all_positions(cancel_orders=True)
    assert (closed.status, closed.symbol, closed.body.qty) == (200, "IBM", "70")
    assert client.get_all_positions() == []
    assert refusal(lambda: client.get_open_position("IBM")) == (404, 40410000, "position does not exist")


def test_a_position_that_cannot_be_closed_says_why(client: Any) -> None:
    """Its shares are in an open order: alpaca-py reads the refusal out of the answer."""
    client.submit_order(market())
    client.submit_order(limit(110, OrderSide.SELL))
    [answer] = client.close_all_positions()
    assert (answer.status, answer.body.code, answer.body.held_for_orders) == (403, 40310000, 100.0)


def test_refusals_are_alpacas(client: Any) -> None:
    """Status, code and message by alpaca-py's own reading of them."""
    client.submit_order(market(client_order_id="mine"))
    unique = (422, 40010001, "client_order_id must be unique")
    assert refusal(lambda: client.submit_order(market(client_order_id="mine"))) == unique
    assert refusal(lambda: client.submit_order(market(quantity=1e6))) == (403, 40310000, "insufficient buying power")
    assert refusal(lambda: client.submit_order(market(symbol="ZZZ"))) == (422, 42210000, 'asset "ZZZ" not found')
    assert refusal(lambda: client.submit_order(limit(41.085)))[1] == 42210000
    bracket = limit(
        99,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=120),
        stop_loss=StopLossRequest(stop_price=90),
    )
    assert refusal(lambda: client.submit_order(bracket))[:2] == (422, 42210000)
    nobody = UUID(int=0)
    assert refusal(lambda: client.get_order_by_id(nobody)) == (404, 40410000, f"order not found for {nobody}")
    done = client.get_order_by_client_id("mine").id
    assert refusal(lambda: client.cancel_order_by_id(done)) == (422, 42210000, 'order is already in "filled" state')


def test_lists_of_orders_are_filtered(client: Any) -> None:
    """By symbol, side, limit, direction and time of submission."""
    orders = [client.submit_order(limit(price)) for price in (97, 98, 99)]
    sale = client.submit_order(limit(110, OrderSide.SELL))

    def ids(**wanted: Any) -> list[UUID]:
        return [order.id for order in client.get_orders(GetOrdersRequest(**wanted))]

    newest_first = [sale.id, *[order.id for order in reversed(orders)]]
    assert ids() == newest_first
    assert ids(direction="asc", limit=2) == [order.id for order in orders[:2]]
    assert ids(side=OrderSide.SELL) == [sale.id]
    assert ids(symbols=["BAC"]) == []
    assert ids(symbols=["BAC", "IBM"]) == newest_first
    assert ids(after=sale.submitted_at) == []
    assert ids(until=sale.submitted_at.replace(year=2030)) == newest_first


def test_assets_clock_and_calendar(client: Any) -> None:
    """Read by alpaca-py's models."""
    assets = client.get_all_assets(GetAssetsRequest())
    assert [asset.symbol for asset in assets] == ["IBM", "BAC"]
    assert client.get_asset(assets[0].id) == client.get_asset("IBM") == assets[0]
    assert refusal(lambda: client.get_asset("ZZZ")) == (404, 40410000, "asset not found for ZZZ")
    clock = client.get_clock()
    assert clock.is_open
    assert clock.next_close.isoformat() == "2024-03-04T16:00:00-05:00"
    [day] = client.get_calendar(GetCalendarRequest(start=date(2024, 3, 4), end=date(2024, 3, 4)))
    assert day.open.isoformat() == "2024-03-04T09:30:00"


def test_the_accounts_configuration_is_changed_as_alpaca_py_does_it(client: Any) -> None:
    """It sends the whole model, nulls included; the setting then holds."""
    configuration = client.get_account_configurations()
    assert isinstance(configuration, AccountConfiguration)
    configuration.suspend_trade = True
    assert client.set_account_configurations(configuration).suspend_trade
    assert client.get_account().trade_suspended_by_user
    assert refusal(lambda: client.submit_order(market()))[0] == 403


def test_activities_are_paged(client: Any, broker: Broker) -> None:
    """Every fill once, over pages of two, newest first; the last page is short."""
    client.submit_order(market(quantity=1200))
    for ask in ("100.03", "100.04", "100.05"):
        broker.quote("99.98", ask, size=200)
    seen: list[str] = []
    token: str | None = None
    while True:
        query = {"page_size": 2} | ({"page_token": token} if token else {})
        page = client.get("/account/activities/FILL", query)
        seen += [fill["price"] for fill in page]
        if len(page) < 2:
            break
        token = page[-1]["id"]
    assert seen == ["100.05", "100.04", "100.03", "100.02"]
    assert client.get("/account/activities", {"activity_types": "DIV"}) == []
    assert len(client.get("/account/activities", {"date": "2024-03-04", "direction": "asc"})) == 4
    assert client.get("/account/activities", {"date": "2024-03-05"}) == []


@pytest.mark.parametrize("keys", [("key-id", "wrong"), ("wrong", "secret"), ("clé", "ß")])
def test_wrong_keys_are_refused(broker: Broker, keys: tuple[str, str]) -> None:
    """401 with Alpaca's code."""
    stranger = TradingClient(keys[0].encode().decode("latin-1"), keys[1], url_override=broker.url)
    assert refusal(stranger.get_account) == (401, 40110000, "request is not authorized")
    stranger._session.close()


def test_the_rate_limit_is_told_and_kept() -> None:
    """Three headers on every answer, and 429 once the minute is used up."""
    broker = Broker(requests_per_minute=2)
    with requests.Session() as session:
        session.headers.update({"APCA-API-KEY-ID": KEYS.key_id, "APCA-API-SECRET-KEY": KEYS.secret_key})
        answers = [session.get(f"{broker.url}/v2/clock", timeout=WAIT_S) for _ in range(3)]
    broker.close()
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["X-RateLimit-Reset"] for answer in answers} == {"60"}
    assert answers[2].json() == {"code": 42910000, "message": "too many requests."}


def test_the_stream_tells_every_update_of_an_order(client: Any, broker: Broker, updates: "queue.Queue[Any]") -> None:
    """From pending to filled, with prices, quantities and positions, each with an id of its own."""
    taken = client.submit_order(market(quantity=700))
    broker.quote("99.98", "100.05")
    heard = [updates.get(timeout=WAIT_S) for _ in range(4)]
    assert [update.event for update in heard] == ["pending_new", "new", "partial_fill", "fill"]
    assert {update.order.id for update in heard} == {taken.id}
    assert [(update.qty, update.price, update.position_qty) for update in heard[2:]] == [
        (500.0, 100.02, 500.0),
        (200.0, 100.05, 700.0),
    ]
    assert len({update.execution_id for update in heard}) == 4
    assert heard[3].order == client.get_order_by_id(taken.id)
    fills = [fill["id"].partition("::")[2] for fill in client.get("/account/activities/FILL")]
    assert fills == [str(heard[3].execution_id), str(heard[2].execution_id)]


def test_the_stream_tells_of_cancels_and_replacements(client: Any, updates: "queue.Queue[Any]") -> None:
    """In the order in which they happened."""
    order = client.submit_order(limit(99))
    new = client.replace_order_by_id(order.id, ReplaceOrderRequest(limit_price=98))
    client.cancel_order_by_id(new.id)
    heard = [updates.get(timeout=WAIT_S) for _ in range(6)]
    assert [update.event for update in heard] == ["pending_new", "new", "replaced", "pending_new", "new", "canceled"]
    assert [update.order.id for update in heard[2:4]] == [order.id, new.id]
    assert heard[2].order.replaced_by == new.id
