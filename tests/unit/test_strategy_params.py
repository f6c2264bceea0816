"""What the manifest writes in quotes reaches a strategy as what its constructor asks for."""

from decimal import Decimal

import pytest

from tradingmesh.adapters.strategy_params import as_annotated
from tradingmesh.core.errors import ConfigError


class Strict:
    """Any constructor that says what it takes."""

    def __init__(self, ratio: float, size: Decimal, short: bool, name: str, n: int = 1, free=None) -> None:  # type: ignore[no-untyped-def]  # noqa: FBT001
        """Says it."""


def test_each_text_becomes_what_is_annotated() -> None:
    """A float, an exact number and a flag; text, whole numbers and what is not annotated stay."""
    given = {"ratio": "0.5", "size": "1.25", "short": "true", "name": "0.5", "n": 3, "free": "0.5"}
    made = as_annotated(Strict, given)
    assert made == {"ratio": 0.5, "size": Decimal("1.25"), "short": True, "name": "0.5", "n": 3, "free": "0.5"}
    assert [type(value) for value in made.values()] == [float, Decimal, bool, str, int, str]


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [("ratio", "half", "a number"), ("size", "1,5", "a number"), ("short", "yes", "true or false")],
)
def test_what_is_none_is_named(name: str, value: str, what: str) -> None:
    """One sentence: the param, its text, and what belongs there."""
    with pytest.raises(ConfigError, match=f"^{name}: '{value}' is not {what}$"):
        as_annotated(Strict, {name: value})


def test_an_annotation_that_cannot_be_known_changes_nothing() -> None:
    """A name that only type checkers import does not keep a strategy from being made."""

    class Foreign:
        def __init__(self, size: "Elsewhere") -> None:  # type: ignore[name-defined]  # noqa: F821
            """Takes it as it comes."""

    assert as_annotated(Foreign, {"size": "2"}) == {"size": "2"}


def test_what_is_unknown_or_whole_is_left_as_it_is() -> None:
    """A param that the constructor does not have is refused by whoever calls it."""
    assert as_annotated(Strict, {"other": "1", "ratio": 2}) == {"other": "1", "ratio": 2}
