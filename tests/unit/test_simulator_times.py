"""Market time as text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.alpaca_simulator.times import parse_day, parse_time, rfc3339
from tradingmesh.core.errors import InputError

OPEN_NS = 1_709_562_600 * 10**9


@pytest.mark.parametrize(
    ("now_ns", "text"),
    [
        (OPEN_NS, "2024-03-04T14:30:00Z"),
        (OPEN_NS + 1, "2024-03-04T14:30:00.000000001Z"),
        (OPEN_NS + 250_000_000, "2024-03-04T14:30:00.25Z"),
    ],
)
def test_a_time_as_alpaca_writes_it(now_ns: int, text: str) -> None:
    """UTC, with as many digits as there are."""
    assert rfc3339(now_ns) == text


@given(st.integers(0, 2**62))
def test_what_is_written_is_read_back(now_ns: int) -> None:
    """To the nanosecond."""
    assert parse_time(rfc3339(now_ns), "after") == now_ns


@pytest.mark.parametrize("text", ["2024-03-04T09:30:00-05:00", "2024-03-04 14:30", "2024-03-04T14:30:00.0z"])
def test_other_ways_to_write_a_time(text: str) -> None:
    """An offset, a blank, no seconds: all that clients send."""
    assert parse_time(text, "after") == OPEN_NS


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13-01", "2024-03-04T25:00", "2024-03-04T00:00:00+99:99", "٢٠٢٤-٠٣-٠٤"]
)
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    """The sentence names the field."""
    with pytest.raises(InputError, match=r"^until: "):
        parse_time(text, "until")


def test_a_day_of_a_time() -> None:
    """The calendar takes both forms."""
    assert parse_day("2024-03-04T23:59:59Z", "start") == parse_day("2024-03-04", "start")
