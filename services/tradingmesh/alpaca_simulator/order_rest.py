"""REST of orders and positions: place, replace, cancel, list, close."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

from aiohttp import web
from msgspec.structs import replace

from tradingmesh.alpaca_simulator import query, refusals
from tradingmesh.alpaca_simulator.account import Holding
from tradingmesh.alpaca_simulator.exchange import Exchange
from tradingmesh.alpaca_simulator.http import answer
from tradingmesh.alpaca_simulator.order_body import read_changes, read_new_order
from tradingmesh.alpaca_simulator.orders import NewOrder, Order, TradeUpdate
from tradingmesh.alpaca_simulator.refusals import RefusalError
from tradingmesh.alpaca_simulator.views import asset_id, order_view, position_view
from tradingmesh.core.errors import InputError
from tradingmesh.core.money import EXACT, QUANTITY_DECIMALS, parse
from tradingmesh.core.signal import OrderType, Side, TimeInForce

ORDERS_LIMIT_MAX = 500
_QUANTUM = Decimal("1E-9")

Tell = Callable[[Sequence[TradeUpdate]], None]


class OrderRest:
    """The handlers. What they change at the exchange is told through `tell` before they answer."""

    def __init__(self, exchange: Exchange, tell: Tell) -> None:
        self._exchange = exchange
        self._tell = tell
        self._symbol_of_asset = {asset_id(symbol): symbol for symbol in exchange.symbols}

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [
            web.post("/v2/orders", self.place),
            web.get("/v2/orders", self.list_orders, allow_head=False),
            web.delete("/v2/orders", self.cancel_all),
            web.get("/v2/orders:by_client_order_id", self.by_client_order_id, allow_head=False),
            web.get("/v2/orders/{order_id}", self.get, allow_head=False),
            web.patch("/v2/orders/{order_id}", self.replace),
            web.delete("/v2/orders/{order_id}", self.cancel),
            web.get("/v2/positions", self.positions, allow_head=False),
            web.delete("/v2/positions", self.close_all),
            web.get("/v2/positions/{symbol_or_asset_id}", self.position, allow_head=False),
            web.delete("/v2/positions/{symbol_or_asset_id}", self.close),
        ]

    async def place(self, request: web.Request) -> web.Response:
        """Places an order; it answers with the order as it was taken, its fills come on the stream."""
        wanted = read_new_order(await request.read())
        if wanted.symbol in self._symbol_of_asset:
            wanted = self._by_symbol(wanted)
        return answer(order_view(self._place(wanted)))

    async def list_orders(self, request: web.Request) -> web.Response:
        """Lists orders by status, time of submission, symbol and side."""
        limit = query.integer(request, "limit", 50, at_most=ORDERS_LIMIT_MAX)
        newest_first = self._matching(request)
        if query.choice(request, "direction", "desc", "asc") == "asc":
            return answer([order_view(order) for order in list(newest_first)[: -limit - 1 : -1]])
        return answer([order_view(order) for order in islice(newest_first, limit)])

    async def by_client_order_id(self, request: web.Request) -> web.Response:
        """The order with that client order id."""
        client_order_id = request.query.get("client_order_id")
        if not client_order_id:
            raise refusals.invalid("client_order_id is required")
        return answer(order_view(self._exchange.orders.by_client_id(client_order_id)))

    async def get(self, request: web.Request) -> web.Response:
        """One order."""
        query.flag(request, "nested")
        return answer(order_view(self._exchange.orders.get(_order_id(request.match_info["order_id"]))))

    async def replace(self, request: web.Request) -> web.Response:
        """Replaces an order; it answers with the new one."""
        changes = read_changes(await request.read())
        order, updates = self._exchange.replace(_order_id(request.match_info["order_id"]), changes)
        self._tell(updates)
        return answer(order_view(order))

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancels an order."""
        self._tell(self._exchange.cancel(_order_id(request.match_info["order_id"])))
        return web.Response(status=204)

    async def cancel_all(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the shape of a handler
        """Cancels every open order; it answers for each."""
        return answer(self._cancel_all(), 207)

    async def positions(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the shape of a handler
        """Every open position."""
        held = self._exchange.account.positions()
        return answer([position_view(self._exchange, symbol, holding) for symbol, holding in held.items()])

    async def position(self, request: web.Request) -> web.Response:
        """One open position."""
        return answer(position_view(self._exchange, *self._held(request)))

    async def close(self, request: web.Request) -> web.Response:
        """Closes a position, or `qty` or `percentage` of it, by a market order."""
        symbol, holding = self._held(request)
        return answer(order_view(self._close(symbol, holding, _closing_quantity(request, abs(holding.quantity)))))

    async def close_all(self, request: web.Request) -> web.Response:
        """Closes every position; it answers for each. `cancel_orders=true` cancels the open orders first."""
        if query.flag(request, "cancel_orders"):
            self._cancel_all()
        held = self._exchange.account.positions()
        return answer([self._try_close(symbol, holding) for symbol, holding in held.items()], 207)

    def _place(self, wanted: NewOrder) -> Order:
        order, updates = self._exchange.place(wanted)
        self._tell(updates)
        return order

    def _by_symbol(self, wanted: NewOrder) -> NewOrder:
        return replace(wanted, symbol=self._symbol_of_asset[wanted.symbol])

    def _cancel_all(self) -> list[dict[str, Any]]:
        canceled = self._exchange.orders.open()
        for order in canceled:
            self._tell(self._exchange.cancel(order.order_id))
        return [{"id": order.order_id, "status": 200} for order in canceled]

    def _held(self, request: web.Request) -> tuple[str, Holding]:
        name = request.match_info["symbol_or_asset_id"]
        symbol = self._symbol_of_asset.get(name, name)
        holding = self._exchange.account.positions().get(symbol)
        if holding is None:
            raise refusals.not_found("position does not exist")
        return symbol, holding

    def _close(self, symbol: str, holding: Holding, quantity: Decimal) -> Order:
        return self._place(_closing_order(symbol, holding, quantity))

    def _try_close(self, symbol: str, holding: Holding) -> dict[str, Any]:
        try:
            order = self._close(symbol, holding, abs(holding.quantity))
        except RefusalError as refusal:
            # Alpaca's schema has an order here and alpaca-py wants the error: the order that was refused is both.
            wanted = {"notional": None, "type": OrderType.MARKET, "time_in_force": TimeInForce.DAY}
            return {"symbol": symbol, "status": refusal.status, "body": wanted | refusal.body()}
        return {"symbol": symbol, "status": 200, "body": order_view(order)}

    def _matching(self, request: web.Request) -> Iterator[Order]:
        status = query.choice(request, "status", "open", "closed", "all")
        side = request.query.get("side")
        symbols, classes = query.words(request, "symbols"), query.words(request, "asset_class")
        after_ns, until_ns = query.time_ns(request, "after"), query.time_ns(request, "until")
        before, after = self._number(request, "before_order_id"), self._number(request, "after_order_id")
        if classes and not classes & {"us_equity", "all"}:
            return
        store = self._exchange.orders
        for order in reversed(store.open()) if status == "open" else store.newest_first():
            if (
                (status == "closed" and order.is_open)
                or (side and order.side != side)
                or (symbols and order.symbol not in symbols)
                or (after_ns is not None and order.submitted_ns <= after_ns)
                or (until_ns is not None and order.submitted_ns >= until_ns)
                or (before is not None and order.number >= before)
                or (after is not None and order.number <= after)
            ):
                continue
            yield order

    def _number(self, request: web.Request, name: str) -> int | None:
        order_id = request.query.get(name)
        return self._exchange.orders.get(_order_id(order_id)).number if order_id else None


def _order_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise refusals.invalid("order_id is not a UUID") from None


def _closing_order(symbol: str, holding: Holding, quantity: Decimal) -> NewOrder:
    side = Side.SELL if holding.quantity > 0 else Side.BUY
    return NewOrder(symbol=symbol, side=side, type=OrderType.MARKET, time_in_force=TimeInForce.DAY, quantity=quantity)


def _closing_quantity(request: web.Request, held: Decimal) -> Decimal:
    asked = {name: text for name in ("qty", "percentage") if (text := request.query.get(name))}
    if len(asked) > 1:
        raise refusals.invalid("only one of qty or percentage is accepted")
    for name, text in asked.items():
        try:
            value = parse(text, field=name, decimals=QUANTITY_DECIMALS)
        except InputError as error:
            raise refusals.invalid(str(error)) from None
        if value <= 0 or (name == "percentage" and value > 100):
            raise refusals.invalid(f"{name} is out of range")
        share = value if name == "qty" else EXACT.multiply(held, value).scaleb(-2, EXACT)
        return share if name == "qty" else share.quantize(_QUANTUM, rounding="ROUND_DOWN")
    return held
