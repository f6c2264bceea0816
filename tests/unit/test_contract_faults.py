"""Faults in the manifest: what goes together is taken, what does not is one sentence that names the field."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradingmesh.contract import FaultKind, FaultPlace, FaultSpec, FaultsSpec
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import parse_manifest

HEAD = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "demo"}}
IN = "spec.broker.simulator.faults"

EVERY_KIND = [
    {"where": where, **fault}
    for where in ("trade-updates", "market-data")
    for fault in (
        {"what": "drop", "rate": "0.05", "times": 3},
        {"what": "duplicate"},
        {"what": "delay", "rate": "0.1", "min": "10ms", "max": "2s"},
        {"what": "reorder", "max": "2s"},
        {"what": "cut", "after": "20s", "for": "1m"},
        {"what": "mute", "answersPings": False},
    )
] + [
    {"where": "market-data", "what": "error", "code": 406},
    {"where": "rest", "what": "delay", "max": "2s", "acted": True},
    {"where": "rest", "what": "error", "code": 429, "retryAfter": "2s", "requests": "POST /v2/orders"},
    {"where": "rest", "what": "error", "code": 504, "acted": True},
    {"where": "rest", "what": "reset", "acted": True, "rate": "0.5"},
]


def parsed(faults: Any) -> FaultsSpec:
    spec = {"symbols": ["IBM"], "broker": {"simulator": {"faults": faults}}}
    return parse_manifest({**HEAD, "spec": spec}, source="demo.yaml").spec.broker.simulator.faults


def test_every_kind_is_taken_and_read_again_as_it_is_written() -> None:
    """What a run writes down, defaults and all, is the same faults."""
    faults = parsed({"seed": 3, "inject": EVERY_KIND})
    assert parsed(faults.model_dump(mode="json", by_alias=True)) == faults
    assert {(fault.where, fault.what) for fault in faults.inject} >= {(FaultPlace.REST, FaultKind.RESET)}
    assert parsed({}) == FaultsSpec()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"what": "drop"}, ".where: missing"),
        ({"where": "rest", "what": "explode"}, ".what: must be 'drop', 'duplicate', "),
        ({"where": "rest", "what": "mute"}, ": what mute does not go with where rest: use delay, error, reset"),
        ({"where": "rest", "what": "reset", "often": 1}, ".often: unknown field"),
        ({"where": "rest", "what": "reset", "rate": "0"}, ".rate: must be greater than 0"),
        ({"where": "rest", "what": "reset", "rate": "1.01"}, ".rate: must be less than or equal to 1"),
        ({"where": "rest", "what": "reset", "rate": 0.5}, ".rate: write 0.5 in quotes: "),
        ({"where": "rest", "what": "reset", "requests": "orders"}, ".requests: "),
        ({"where": "rest", "what": "reset", "max": "1s"}, ": max does not go with reset on rest"),
        ({"where": "rest", "what": "error"}, ": code must be one of 429, 500, 502, 503, 504 on rest"),
        ({"where": "rest", "what": "error", "code": 429, "acted": True}, ": acted does not go with code 429: "),
        ({"where": "rest", "what": "error", "code": 500, "retryAfter": "2s"}, ": retryAfter does not go with code 500"),
        ({"where": "market-data", "what": "error", "code": 504}, ": code must be one of 405, 406, 407, 409, 500 on "),
        ({"where": "market-data", "what": "drop", "acted": True}, ": acted does not go with drop on market-data"),
        ({"where": "trade-updates", "what": "delay"}, ": max must be above 0 and not below min, as delay needs it"),
        ({"where": "trade-updates", "what": "reorder", "min": "2s", "max": "1s"}, ": max must be above 0 and not "),
        ({"where": "trade-updates", "what": "cut", "rate": "0.5"}, ": rate does not go with cut on trade-updates"),
        ({"where": "trade-updates", "what": "cut", "times": 1}, ": times does not go with cut on trade-updates"),
        ({"where": "trade-updates", "what": "drop", "for": "long"}, ".for: 'long' is not a duration"),
        ("drop", ": a mapping belongs here"),
    ],
)
def test_what_does_not_fit_is_named(fault: Any, sentence: str) -> None:
    """The fault is told by its place in the list."""
    good = {"where": "trade-updates", "what": "drop"}
    with pytest.raises(ConfigError) as caught:
        parsed({"inject": [good, fault]})
    assert str(caught.value).startswith(f"demo.yaml: {IN}.inject[1]{sentence}")
    assert "\n" not in str(caught.value)


def test_there_are_not_endlessly_many() -> None:
    """Each message is drawn for by every fault of its stream."""
    with pytest.raises(ConfigError, match=r"inject: List should have at most 32 items"):
        parsed({"inject": [FaultSpec(where=FaultPlace.REST, what=FaultKind.RESET).model_dump()] * 33})


def test_the_readme_shows_faults_that_are_taken() -> None:
    """What a reader copies works, and each place is in it."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (example,) = [text for text in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL) if "inject:" in text]
    faults = parsed(yaml.safe_load(example)["broker"]["simulator"]["faults"])
    assert {fault.where for fault in faults.inject} == set(FaultPlace)
