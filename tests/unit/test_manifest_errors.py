"""A manifest that is wrong ends in one sentence that names the field as the manifest writes it."""

from pathlib import Path
from typing import Any

import pytest

from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import MANIFEST_MAX_BYTES, load_manifest, parse_manifest

HEAD = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "demo"}}


def _error_of(content: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_manifest(content, source="demo.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"foo": 1}, "spec.foo: unknown field"),
        ({"riskLimits": {"maxOrderQuantity": -1}}, "spec.riskLimits.maxOrderQuantity: must be greater than 0 (got -1)"),
        (
            {"riskLimits": {"maxDailyLoss": 2.5}},
            (
                "spec.riskLimits.maxDailyLoss: "
                "write 2.5 in quotes: a number with a fraction is read exactly only from text"
            ),
        ),
        (
            {"riskLimits": {"maxOrderQuantity": 10, "maxPositionQuantity": 5}},
            "spec.riskLimits: maxOrderQuantity 10 is above maxPositionQuantity 5",
        ),
        (
            {"riskLimits": {"maxQuoteAge": "5 parsecs"}},
            "spec.riskLimits.maxQuoteAge: '5 parsecs' is not a duration such as 100ms, 5s or 1.5m",
        ),
        (
            {"riskLimits": {"perSymbol": {"TOOLONGSYM": {}}}},
            "spec.riskLimits.perSymbol.TOOLONGSYM: 'TOOLONGSYM' is longer than 8 bytes",
        ),
        ({"symbols": ["IBM", "TOOLONGSYM"]}, "spec.symbols[1]: 'TOOLONGSYM' is longer than 8 bytes"),
        ({"symbols": ["IBM", "IBM"]}, "spec.symbols: a symbol is listed twice"),
        (
            {"fillProcessors": {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}},
            "spec.fillProcessors.autoscaling: minReplicas 5 is above maxReplicas 2",
        ),
        (
            {"mode": "live", "broker": {"kind": "alpaca"}},
            "spec: mode live trades real money: set acknowledgeLiveTrading: true",
        ),
        (
            {"broker": {"simulator": {"speed": "fast"}}},
            (
                'spec.broker.simulator.speed: must be an exact number such as 250000 or "0.005", '
                "or must be 'max' (got 'fast')"
            ),
        ),
        (
            {"broker": {"retry": {"initial": "3s", "max": "1s"}}},
            "spec.broker.retry: initial 3000 ms is above max 1000 ms",
        ),
        (
            {"broker": {"apiCircuitBreaker": {"failureThreshold": 0}}},
            "spec.broker.apiCircuitBreaker.failureThreshold: must be greater than or equal to 1 (got 0)",
        ),
        ({"endpoints": {"fills": {"port": 5555}}}, "spec.endpoints: market-data and fills both use port 5555"),
        ({"strategies": [{"name": "a", "symbols": ["IBM"]}]}, "spec.strategies[0].uses: missing"),
        ({"riskLimits": None}, "spec.riskLimits: a mapping belongs here"),
    ],
)
def test_a_wrong_field_is_named_with_what_belongs_there(spec: dict[str, Any], sentence: str) -> None:
    """One line: source, field path in the manifest's own spelling, and what is wrong with it."""
    assert _error_of({**HEAD, "spec": {"symbols": ["IBM"], **spec}}) == f"demo.yaml: {sentence}"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([], "not a TradingSystem manifest: a mapping belongs here"),
        ({}, "apiVersion: missing"),
        ({**HEAD, "kind": "Pod", "spec": {"symbols": ["IBM"]}}, "kind: must be 'TradingSystem' (got 'Pod')"),
        ({**HEAD, "spec": {"symbols": ["IBM"]}, "extra": 1}, "extra: unknown field"),
    ],
)
def test_what_is_no_trading_system_is_said_so(content: Any, sentence: str) -> None:
    """The outermost level is checked like the rest."""
    assert _error_of(content) == f"demo.yaml: {sentence}"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, not YAML, not text and far too large: each one sentence with the path."""
    missing, broken, binary, large = (tmp_path / name for name in ("missing", "broken", "binary", "large"))
    broken.write_text("a: 1\nb: [1,\nc: }")
    binary.write_bytes(b"\xff\xfe")
    large.write_bytes(b" " * (MANIFEST_MAX_BYTES + 1))
    for path, words in (
        (missing, "No such file or directory"),
        (broken, "line 3: not YAML"),
        (binary, "not UTF-8 text"),
        (large, "larger than"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            load_manifest(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
