"""The state of the live page: each thing heard makes another one of it. Time comes with what is heard.

What is shown of money is what the risk manager tells of its ledger, as a state and not as a sum of events: an event may
be lost, and a page that begins late has missed some.
"""

from typing import Any

import msgspec

from tradingmesh.core.events import (
    ComponentBeat,
    ComponentStarted,
    ComponentStopped,
    Ledger,
    LedgerTold,
    OrderCanceled,
    OrderFilled,
    OrderPlaced,
    OrderRejected,
    SystemEvent,
)
from tradingmesh.core.page.components import ComponentRow, with_event, without_gone
from tradingmesh.core.page.curve import Curve, Point, add
from tradingmesh.core.page.feed import with_event as with_feed
from tradingmesh.core.page.orders import OrderEvent, with_fill
from tradingmesh.core.page.orders import with_event as with_order
from tradingmesh.core.page.rows import FeedRow, FillRow, OrderRow, SymbolRow, milliseconds, short
from tradingmesh.core.trading_status import TradingStatus


class Look(msgspec.Struct, frozen=True):
    """What the page's owner sees for itself, a few times a second: time, the trading state, the market.

    `trading` is the last one heard, `trading_age_ms` how long ago. `symbols` are at most `SYMBOLS_MAX`. `missed` are
    events that did not find their way to the page.
    """

    now_ns: int
    trading: TradingStatus | None = None
    trading_age_ms: int = 0
    symbols: tuple[SymbolRow, ...] = ()
    ticks: int = 0
    missed: int = 0


class PageState(msgspec.Struct, frozen=True):
    """Everything that is shown. `orders_heard` and `fills_heard` count on where the tables have no room any more.

    `ledger_ms` is when the ledger was heard, by the clock here.
    """

    began_ms: int
    mode: str
    look: Look
    ledger: Ledger | None = None
    ledger_ms: int = 0
    curve: Curve = Curve()
    orders: tuple[OrderRow, ...] = ()
    orders_heard: int = 0
    fills: tuple[FillRow, ...] = ()
    fills_heard: int = 0
    feed: tuple[FeedRow, ...] = ()
    components: tuple[ComponentRow, ...] = ()


def begin(now_ns: int, mode: str) -> PageState:
    """Nothing was heard yet."""
    return PageState(milliseconds(now_ns), mode, Look(now_ns))


def step(state: PageState, heard: SystemEvent | Look) -> PageState:
    """The state after what was heard."""
    if isinstance(heard, Look):
        gone = without_gone(state.components, milliseconds(heard.now_ns))
        return msgspec.structs.replace(state, look=heard, components=gone)
    changed: dict[str, Any] = {"feed": with_feed(state.feed, heard)}
    heard_ms = milliseconds(state.look.now_ns)
    match heard:
        case LedgerTold():
            changed |= _ledger(state, heard, heard_ms)
        case OrderPlaced() | OrderFilled() | OrderCanceled() | OrderRejected():
            changed |= _order(state, heard)
        case ComponentStarted() | ComponentStopped() | ComponentBeat():
            changed["components"] = with_event(state.components, heard, heard_ms)
    return msgspec.structs.replace(state, **changed)


def _ledger(state: PageState, told: LedgerTold, heard_ms: int) -> dict[str, Any]:
    at_ms = milliseconds(told.metadata.timestamp_ns)
    point = Point(at_ms, short(told.ledger.day_profit), short(told.ledger.equity))
    return {"ledger": told.ledger, "ledger_ms": heard_ms, "curve": add(state.curve, point)}


def _order(state: PageState, event: OrderEvent) -> dict[str, Any]:
    changed: dict[str, Any] = {"orders": with_order(state.orders, event)}
    if isinstance(event, OrderPlaced):
        changed["orders_heard"] = state.orders_heard + 1
    if isinstance(event, OrderFilled):
        fills = with_fill(state.fills, event)
        changed |= {"fills": fills, "fills_heard": state.fills_heard + (fills is not state.fills)}
    return changed
