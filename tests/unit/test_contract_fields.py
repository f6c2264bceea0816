"""The kinds of values of a manifest: each is read as what it is, or refused; none is taken for another."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tradingmesh.contract import EndpointsSpec, Spec, TradingSystemSpec
from tradingmesh.contract.fields import (
    DURATION_PATTERN,
    EXACT_PATTERN,
    DurationMs,
    Exact,
    Flag,
    Positive,
    Symbols,
    Whole,
    duration_text,
)
from tradingmesh.contract.placement import ComponentSpec

DAY_MS = 86_400_000


class Values(Spec):
    """One field of each kind."""

    wait_ms: DurationMs = 0
    number: Exact = Decimal(0)
    limit: Positive | None = None
    count: Whole = 0
    flag: Flag = False
    symbols: Symbols = []  # noqa: RUF012 - pydantic copies it


@pytest.mark.parametrize(
    ("text", "ms"),
    [("0s", 0), ("1ms", 1), ("5s", 5_000), ("1.5m", 90_000), ("0.001s", 1), ("99.999h", 359_996_400)],
)
def test_a_duration_is_whole_milliseconds(text: str, ms: int) -> None:
    """Whatever its unit."""
    assert Values.of_manifest({"waitMs": text}).wait_ms == ms


@pytest.mark.parametrize(
    "text", [5, 0, True, 1.5, "5", "", "-1s", "1.5ms", "1d", "1s\n", " 1s", "1.2345s", "100h", None, []]
)
def test_what_is_no_duration_is_refused(text: Any) -> None:
    """A number in a manifest has no unit: 5 might be five seconds to who wrote it."""
    with pytest.raises(ValidationError, match="is not a duration such as"):
        Values.of_manifest({"waitMs": text})


def test_python_says_the_unit_in_the_name() -> None:
    """Milliseconds as an int, and never fewer than none."""
    assert Values(wait_ms=5).wait_ms == 5
    with pytest.raises(ValidationError):
        Values(wait_ms=-1)


@given(st.integers(0, 4 * DAY_MS))
def test_a_duration_is_written_as_it_is_read(ms: int) -> None:
    """What is written into a manifest comes back as it was."""
    text = duration_text(ms)
    assert re.fullmatch(DURATION_PATTERN, text)
    assert Values.of_manifest(Values(wait_ms=ms).model_dump(mode="json", by_alias=True)).wait_ms == ms


@given(st.decimals(-(10**15) + 1, 10**15 - 1, places=9))
def test_an_exact_number_stays_exact(number: Decimal) -> None:
    """As text, to the last of nine decimals."""
    assert Values.of_manifest({"number": f"{number:f}"}).number == number
    assert re.fullmatch(EXACT_PATTERN, f"{number:f}")


@pytest.mark.parametrize(
    "value", [0.5, 5.0, True, "1e3", "0.0000000001", "1" * 16, 10**15, "NaN", "", "1 ", "+1", ".5", "1\n"]
)
def test_what_is_not_exact_is_refused(value: Any) -> None:
    """Floats, other spellings, and more digits than can be compared."""
    with pytest.raises(ValidationError, match=r"exact"):
        Values.of_manifest({"number": value})


@pytest.mark.parametrize("value", ["5", 5.0, True, 2**31, None, "x"])
def test_a_whole_number_is_no_text(value: Any) -> None:
    """Nor a float, nor more than 32 bits."""
    with pytest.raises(ValidationError):
        Values.of_manifest({"count": value})


@pytest.mark.parametrize("value", ["true", "yes", 1, 0, "on"])
def test_a_flag_is_true_or_false(value: Any) -> None:
    """Nothing that only sounds like it."""
    with pytest.raises(ValidationError):
        Values.of_manifest({"flag": value})


def test_a_symbol_is_listed_once() -> None:
    """In every list of symbols."""
    with pytest.raises(ValidationError, match="listed twice"):
        Values.of_manifest({"symbols": ["IBM", "IBM"]})


@pytest.mark.parametrize("limit", [0, "0", "-1", "0.000"])
def test_a_limit_is_above_0(limit: Any) -> None:
    """In quotes or not."""
    with pytest.raises(ValidationError, match="greater than 0"):
        Values.of_manifest({"limit": limit})


def test_a_manifest_has_the_manifests_names() -> None:
    """The names of Python are Python's."""
    assert Values(wait_ms=1).wait_ms == 1
    with pytest.raises(ValidationError, match="Extra inputs"):
        Values.of_manifest({"wait_ms": "1ms"})


def test_no_channel_is_on_the_admin_port() -> None:
    """A component could not bind both."""
    with pytest.raises(ValidationError, match="fills uses port 9090, which is every component's admin port"):
        EndpointsSpec.of_manifest({"fills": {"port": 9090}})


def test_the_events_channel_is_not_on_the_live_pages_port() -> None:
    """One component binds both; another's channel may be there."""
    with pytest.raises(ValidationError, match="events uses port 8080, which is the live page's"):
        EndpointsSpec.of_manifest({"events": {"port": 8080}})
    assert EndpointsSpec.of_manifest({"fills": {"port": 8080}}).fills.port == 8080


@pytest.mark.parametrize(("given_amount", "amount"), [(2, "2"), ("500m", "500m"), ("1.5Gi", "1.5Gi")])
def test_an_amount_is_text_or_whole(given_amount: Any, amount: str) -> None:
    """As Kubernetes takes it."""
    spec = ComponentSpec.of_manifest({"resources": {"limits": {"cpu": given_amount}}})
    assert spec.resources is not None
    assert spec.resources.limits["cpu"] == amount


def test_what_is_written_is_read_again() -> None:
    """A whole spec, with every default, as `tradingmesh up` hands it to its processes."""
    spec = TradingSystemSpec(symbols=["IBM"])
    assert TradingSystemSpec.of_manifest(spec.model_dump(mode="json", by_alias=True)) == spec
