"""What the tests of the live page let it hear: events with figures of their own, and anything at all that decodes."""

from decimal import Decimal
from enum import Enum
from typing import Any, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from tradingmesh.core.checks import Check
from tradingmesh.core.events import (
    ComponentBeat,
    ComponentError,
    ComponentStarted,
    ComponentStopped,
    EventMetadata,
    Ledger,
    LedgerPosition,
    LedgerTold,
    LinkLost,
    OrderCanceled,
    OrderFilled,
    OrderPlaced,
    OrderRejected,
    PositionClosed,
    SignalRejected,
    StageLatency,
    SubscriberSlow,
    SystemEvent,
)
from tradingmesh.core.fills import Fill
from tradingmesh.core.signal import Side, Signal

MS = 1_000_000


def about(at_ms: int = 1, component: str = "execution-engine", trace_id: str = "") -> EventMetadata:
    return EventMetadata("e", at_ms * MS, component, trace_id)


def placed(order: str, quantity: str = "300", at_ms: int = 1) -> OrderPlaced:
    return OrderPlaced(
        metadata=about(at_ms, trace_id=f"trace-{order}"),
        client_order_id=order,
        order_id=f"o-{order}",
        symbol="IBM",
        side=Side.BUY,
        quantity=Decimal(quantity),
    )


def filled(order: str, cumulative: str, *, fill: str = "", at_ms: int = 2, symbol: str = "IBM") -> OrderFilled:
    made = Fill(
        fill or f"{order}:{cumulative}",
        f"o-{order}",
        order,
        symbol,
        Side.BUY,
        Decimal(100),
        Decimal("190.25"),
        Decimal(cumulative),
        at_ms * MS,
    )
    meta = about(at_ms, "fill-processor", f"trace-{order}")
    return OrderFilled(metadata=meta, fill=made, commission=Decimal("0.50"), slippage=Decimal("1.25"))


def canceled(order: str, quantity: str = "0", status: str = "canceled") -> OrderCanceled:
    figures: dict[str, Any] = {"symbol": "IBM", "status": status, "filled_quantity": Decimal(quantity)}
    return OrderCanceled(metadata=about(3), client_order_id=order, order_id=f"o-{order}", **figures)


def rejected(order: str) -> OrderRejected:
    return OrderRejected(metadata=about(3), client_order_id=order, symbol="IBM", reason="not tradable")


def ledger(cash: str, at_ms: int = 1, *, profit: str = "0", positions: dict[str, str] | None = None) -> LedgerTold:
    held = [LedgerPosition(symbol, quantity, "1", "2", "3", "4") for symbol, quantity in (positions or {}).items()]
    told = Ledger(cash, cash, "0", "0", profit, tuple(held), len(held))
    return LedgerTold(metadata=about(at_ms, "risk-manager"), ledger=told)


def beat(
    instance: str, at_ms: int = 1, *stages: StageLatency, gaps: int = 0, why: tuple[str, ...] = ()
) -> ComponentBeat:
    meta = about(at_ms, instance.rstrip("-0123456789"))
    return ComponentBeat(metadata=meta, instance=instance, version="0.1.0", not_ready=why, gaps=gaps, stages=stages)


def started(instance: str, at_ms: int = 1) -> ComponentStarted:
    return ComponentStarted(metadata=about(at_ms, instance.rstrip("-0123456789")), instance=instance, version="0.1.0")


def stopped(instance: str, at_ms: int = 1) -> ComponentStopped:
    return ComponentStopped(metadata=about(at_ms, instance.rstrip("-0123456789")), instance=instance)


def refused(symbol: str, reason: str, check: Check = Check.DUPLICATE) -> SignalRejected:
    signal = Signal("s", "momentum", symbol, Side.BUY, Decimal(1), Decimal(100), 1, 2)
    return SignalRejected(metadata=about(4, "signal-generator"), signal=signal, check=check, reason=reason)


def trouble(error: str) -> ComponentError:
    return ComponentError(metadata=about(5, "risk-manager"), instance="risk-manager", error=error)


def slow(missed: int) -> SubscriberSlow:
    figures: dict[str, Any] = {"instance": "feature-engine", "channel": "market-data", "lag_ms": 5, "missed": missed}
    return SubscriberSlow(metadata=about(6, "feature-engine"), **figures)


def lost(channel: str, count: int, peer: str) -> LinkLost:
    figures: dict[str, Any] = {"instance": "risk-manager", "channel": channel, "peer": peer, "lost": count}
    return LinkLost(metadata=about(6, "risk-manager"), **figures)


def closed(symbol: str, realised: str) -> PositionClosed:
    return PositionClosed(metadata=about(7, "fill-processor"), symbol=symbol, realised=Decimal(realised))


_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: st.sampled_from(["", "IBM", "a", "b", "execution-engine", "x" * 1_000, "<b>", "\u202e"]),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(),
    bool: st.booleans(),
    type(None): st.none(),
    Decimal: st.sampled_from(
        ["0", "-1", "100", "0.000000001", "1E+400", "1E-400", "NaN", "sNaN", "-Infinity", "9" * 90]
    ).map(Decimal),
}


def _any(type_: Any) -> st.SearchStrategy[Any]:
    """Anything that the wire lets through as this type."""
    if type_ in _SIMPLE:
        return _SIMPLE[type_]
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return st.builds(type_, **{field.name: _any(field.type) for field in msgspec.structs.fields(type_)})
    if isinstance(type_, type) and issubclass(type_, Enum):
        return st.sampled_from(type_)
    if get_origin(type_) is tuple:
        return st.lists(_any(get_args(type_)[0]), max_size=3).map(tuple)
    return st.one_of(*map(_any, get_args(type_)))


any_event: st.SearchStrategy[SystemEvent] = st.one_of(*map(_any, get_args(SystemEvent)))
