"""A change of limits in words."""

from typing import Any

import pytest

from tradingmesh.contract import TradingSystemSpec
from tradingmesh.core.risk.limit_changes import CHANGES_MAX, limit_changes


def _spec(**parts: Any) -> TradingSystemSpec:
    return TradingSystemSpec.of_manifest({"symbols": ["IBM"], **parts})


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, {"riskLimits": {"maxOrderQuantity": 5}}, "riskLimits.maxOrderQuantity unset -> 5"),
        ({"riskLimits": {"maxDailyLoss": "10"}}, {}, "riskLimits.maxDailyLoss 10 -> unset"),
        ({"trading": "Active"}, {"trading": "Halted"}, "trading Active -> Halted"),
        ({}, {"circuitBreaker": {"recoveryPeriod": "90s"}}, "circuitBreaker.recoveryPeriod 5m -> 90s"),
        ({}, {"riskLimits": {"restrictedSymbols": ["BAC", "KO"]}}, "riskLimits.restrictedSymbols none -> BAC KO"),
        (
            {"riskLimits": {"perSymbol": {"BAC": {"maxQuoteAge": "1s"}}}},
            {},
            "riskLimits.perSymbol.BAC maxQuoteAge 1s -> unset",
        ),
    ],
)
def test_a_change_names_its_field_and_both_values(before: Any, after: Any, words: str) -> None:
    """In the manifest's own words, so that a person finds it there."""
    assert limit_changes(_spec(**before), _spec(**after)) == (words,)


def test_what_is_not_hot_is_not_told() -> None:
    """The same limits, written in another way or among other parts, are no change."""
    limits = {"maxOrderQuantity": "5"}
    assert limit_changes(_spec(riskLimits=limits), _spec(riskLimits={"maxOrderQuantity": 5}, onDelete="Leave")) == ()


def test_many_changes_are_counted() -> None:
    """An event has a bound."""
    symbols = {f"S{number}": {"maxOrderQuantity": number + 1} for number in range(CHANGES_MAX + 3)}
    told = limit_changes(_spec(), _spec(riskLimits={"perSymbol": symbols}))
    assert len(told) == CHANGES_MAX + 1
    assert told[-1] == "and 3 more"
