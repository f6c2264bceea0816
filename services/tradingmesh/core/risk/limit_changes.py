"""What a new manifest changes of what is hot, in words."""

from collections.abc import Iterator
from typing import Any

from tradingmesh.contract import HOT_PARTS, TradingSystemSpec

CHANGES_MAX = 50


def limit_changes(before: TradingSystemSpec, after: TradingSystemSpec) -> tuple[str, ...]:
    """One line a change, such as `riskLimits.maxOrderQuantity 1000 -> 500`; at most `CHANGES_MAX` and how many more."""
    old, new = (spec.model_dump(mode="json", by_alias=True, include=_FIELDS) for spec in (before, after))
    found = [line for part in HOT_PARTS for line in _changed(part, old[part], new[part])]
    more = [f"and {len(found) - CHANGES_MAX} more"] if len(found) > CHANGES_MAX else []
    return (*found[:CHANGES_MAX], *more)


_FIELDS = {name for name, field in TradingSystemSpec.model_fields.items() if field.alias in HOT_PARTS}


def _changed(path: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from _changed(f"{path}.{name}", old.get(name), new.get(name))
    elif old != new:
        yield f"{path} {_told(old)} -> {_told(new)}"


def _told(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_told(one)}" for name, one in value.items() if one is not None) or "none"
    return " ".join(value) or "none" if isinstance(value, list) else str(value)
