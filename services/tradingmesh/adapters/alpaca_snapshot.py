"""The questions of one reconciliation: orders, the account, fills; in that order no answer is behind the one before it.

What cannot be read holds nothing else up: each such row is named, with its symbol where that can be told. Only an
answer that is not of the expected shape at all fails the whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from tradingmesh.adapters.alpaca_answers import RequestRefusedError
from tradingmesh.adapters.alpaca_trading_json import (
    account_cash,
    clock_ns,
    fill_update,
    held_position,
    order_update,
    rfc3339,
)
from tradingmesh.core.errors import BrokerError, InputError
from tradingmesh.core.orders.effects import Held, Snapshot, Unreadable
from tradingmesh.core.orders.record import TERMINAL, OrderUpdate

ORDERS_PAGE = 500
FILLS_PAGE = 100
PAGES_MAX = 500
UNREADABLE_MAX = 100
"""So many are named; past it the answer is taken for none."""
_SHOWN_MAX = 200
_US = 1_000

T = TypeVar("T")
_NONE: Mapping[str, Any] = {}


class Ask(Protocol):
    """How a question is put."""

    def __call__(self, reader: Callable[[Any], T], path: str, params: Mapping[str, Any] = _NONE, /) -> T:
        """GET `path`: what `reader` makes of the answer. Raises `BrokerError`."""


class AlpacaSnapshot:
    """Asks for everything since a broker's time. To be used once."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._unreadable: list[Unreadable] = []

    def take(self, since_ns: int, fills_since_ns: int, look_up: Sequence[str]) -> Snapshot:
        """Every open order, every order since one time and fill since the other, the account, the orders of `look_up`.

        Since 0 is the first contact: the account as it is at a moment without a fill. Raises `BrokerError`.
        """
        broker_ns = self._ask(clock_ns, "/clock")
        orders = {update.order_id: update for update in self._orders("open", 0)}
        if since_ns:
            orders.update((update.order_id, update) for update in self._orders("all", since_ns))
        missing = self._look_up(orders, look_up)
        positions, cash = self._positions(), self._ask(account_cash, "/account")
        fills = tuple(self._fills(fills_since_ns or broker_ns - _US))
        if fills and not since_ns:
            raise BrokerError("orders fill just now: the account is taken at a moment when none does, soon")
        named = tuple(self._named(fills, {order_id: update.client_order_id for order_id, update in orders.items()}))
        return Snapshot(
            broker_ns, tuple(orders.values()), named, tuple(missing), tuple(self._unreadable), positions, cash
        )

    def _look_up(self, orders: dict[str, OrderUpdate], names: Sequence[str]) -> list[str]:
        """Adds the orders of those names that were not listed; returns the names that the broker does not know."""
        listed = {update.client_order_id for update in orders.values()} | orders.keys()
        missing = []
        for name in names:
            found = None if name in listed else self._find(name)
            if found is not None:
                orders[found.order_id] = found
            elif name not in listed:
                missing.append(name)
        return missing

    def _find(self, name: str) -> OrderUpdate | None:
        """The order of that client order id; or of that id, by which one is named of which a fill only was heard."""
        found = self._unless_missing("/orders:by_client_order_id", {"client_order_id": name})
        return self._unless_missing(f"/orders/{name}") if found is None and _is_uuid(name) else found

    def _unless_missing(self, path: str, params: Mapping[str, Any] = _NONE) -> OrderUpdate | None:
        try:
            return self._ask(order_update, path, params)
        except RequestRefusedError as error:
            if error.status == 404:
                return None
            raise

    def _orders(self, status: str, since_ns: int) -> Iterator[OrderUpdate]:
        """Oldest first. Pages overlap by a microsecond, as `after` leaves out its own time."""
        seen: set[str] = set()
        for _ in range(PAGES_MAX):
            params = {"status": status, "limit": ORDERS_PAGE, "direction": "asc", "nested": "false"}
            if since_ns:
                params["after"] = rfc3339(since_ns)
            rows = self._ask(_rows, "/orders", params)
            page = list(self._readable(order_update, rows))
            fresh = [update for update in page if update.order_id not in seen]
            seen.update(update.order_id for update in fresh)
            yield from fresh
            if len(rows) < ORDERS_PAGE or (page and not fresh):
                return
            if not page:
                raise BrokerError("of a whole page of the broker's orders none can be read")
            since_ns = fresh[-1].created_ns - _US
        raise BrokerError(f"more than {PAGES_MAX} pages of orders since {rfc3339(since_ns)}")

    def _fills(self, since_ns: int) -> Iterator[OrderUpdate]:
        params: dict[str, Any] = {"after": rfc3339(since_ns), "direction": "asc", "page_size": FILLS_PAGE}
        for _ in range(PAGES_MAX):
            rows = self._ask(_rows, "/account/activities/FILL", params)
            yield from self._readable(fill_update, rows)
            if len(rows) < FILLS_PAGE:
                return
            params["page_token"] = _text(rows[-1], "id")
        raise BrokerError(f"more than {PAGES_MAX * FILLS_PAGE} fills since {rfc3339(since_ns)}")

    def _named(self, fills: Sequence[OrderUpdate], names: dict[str, str]) -> Iterator[OrderUpdate]:
        """The fills with their order's client order id, which account activities lack.

        Of an order placed since the orders were listed, or whose answer was lost, nothing else is known here.
        """
        for fill in fills:
            if fill.order_id not in names:
                names[fill.order_id] = self._client_of(fill.order_id)
            yield msgspec.structs.replace(fill, client_order_id=names[fill.order_id])

    def _client_of(self, order_id: str) -> str:
        try:
            return self._ask(lambda order: _text(order, "client_order_id"), f"/orders/{order_id}")
        except RequestRefusedError as error:
            if error.status == 404:
                return ""
            raise

    def _positions(self) -> tuple[Held, ...]:
        return tuple(self._readable(held_position, self._ask(_rows, "/positions")))

    def _readable(self, reader: Callable[[Any], T], rows: Sequence[Any]) -> Iterator[T]:
        """What can be read. Of an order that has ended nothing is lost with its row: its fills are told elsewhere."""
        for row in rows:
            try:
                yield reader(row)
            except (InputError, AttributeError, TypeError) as error:
                if _text(row, "status") not in TERMINAL:
                    self._set_aside(Unreadable(_text(row, "symbol"), f"{error} in {str(row)[:_SHOWN_MAX]}"))

    def _set_aside(self, row: Unreadable) -> None:
        if len(self._unreadable) >= UNREADABLE_MAX:
            raise BrokerError(f"more than {UNREADABLE_MAX} rows of the broker's answer cannot be read: {row.reason}")
        self._unreadable.append(row)


def _rows(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise InputError("a list belongs there")
    return raw


def _text(row: Any, field: str) -> str:
    value = row.get(field) if isinstance(row, Mapping) else None
    return value if isinstance(value, str) else ""


def _is_uuid(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True
