"""A broker small enough to be right: orders, fills, cash and positions, in Alpaca's words. It is the truth here.

What happens to an order is drawn when it is taken: filled at once or in parts, canceled half way, left to rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from tests.simulation.plan import MS
from tradingmesh.adapters.alpaca_trading_json import rfc3339
from tradingmesh.testing.virtual_time import VirtualTime

Json = dict[str, Any]
COMMISSION = Decimal("0.005")
ENDED = ("filled", "canceled", "expired", "rejected")


class RefusedError(Exception):
    """The broker does not take the request: HTTP's status, Alpaca's code and its sentence."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class ModelOrder:
    """One order as the broker has it."""

    order_id: str
    client_order_id: str
    symbol: str
    side: str
    quantity: int
    created_ns: int
    updated_ns: int
    status: str = "new"
    filled: int = 0

    @property
    def open_quantity(self) -> int:
        """What may still fill."""
        return 0 if self.status in ENDED else self.quantity - self.filled

    def json(self) -> Json:
        """As the orders endpoint shows it."""
        return {
            "id": self.order_id,
            "client_order_id": self.client_order_id,
            "symbol": self.symbol,
            "side": self.side,
            "qty": str(self.quantity),
            "filled_qty": str(self.filled),
            "status": self.status,
            "created_at": rfc3339(self.created_ns),
            "submitted_at": rfc3339(self.created_ns),
            "updated_at": rfc3339(self.updated_ns),
        }


@dataclass
class ModelFill:
    """One execution. `activity_id` is what the activities endpoint calls it, which need not be its execution id."""

    fill_id: str
    activity_id: str
    order: ModelOrder
    quantity: int
    price: Decimal
    cumulative: int
    at_ns: int

    def activity(self) -> Json:
        """As the account's activities show it."""
        order = self.order
        return {
            "id": f"20240103000000000::{self.activity_id}",
            "activity_type": "FILL",
            "type": "fill" if self.cumulative == order.quantity else "partial_fill",
            "order_id": order.order_id,
            "symbol": order.symbol,
            "side": order.side,
            "qty": str(self.quantity),
            "cum_qty": str(self.cumulative),
            "price": str(self.price),
            "transaction_time": rfc3339(self.at_ns),
        }


@dataclass
class ModelBroker:
    """The account and its orders. `on_update` hears what the stream would say, `on_accepted` each order taken."""

    time: VirtualTime
    random: Random
    unique_client_ids: bool
    fill_ids_agree: bool
    on_update: Callable[[Json], object] = lambda _: None
    on_accepted: Callable[[ModelOrder], object] = lambda _: None
    orders: list[ModelOrder] = field(default_factory=list)
    fills: list[ModelFill] = field(default_factory=list)
    cash: Decimal = Decimal(0)
    positions: dict[str, int] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    healing: bool = False
    out_until_ns: int = 0

    def find(self, client_order_id: str) -> ModelOrder | None:
        """The newest order of that client order id."""
        return next((order for order in reversed(self.orders) if order.client_order_id == client_order_id), None)

    def of_id(self, order_id: str) -> ModelOrder | None:
        """The order of that id."""
        return next((order for order in self.orders if order.order_id == order_id), None)

    def positions_json(self) -> list[Json]:
        """What is held, as the positions endpoint shows it."""
        return [
            {
                "symbol": symbol,
                "qty": str(quantity),
                "side": "long" if quantity > 0 else "short",
                "current_price": str(self.prices[symbol]),
            }
            for symbol, quantity in self.positions.items()
            if quantity
        ]

    def working(self) -> list[ModelOrder]:
        """The orders that may still fill."""
        return [order for order in self.orders if order.open_quantity]

    def submit(self, body: dict[str, str]) -> ModelOrder:
        """Takes an order. Raises `RefusedError`."""
        client = body["client_order_id"]
        known = self.find(client)
        if known is not None and (self.unique_client_ids or known.open_quantity):
            raise RefusedError(422, 40010001, "client_order_id must be unique")
        fate = self.random.random()
        if fate < 0.05 and not self.healing:
            raise RefusedError(403, 40310000, "insufficient buying power")
        now_ns = self.time.now_ns
        number = len(self.orders) + 1
        order = ModelOrder(
            str(UUID(int=number)), client, body["symbol"], body["side"], int(body["qty"]), now_ns, now_ns, "accepted"
        )
        self.orders.append(order)
        self.on_accepted(order)
        self._decide(order, fate)
        return order

    def cancel(self, order_id: str) -> None:
        """Cancels an order. Raises `RefusedError` where it has ended."""
        order = self.of_id(order_id)
        if order is None:
            raise RefusedError(404, 40410000, "order not found")
        if not order.open_quantity:
            raise RefusedError(422, 42210000, "order is not cancelable")
        self._end(order, "canceled")

    def end_all(self) -> None:
        """Whatever still works is filled or canceled: each order comes to its end."""
        self.healing = True
        for order in self.working():
            if self.random.random() < 0.5:
                self._end(order, "canceled")
            else:
                self._fill(order, order.open_quantity)

    def stir(self) -> None:
        """Something may happen to an order just now: between two questions of a caller, above all."""
        working = self.working()
        if working and self.random.random() < 0.3:
            order = self.random.choice(working)
            self._fill(order, self.random.randint(1, order.open_quantity))

    def _decide(self, order: ModelOrder, fate: float) -> None:
        random = self.random
        soon_ns = random.randrange(1, 30) * MS
        self.time.after(random.randrange(20) * MS, self._arrive, order)
        if fate < 0.35:
            self.time.after(soon_ns, self._fill, order, order.quantity)
        elif fate < 0.75:
            for _ in range(random.randrange(1, 5)):
                self.time.after(random.randrange(1, 1_500) * MS, self._fill_part, order)
            self.time.after(random.randrange(500, 3_000) * MS, self._finish, order)
        elif fate < 0.8:
            self.time.after(soon_ns, self._end, order, random.choice(["rejected", "expired"]))
        # else it rests until somebody cancels it

    def _arrive(self, order: ModelOrder) -> None:
        if order.status == "accepted":
            order.status = "new"
            self._tell(order, "new")

    def _fill_part(self, order: ModelOrder) -> None:
        if order.open_quantity:
            self._fill(order, self.random.randint(1, order.open_quantity))

    def _finish(self, order: ModelOrder) -> None:
        if self.random.random() < 0.4:
            self._end(order, "canceled")
        elif order.open_quantity:
            self._fill(order, order.open_quantity)

    def _fill(self, order: ModelOrder, quantity: int) -> None:
        quantity = min(quantity, order.open_quantity)
        if not quantity:
            return
        price = self.prices[order.symbol] + Decimal(self.random.randrange(-3, 4)).scaleb(-2)
        sign = 1 if order.side == "buy" else -1
        self.cash -= sign * quantity * price + quantity * COMMISSION
        self.positions[order.symbol] = self.positions.get(order.symbol, 0) + sign * quantity
        order.filled += quantity
        order.status = "filled" if order.filled == order.quantity else "partially_filled"
        order.updated_ns = now_ns = self.time.now_ns
        name = f"x-{len(self.fills) + 1}"
        fill = ModelFill(
            name, name if self.fill_ids_agree else f"a{name}", order, quantity, price, order.filled, now_ns
        )
        self.fills.append(fill)
        event = "fill" if order.status == "filled" else "partial_fill"
        self._tell(order, event, execution_id=name, qty=str(quantity), price=str(price), timestamp=rfc3339(now_ns))

    def _end(self, order: ModelOrder, status: str) -> None:
        if not order.open_quantity or (status == "rejected" and order.filled):
            return
        order.status = status
        order.updated_ns = self.time.now_ns
        self._tell(order, status)

    def _tell(self, order: ModelOrder, event: str, **more: str) -> None:
        self.on_update({"event": event, "timestamp": rfc3339(self.time.now_ns), "order": order.json(), **more})
