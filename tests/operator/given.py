"""Manifests to try: a good one, with changes to it by the path of a field."""

import copy
from typing import Any

from tradingmesh.contract import API_VERSION, KIND

ABSENT: Any = object()
"""The value of a field that is to be left out."""

SPEC: dict[str, Any] = {
    "mode": "simulated",
    "symbols": ["IBM", "BAC"],
    "strategies": [{"name": "momentum", "uses": "ema-crossover", "symbols": ["IBM"], "params": {"fast": 10}}],
    "riskLimits": {"maxOrderQuantity": 100, "maxPositionQuantity": "200"},
}
LIVE = {
    "mode": "live",
    "acknowledgeLiveTrading": True,
    "broker.kind": "alpaca",
    "broker.credentialsSecretRef.name": "k",
}
PAPER = {"mode": "paper", "broker.kind": "alpaca", "broker.credentialsSecretRef.name": "keys"}


def manifest(changes: dict[str, Any] | None = None, *, name: str = "demo") -> dict[str, Any]:
    """A good TradingSystem with these changes: from `riskLimits.maxDailyLoss`, `strategies.0.name` to a value."""
    spec = copy.deepcopy(SPEC)
    for path, value in (changes or {}).items():
        *way, last = path.split(".")
        at: Any = spec
        for word in way:
            at = at[int(word)] if isinstance(at, list) else at.setdefault(word, {})
        if value is ABSENT:
            del at[last]
        elif isinstance(at, list):
            at[int(last)] = value
        else:
            at[last] = value
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
