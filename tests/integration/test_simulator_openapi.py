"""The trading API against Alpaca's own OpenAPI document: schemathesis finds no 5xx and nothing off the schema."""

import asyncio
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from importlib.metadata import files
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import structlog
from aiohttp import web
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.app import Simulator, Telemetry
from tradingmesh.alpaca_simulator.http import Keys, RateLimit
from tradingmesh.core.market import Tick
from tradingmesh.core.tape.generator import TapeSettings, generate
from tradingmesh.telemetry.metrics import Metrics

KEYS = Keys("key-id", "secret")
HEADERS = {"APCA-API-KEY-ID": KEYS.key_id, "APCA-API-SECRET-KEY": KEYS.secret_key}
# Not status_code_conformance: of most operations the document lists 200 alone, yet Alpaca answers 401, 404 and 422.
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
ORDER = {"symbol": "IBM", "side": "buy", "type": "market", "time_in_force": "day", "qty": "10"}
RESTING = ORDER | {"symbol": "BAC", "type": "limit", "limit_price": "1"}


class Ticks(list[Tick]):
    """A tape in memory."""

    @property
    def length(self) -> int:
        return len(self)


def document() -> dict[str, Any]:
    """Alpaca's OpenAPI document of trading, found without importing the package that carries it."""
    [path] = [f for f in files("alpaca-mcp-server") or [] if f.name == "trading-api.json"]
    loaded: dict[str, Any] = json.loads(Path(str(path.locate())).read_text())
    return loaded


IMPLEMENTED = r"^/v2/(orders|positions|account(/configurations|/activities|$)|assets|clock|calendar)(?!.*exercise)"
SCHEMA = schemathesis.openapi.from_dict(document()).include(path_regex=IMPLEMENTED)
SCHEMA.config.generation.update(deterministic=True, max_examples=25)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A simulator that has played a second of its tape, served on a free port from a thread."""
    telemetry = Telemetry(Metrics(), structlog.get_logger())
    tape = Ticks(generate(TapeSettings(symbols=["IBM", "BAC"], duration_ms=1_000)))
    simulator = Simulator(tape, ["IBM", "BAC"], "max", Account(Decimal(10_000_000)), "test", KEYS, telemetry)
    runner = web.AppRunner(simulator.application(RateLimit(60_000, lambda: 0.0), KEYS, telemetry))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    simulator.data_stream.subscribed.set()
    loop.run_until_complete(simulator.player.run())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def test_the_paths_are_there() -> None:
    """All of orders, positions, account, assets, clock and calendar: the test below is not empty."""
    operations = [result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok)]
    assert len({operation.path for operation in operations}) == 13
    assert len(operations) == 20


@SCHEMA.parametrize()
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_the_answer_is_on_the_schema(case: schemathesis.Case[Any], url: str) -> None:
    """Valid and invalid requests made of the document; every second order body is given a symbol that is traded."""
    if isinstance(case.body, dict) and case.body.get("symbol") and len(str(case.body)) % 2:
        case.body |= {"symbol": "IBM", "qty": "3"}
    if case.path == "/v2/calendar":
        case.query.setdefault("start", "2029-01-01")  # all sixty years are read once, below
    case.call_and_validate(base_url=url, headers=HEADERS, checks=CHECKS, timeout=10)


def prepare(url: str) -> dict[str, str]:
    """An order that fills, and one that rests; the ids that paths are made of."""
    with requests.Session() as session:
        session.headers.update(HEADERS)
        session.patch(f"{url}/v2/account/configurations", json={"suspend_trade": False}).raise_for_status()
        session.delete(f"{url}/v2/orders").raise_for_status()
        session.post(f"{url}/v2/orders", json=ORDER).raise_for_status()
        resting = session.post(f"{url}/v2/orders", json=RESTING)
        resting.raise_for_status()
    order = resting.json()
    return {
        "order_id": order["id"],
        "client_order_id": order["client_order_id"],
        "symbol_or_asset_id": "IBM",
        "activity_type": "FILL",
    }


@pytest.mark.parametrize(
    "label",
    [
        "GET /v2/orders",
        "GET /v2/orders/{order_id}",
        "PATCH /v2/orders/{order_id}",
        "DELETE /v2/orders/{order_id}",
        "DELETE /v2/orders",
        "GET /v2/orders:by_client_order_id",
        "GET /v2/positions",
        "GET /v2/positions/{symbol_or_asset_id}",
        "DELETE /v2/positions/{symbol_or_asset_id}",
        "DELETE /v2/positions",
        "GET /v2/account",
        "GET /v2/account/configurations",
        "GET /v2/account/activities",
        "GET /v2/account/activities/{activity_type}",
        "GET /v2/assets",
        "GET /v2/assets/{symbol_or_asset_id}",
        "GET /v2/clock",
        "GET /v2/calendar",
    ],
)
def test_what_there_is_is_told_as_the_schema_has_it(label: str, url: str) -> None:
    """With ids of orders and positions that exist, so that answers are full; they are 2xx and complete."""
    ids = prepare(url)
    method, path = label.split()
    operation = SCHEMA[path][method]
    parts: dict[str, Any] = {"path_parameters": ids} if "{" in path else {}
    if "client" in path:
        parts["query"] = {"client_order_id": ids["client_order_id"]}
    if method == "PATCH":
        parts |= {"body": {"limit_price": "1.5"}, "media_type": "application/json"}
    case = operation.Case(**parts)
    response = case.call_and_validate(base_url=url, headers=HEADERS, checks=CHECKS, timeout=10)
    assert response.status_code in (200, 204, 207)
    assert response.status_code == 204 or response.json()


@pytest.mark.parametrize(
    ("path", "schema", "left_out"),
    [
        ("/v2/orders?status=all", "Order", {"group_id", "group_role", "ratio_qty"}),
        ("/v2/positions", "Position", {"usd", "swap_rate", "avg_entry_swap_rate", "prev_swap_rate"}),
        ("/v2/account", "Account", set()),
        ("/v2/account/configurations", "AccountConfigurations", set()),
        ("/v2/account/activities", "TradingActivities", set()),
        ("/v2/assets", "Assets", {"cusip", "min_order_size", "min_trade_increment", "price_increment"}),
        ("/v2/clock", "legacy_clock", set()),
        ("/v2/calendar", "legacy_calendar_day", set()),
    ],
)
def test_every_field_of_the_schema_is_told(path: str, schema: str, left_out: set[str], url: str) -> None:
    """But those of options, order groups and other currencies, of which there are none."""
    prepare(url)
    answer = requests.get(url + path, headers=HEADERS, timeout=10).json()
    told = answer[0] if isinstance(answer, list) else answer
    assert set(document()["components"]["schemas"][schema]["properties"]) - set(told) == left_out
