"""The page as JSON-able values, in sections: who watches is sent those that changed, whole, so nothing is merged.

Money and quantities are exact, as text; times are milliseconds.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from tradingmesh.core.page.components import ComponentRow, StageRow
from tradingmesh.core.page.curve import shown
from tradingmesh.core.page.orders import status_of
from tradingmesh.core.page.rows import OrderRow, amount, short
from tradingmesh.core.page.state import Look, PageState
from tradingmesh.core.stages import STAGES

SILENT_AFTER_MS = 2_000
"""A trading state that was not repeated for so long is not known any more."""
STAGE_OLD_MS = 10_000
"""What a stage took so long ago does not hide what it takes another instance now."""
_NS_PER_MS = 1_000_000

Stages = dict[str, tuple[str, StageRow]]


def snapshot(state: PageState) -> dict[str, Any]:
    """Every section by its name."""
    return {
        "clock": _clock(state),
        "trading": _trading(state.look),
        "ledger": {"ledger": state.ledger, "heard_ms": state.ledger_ms},
        "curve": shown(state.curve),
        "market": {"ticks": state.look.ticks, "symbols": state.look.symbols},
        "orders": {"heard": state.orders_heard, "rows": [_order(row) for row in state.orders]},
        "fills": {"heard": state.fills_heard, "rows": state.fills},
        "stages": _stages(state.components, state.look.now_ns // _NS_PER_MS),
        "components": [_without(row, "stages") for row in state.components],
        "feed": [_without(row, "key") for row in state.feed],
    }


def _counts_more(measured: StageRow, other: StageRow, now_ms: int) -> bool:
    is_old, other_is_old = (now_ms - one.at_ms > STAGE_OLD_MS for one in (measured, other))
    return measured.p99_us > other.p99_us if is_old == other_is_old else other_is_old


def _clock(state: PageState) -> dict[str, Any]:
    now_ms = state.look.now_ns // _NS_PER_MS
    return {"now_ms": now_ms, "began_ms": state.began_ms, "mode": state.mode, "missed": state.look.missed}


def _trading(look: Look) -> dict[str, Any]:
    told = look.trading
    if told is None:
        return {"known": False}
    return {
        "known": look.trading_age_ms < SILENT_AFTER_MS,
        "trading": told.trading.value,
        "manifest_trading": told.manifest_trading.value,
        "switch": told.switch.value,
        "breaker": told.breaker.value,
        "breaker_reason": short(told.breaker_reason),
        "breaker_since_ms": told.breaker_since_ns // _NS_PER_MS,
        "flattening": told.flattening,
        "refused": short(told.refused),
    }


def _order(row: OrderRow) -> dict[str, Any]:
    told = msgspec.structs.asdict(row)
    return told | {"quantity": amount(row.quantity), "filled": amount(row.filled), "status": status_of(row)}


def _without(row: msgspec.Struct, field: str) -> dict[str, Any]:
    told = msgspec.structs.asdict(row)
    del told[field]
    return told


def _stages(components: Iterable[ComponentRow], now_ms: int) -> list[dict[str, Any]]:
    """Each stage once, in the order of a tick's way; of several instances that have it now, the slowest's figures."""
    found: Stages = {}
    for row in components:
        for stage, measured in row.stages.items():
            other = found.get(stage)
            if other is None or _counts_more(measured, other[1], now_ms):
                found[stage] = (row.component, measured)
    order = {stage: number for number, stage in enumerate(STAGES)}
    names = sorted(found, key=lambda stage: (order.get(stage, len(order)), stage))
    return [
        {"stage": stage, "name": STAGES.get(stage, ""), "component": found[stage][0]}
        | msgspec.structs.asdict(found[stage][1])
        for stage in names
    ]
