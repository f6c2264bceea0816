"""Specs that the definition takes, drawn at random: any part may be as usual or another."""

from typing import Any

from hypothesis import strategies as st

from tests.operator.given import LIVE, PAPER
from tradingmesh.contract import Channel, endpoint_key

_PORTS = st.lists(st.integers(20_000, 60_000), min_size=len(Channel), max_size=len(Channel), unique=True)
_MONEY = st.decimals(1, 10**6, places=2).map(str)
_DURATION = st.sampled_from(["500ms", "2s", "1.5m", "1h"])
_MODES: tuple[dict[str, Any], ...] = ({}, PAPER, LIVE)

_BOUNDS = st.tuples(st.integers(1, 64), st.integers(1, 64)).map(sorted)
_AUTOSCALING = st.builds(
    lambda bounds, target, window, scaler: {
        "minReplicas": bounds[0],
        "maxReplicas": bounds[1],
        "targetBacklog": target,
        "stabilization": window,
        "scaler": scaler,
    },
    _BOUNDS,
    st.integers(1, 10_000),
    _DURATION,
    st.sampled_from(["Operator", "Keda"]),
)
_EVERY: dict[str, st.SearchStrategy[Any]] = {
    "trading": st.sampled_from(["Active", "Reducing", "Halted"]),
    "symbols": st.sampled_from([["IBM", "BAC"], ["BAC", "IBM", "BRK.B", "KO"]]),
    "strategies.0.params": st.sampled_from([{}, {"fast": 5, "ratio": "0.5"}]),
    "broker.feed": st.sampled_from(["iex", "sip"]),
    "riskLimits.maxDailyLoss": _MONEY,
    "riskLimits.restrictedSymbols": st.sampled_from([[], ["KO"]]),
    "circuitBreaker.reset": st.sampled_from(["Automatic", "Manual"]),
    "circuitBreaker.recoveryPeriod": _DURATION,
    "fillProcessors.replicas": st.integers(1, 64),
    "fillProcessors.autoscaling": _AUTOSCALING,
    "endpoints.riskCheck.timeout": _DURATION,
    "persistence.size": st.sampled_from(["1Gi", "500Mi"]),
    "persistence.postgres.urlSecretRef.name": st.just("pg"),
    "observability.otlpEndpoint": st.just("http://traces:4318"),
    "observability.traceSampleRatio": st.sampled_from(["0.5", "1"]),
    "observability.serviceMonitor": st.booleans(),
    "onDelete": st.sampled_from(["Flatten", "CancelOrders", "Leave"]),
    "components": st.just({"risk-manager": {"resources": {"limits": {"memory": "1Gi"}}, "logLevel": "DEBUG"}}),
}


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    """Changes to the usual spec, as `given.manifest` takes them; its mode, too."""
    names = draw(st.sets(st.sampled_from(sorted(_EVERY))))
    ports = draw(_PORTS)
    numbered = list(zip(Channel, ports, strict=True))
    told = {
        f"endpoints.{endpoint_key(channel)}.port": port for channel, port in draw(st.sets(st.sampled_from(numbered)))
    }
    return {**draw(st.sampled_from(_MODES)), **{name: draw(_EVERY[name]) for name in sorted(names)}, **told}


def ports_of(drawn: dict[str, Any]) -> dict[Channel, int]:
    """The port of each channel for which one was drawn."""
    paths = {channel: f"endpoints.{endpoint_key(channel)}.port" for channel in Channel}
    return {channel: drawn[path] for channel, path in paths.items() if path in drawn}
