"""The corners of the REST API that alpaca-py does not reach: every filter, every bound, settings that do not fit."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.app import Simulator, Telemetry
from tradingmesh.alpaca_simulator.http import Keys, RateLimit
from tradingmesh.core.market import MarketEvent, Quote
from tradingmesh.telemetry.metrics import Metrics

KEYS = Keys("key-id", "secret")
HEADERS = {"APCA-API-KEY-ID": KEYS.key_id, "APCA-API-SECRET-KEY": KEYS.secret_key}
OPEN_NS = 1_709_562_600 * 10**9
SECOND_NS = 10**9

Client = TestClient[web.Request, web.Application]


class Tape(list[MarketEvent]):
    """A tape in memory."""

    @property
    def length(self) -> int:
        return len(self)


class Broker:
    """A served simulator: `ask` for JSON, `order` to place one, `tick` to let a second pass with a fresh quote."""

    def __init__(self, client: Client, simulator: Simulator) -> None:
        self.client = client
        self.exchange = simulator.exchange
        self._now_ns = OPEN_NS

    async def ask(self, path: str, method: str = "GET", status: int = 200, **more: Any) -> Any:
        answer = await self.client.request(method, path, headers=HEADERS, **more)
        assert answer.status == status, await answer.text()
        return await answer.json()

    async def order(self, quantity: str = "10", **more: Any) -> Any:
        fields = {"symbol": "IBM", "side": "buy", "type": "market", "time_in_force": "day", "qty": quantity, **more}
        return await self.ask("/v2/orders", "POST", json=fields)

    async def resting(self, price: str = "90", **more: Any) -> Any:
        return await self.order(type="limit", limit_price=price, **more)

    def tick(self) -> None:
        self._now_ns += SECOND_NS
        for symbol in ("IBM", "BAC"):
            self.exchange.on_market_event(Quote(symbol, 999_800, 1_000_200, 500, 500, self._now_ns))


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    """A second after the open, with both symbols quoted."""
    telemetry = Telemetry(Metrics(), structlog.get_logger())
    tape = Tape([Quote("IBM", 999_800, 1_000_200, 500, 500, OPEN_NS)])
    simulator = Simulator(tape, ["IBM", "BAC"], "max", Account(Decimal(1_000_000)), "test", KEYS, telemetry)
    app = simulator.application(RateLimit(60_000, lambda: 0.0), KEYS, telemetry)
    async with TestClient(TestServer(app)) as client:
        made = Broker(client, simulator)
        made.tick()
        yield made


async def test_orders_on_either_side_of_one(broker: Broker) -> None:
    """Paging by order id, in both directions."""
    ids = [(await broker.resting())["id"] for _ in range(4)]

    async def listed(query: str) -> list[str]:
        return [order["id"] for order in await broker.ask(f"/v2/orders?direction=asc&{query}")]

    assert await listed(f"before_order_id={ids[2]}") == ids[:2]
    assert await listed(f"after_order_id={ids[1]}") == ids[2:]
    assert await listed(f"after_order_id={ids[0]}&before_order_id={ids[3]}") == ids[1:3]
    await broker.ask("/v2/orders?after_order_id=00000000-0000-0000-0000-000000000000", status=404)


async def test_orders_between_two_times(broker: Broker) -> None:
    """Both ends are exclusive, to the nanosecond."""
    submitted = []
    for _ in range(3):
        submitted.append((await broker.resting())["submitted_at"])
        broker.tick()
    between = await broker.ask(f"/v2/orders?after={submitted[0]}&until={submitted[2]}")
    assert [order["submitted_at"] for order in between] == [submitted[1]]
    await broker.ask("/v2/orders?after=yesterday", status=422)


async def test_orders_by_status_and_class(broker: Broker) -> None:
    """Open ones by default; of other asset classes there are none."""
    await broker.resting()
    await broker.order(symbol="BAC")
    statuses = {
        status: [order["status"] for order in await broker.ask(f"/v2/orders?status={status}")]
        for status in ("open", "closed", "all")
    }
    assert statuses == {"open": ["new"], "closed": ["filled"], "all": ["filled", "new"]}
    assert len(await broker.ask("/v2/orders?asset_class=us_equity&asset_class=crypto")) == 1
    assert await broker.ask("/v2/orders?asset_class=crypto") == []


@pytest.mark.parametrize("query", ["limit=501", "limit=-1", "limit=1.5", "limit=", "direction=up", "nested=x"])
async def test_queries_that_do_not_fit(broker: Broker, query: str) -> None:
    """422 with the parameter's name."""
    order = await broker.resting()
    path = f"/v2/orders/{order['id']}" if "nested" in query else "/v2/orders"
    told = await broker.ask(f"{path}?{query}", status=422)
    assert told["message"].startswith(query.partition("=")[0])


async def test_an_order_by_asset_id(broker: Broker) -> None:
    """Alpaca takes the asset's id in place of its symbol."""
    [ibm, _] = await broker.ask("/v2/assets")
    assert (await broker.order(symbol=ibm["id"]))["symbol"] == "IBM"
    assert (await broker.ask(f"/v2/positions/{ibm['id']}"))["symbol"] == "IBM"


async def test_an_order_is_found_by_any_writing_of_its_id(broker: Broker) -> None:
    """A UUID has capitals for some."""
    order = await broker.resting()
    assert await broker.ask(f"/v2/orders/{order['id'].upper()}") == order | {
        "status": "new",
        "updated_at": order["updated_at"],
    }


async def test_a_partly_filled_order_is_replaced_by_what_is_left(broker: Broker) -> None:
    """By REST as at the exchange, and refused once it is done."""
    old = await broker.order("700", type="limit", limit_price="100.02")
    new = await broker.ask(f"/v2/orders/{old['id']}", "PATCH", json={"limit_price": "99"})
    assert (new["qty"], new["replaces"], new["status"]) == ("200", old["id"], "pending_new")
    told = await broker.ask(f"/v2/orders/{old['id']}", "PATCH", status=422, json={"limit_price": "98"})
    assert told == {"code": 42210000, "message": "cannot replace order in replaced status"}


@pytest.mark.parametrize(
    ("query", "closed"), [("", "10"), ("qty=2.5", "2.5"), ("percentage=33.333333333", "3.333333333")]
)
async def test_a_position_is_closed_by_quantity_or_share(broker: Broker, query: str, closed: str) -> None:
    """All of it, some of it, a share of it to nine decimals."""
    await broker.order("10")
    assert (await broker.ask(f"/v2/positions/IBM?{query}", "DELETE"))["qty"] == closed


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("qty=0", 422),
        ("qty=-1", 422),
        ("qty=x", 422),
        ("qty=nan", 422),
        ("percentage=101", 422),
        ("qty=1&percentage=1", 422),
        ("qty=11", 403),
    ],
)
async def test_a_position_is_not_closed_beyond_itself(broker: Broker, query: str, status: int) -> None:
    """And stays as it is."""
    await broker.order("10")
    await broker.ask(f"/v2/positions/IBM?{query}", "DELETE", status=status)
    assert (await broker.ask("/v2/positions/IBM"))["qty"] == "10"


async def test_a_short_position_is_bought_back(broker: Broker) -> None:
    """Closing looks at the side."""
    await broker.order("10", side="sell")
    [answer] = await broker.ask("/v2/positions", "DELETE", status=207)
    assert (answer["body"]["side"], answer["body"]["position_intent"]) == ("buy", "buy_to_close")
    assert await broker.ask("/v2/positions") == []


async def test_activities_are_filtered(broker: Broker) -> None:
    """By order, type, category, day, and both ends of a time."""
    first = await broker.order("5")
    broker.tick()
    await broker.order("7")
    [newest, oldest] = await broker.ask("/v2/account/activities")
    assert (oldest["qty"], newest["qty"]) == ("5", "7")
    found = {
        query: len(await broker.ask(f"/v2/account/activities?{query}"))
        for query in (
            f"order_id={first['id']}",
            "activity_types=FILL,DIV",
            "activity_types=DIV",
            "category=trade_activity",
            "category=non_trade_activity",
            "date=2024-03-04T00:00:00Z",
            "date=2024-03-03",
            f"after={oldest['transaction_time']}",
            f"until={oldest['transaction_time']}",
            "page_size=1",
            f"page_token={newest['id']}",
            "page_token=unknown",
        )
    }
    assert list(found.values()) == [1, 2, 0, 2, 0, 2, 0, 1, 0, 1, 1, 0]


@pytest.mark.parametrize(
    "path",
    [
        "?activity_types=FILL&category=trade_activity",
        "?category=x",
        "?date=x",
        "?date=9999-12-31",
        "?page_size=101",
        "?page_size=0",
        "/nonsense",
    ],
)
async def test_activities_that_cannot_be_asked_for(broker: Broker, path: str) -> None:
    """422 in every case."""
    assert (await broker.ask(f"/v2/account/activities{path}", status=422))["code"] == 40010001


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 2),
        ("status=active&asset_class=us_equity&exchange=NYSE", 2),
        ("status=inactive", 0),
        ("asset_class=crypto", 0),
        ("exchange=NASDAQ", 0),
        ("attributes=fractional_eh_enabled,ipo", 2),
        ("attributes=ipo", 0),
    ],
)
async def test_assets_are_filtered(broker: Broker, query: str, found: int) -> None:
    """By each of the four filters."""
    assert len(await broker.ask(f"/v2/assets?{query}")) == found


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"max_margin_multiplier": "2", "unknown": 1, "no_shorting": null}', 200),
        (b'{"max_margin_multiplier": "3"}', 422),
        (b'{"no_shorting": "yes"}', 422),
        (b"[]", 422),
        (b"{", 400),
        (b"", 400),
    ],
)
async def test_the_configuration_takes_what_fits(broker: Broker, body: bytes, status: int) -> None:
    """What does not fit changes nothing."""
    before = await broker.ask("/v2/account/configurations")
    await broker.ask("/v2/account/configurations", "PATCH", status=status, data=body)
    after = await broker.ask("/v2/account/configurations")
    assert after == (before | {"max_margin_multiplier": "2"} if status == 200 else before)
    assert (await broker.ask("/v2/account"))["multiplier"] == after["max_margin_multiplier"]


@pytest.mark.parametrize(
    ("query", "status", "days"),
    [
        ("start=2024-03-04&end=2024-03-08", 200, 5),
        ("start=2024-03-04T00:00:00Z&end=2024-03-04T23:59:59Z", 200, 1),
        ("start=2024-03-08&end=2024-03-04", 200, 0),
        ("start=2024-05-29&end=2024-05-29&date_type=SETTLEMENT", 200, 2),
        ("start=2024-02-30", 400, None),
        ("end=x", 400, None),
        ("date_type=WEEKLY", 422, None),
    ],
)
async def test_the_calendar_by_query(broker: Broker, query: str, status: int, days: int | None) -> None:
    """Days and times, either way round."""
    told = await broker.ask(f"/v2/calendar?{query}", status=status)
    assert len(told) == days if days is not None else told["code"] == 40010001


async def test_cancel_all_answers_for_each(broker: Broker) -> None:
    """Over all symbols, oldest first; the second time there is nothing."""
    orders = [await broker.resting(), await broker.resting(symbol="BAC")]
    told = await broker.ask("/v2/orders", "DELETE", status=207)
    assert told == [{"id": order["id"], "status": 200} for order in orders]
    assert await broker.ask("/v2/orders", "DELETE", status=207) == []
