"""REST of the account, its configuration and activities, of assets, clock and calendar."""

import re
from datetime import timedelta

import msgspec
from aiohttp import web

from tradingmesh.alpaca_simulator import query, refusals
from tradingmesh.alpaca_simulator.account import Configuration
from tradingmesh.alpaca_simulator.calendar_view import calendar_view, clock_view
from tradingmesh.alpaca_simulator.exchange import Exchange
from tradingmesh.alpaca_simulator.http import answer
from tradingmesh.alpaca_simulator.orders import Execution
from tradingmesh.alpaca_simulator.refusals import RefusalError
from tradingmesh.alpaca_simulator.sessions import FIRST_DAY, LAST_DAY
from tradingmesh.alpaca_simulator.times import midnight_ns, parse_day
from tradingmesh.alpaca_simulator.views import (
    EXCHANGE,
    account_view,
    activity_id,
    activity_view,
    asset_id,
    asset_view,
)
from tradingmesh.core.errors import InputError

PAGE_SIZE_MAX = 100
FILL = "FILL"
_ACTIVITY_TYPE = re.compile("[A-Z]{2,6}")

_read_changes = msgspec.json.Decoder(dict[str, object])


class AccountRest:
    """The handlers."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._opened_ns = exchange.now_ns
        self._symbols = {asset_id(symbol): symbol for symbol in exchange.symbols}
        self._symbols.update({symbol: symbol for symbol in exchange.symbols})

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [
            web.get("/v2/account", self.account, allow_head=False),
            web.get("/v2/account/configurations", self.configuration, allow_head=False),
            web.patch("/v2/account/configurations", self.configure),
            web.get("/v2/account/activities", self.activities, allow_head=False),
            web.get("/v2/account/activities/{activity_type}", self.activities_of_type, allow_head=False),
            web.get("/v2/assets", self.assets, allow_head=False),
            web.get("/v2/assets/{symbol_or_asset_id}", self.asset, allow_head=False),
            web.get("/v2/clock", self.clock, allow_head=False),
            web.get("/v2/calendar", self.calendar, allow_head=False),
        ]

    async def account(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the shape of a handler
        """The account."""
        return answer(account_view(self._exchange, self._opened_ns))

    async def configuration(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the shape of a handler
        """The account's settings."""
        return answer(self._exchange.account.configuration)

    async def configure(self, request: web.Request) -> web.Response:
        """Changes the settings that are named; null and unknown ones are left alone, as alpaca-py sends both."""
        account = self._exchange.account
        try:
            asked = _read_changes.decode(await request.read())
            known = {name: value for name, value in asked.items() if value is not None}
            changes = msgspec.convert(msgspec.structs.asdict(account.configuration) | known, Configuration)
        except msgspec.ValidationError as error:
            raise refusals.invalid(str(error)) from None
        except msgspec.MsgspecError:
            raise refusals.malformed() from None
        account.configuration = changes
        return answer(changes)

    async def activities(self, request: web.Request) -> web.Response:
        """Activities; fills are the only ones there are."""
        types = query.words(request, "activity_types")
        category = query.choice(request, "category", "", "trade_activity", "non_trade_activity")
        if types and category:
            raise refusals.invalid("activity_types and category cannot be used together")
        wanted = category != "non_trade_activity" and (not types or FILL in types)
        return answer([activity_view(execution) for execution in self._page(request)] if wanted else [])

    async def activities_of_type(self, request: web.Request) -> web.Response:
        """Activities of one type; none but fills happen here."""
        kind = request.match_info["activity_type"]
        if not _ACTIVITY_TYPE.fullmatch(kind):
            raise refusals.invalid(f"invalid activity type {kind[:40]!r}")
        page = self._page(request)
        return answer([activity_view(execution) for execution in page] if kind == FILL else [])

    async def assets(self, request: web.Request) -> web.Response:
        """The symbols of the manifest."""
        asked = request.query
        none = (
            asked.get("status", "active") != "active"
            or asked.get("asset_class", "us_equity") != "us_equity"
            or asked.get("exchange", EXCHANGE) != EXCHANGE
        )
        attributes = query.words(request, "attributes")
        assets = [] if none else [asset_view(symbol) for symbol in self._exchange.symbols]
        return answer([asset for asset in assets if not attributes or attributes & set(asset["attributes"])])

    async def asset(self, request: web.Request) -> web.Response:
        """One asset."""
        name = request.match_info["symbol_or_asset_id"]
        symbol = self._symbols.get(name)
        if symbol is None:
            raise refusals.not_found(f"asset not found for {name[:40]}")
        return answer(asset_view(symbol))

    async def clock(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the shape of a handler
        """Market time, whether the exchange is open, and when it opens and closes next."""
        return answer(clock_view(self._exchange.now_ns))

    async def calendar(self, request: web.Request) -> web.Response:
        """The trading days from `start` to `end`."""
        query.choice(request, "date_type", "TRADING", "SETTLEMENT")
        try:
            first = parse_day(request.query.get("start") or str(FIRST_DAY), "start")
            last = parse_day(request.query.get("end") or str(LAST_DAY), "end")
        except InputError as error:
            raise RefusalError(400, 40010001, str(error)) from None
        by_settlement = request.query.get("date_type") == "SETTLEMENT"
        return answer(calendar_view(first, last, by_settlement=by_settlement))

    def _page(self, request: web.Request) -> list[Execution]:
        size = query.integer(request, "page_size", PAGE_SIZE_MAX, at_most=PAGE_SIZE_MAX)
        oldest_first = query.choice(request, "direction", "desc", "asc") == "asc"
        token = request.query.get("page_token")
        order_id = request.query.get("order_id")
        after_ns, until_ns = _interval(request)
        executions = self._exchange.executions
        page: list[Execution] = []
        begun = not token
        for execution in executions if oldest_first else reversed(executions):
            if not begun:
                begun = activity_id(execution) == token
            elif after_ns < execution.fill.timestamp_ns < until_ns and (
                not order_id or execution.fill.order_id == order_id
            ):
                page.append(execution)
                if len(page) == size:
                    break
        return page


def _interval(request: web.Request) -> tuple[int, int]:
    """The open interval of nanoseconds that `date`, or `after` and `until`, ask for."""
    day = request.query.get("date")
    if day:
        try:
            first = parse_day(day, "date")
            return midnight_ns(first) - 1, midnight_ns(first + timedelta(days=1))
        except (InputError, OverflowError) as error:
            raise refusals.invalid(f"date: {error}") from None
    after_ns, until_ns = query.time_ns(request, "after"), query.time_ns(request, "until")
    return -1 if after_ns is None else after_ns, (1 << 63) if until_ns is None else until_ns
