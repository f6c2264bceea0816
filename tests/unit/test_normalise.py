"""Alpaca's messages become the mesh's own, exactly or not at all."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Bar, Quote, Trade
from tradingmesh.core.tape.normalise import market_event, price_e4


class Stamp(NamedTuple):
    seconds: int
    nanoseconds: int


TRADE: dict[str, Any] = {"T": "t", "S": "IBM", "p": 185.1234, "s": 100, "t": Stamp(1_700_000_000, 5)}
QUOTE: dict[str, Any] = {"T": "q", "S": "IBM", "bp": 185.1, "ap": 185.12, "bs": 3, "as": 4, "t": Stamp(1, 0)}
BAR: dict[str, Any] = {"T": "b", "S": "IBM", "o": 1.0, "h": 3.0, "l": 0.5, "c": 2.0, "v": 7, "t": Stamp(60, 0)}


def test_each_kind_is_read() -> None:
    """A trade, a quote and a bar keep every figure."""
    assert market_event(TRADE) == Trade("IBM", 1_851_234, 100, 1_700_000_000_000_000_005)
    assert market_event(QUOTE) == Quote("IBM", 1_851_000, 1_851_200, 3, 4, 1_000_000_000)
    assert market_event(BAR) == Bar("IBM", 10_000, 30_000, 5_000, 20_000, 7, 60_000_000_000)


@given(st.integers(min_value=0, max_value=10**10))
def test_a_price_of_four_decimals_survives_the_double(e4: int) -> None:
    """Whatever price of four decimals up to a million dollars: the double gives it back to the digit."""
    assert price_e4(e4 / 10_000, field="p") == e4


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"p": 185.12345}, "p"),
        ({"p": -1.0}, "p"),
        ({"p": float("nan")}, "p"),
        ({"p": float("inf")}, "p"),
        ({"p": "185"}, "p"),
        ({"p": 1e30}, "p"),
        ({"s": 1.5}, "s"),
        ({"s": 2**32}, "s"),
        ({"s": -1}, "s"),
        ({"s": None}, "s"),
        ({"t": "2026-01-01"}, "t"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change: dict[str, Any], field: str) -> None:
    """A price finer than four decimals, a size too big, text for a number: the error names symbol and field."""
    with pytest.raises(InputError, match=rf"'IBM': {field}: "):
        market_event(TRADE | change)


def test_a_missing_field_is_named() -> None:
    """A message without a price says so."""
    message = {key: value for key, value in TRADE.items() if key != "p"}
    with pytest.raises(InputError, match="'IBM' lacks 'p'"):
        market_event(message)
