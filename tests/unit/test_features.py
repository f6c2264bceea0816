"""The incremental features against what their definitions say, computed naively over all samples."""

import itertools
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.signals.features import (
    Ema,
    Volatility,
    Vwap,
    ZScore,
    imbalance,
    microprice_e4,
    mid_e4,
    weight_of_newest,
)

PRICES = st.lists(st.integers(1, 10_000_000), min_size=1, max_size=60)
PERIODS = st.integers(1, 40)
SIZES = st.integers(0, 2**32 - 1)


def weights(count: int, period: int) -> list[float]:
    """The weight of each sample in an exponential average, oldest first; they sum to 1."""
    newest = weight_of_newest(period)
    oldest = [(1 - newest) ** (count - 1)]
    return oldest + [newest * (1 - newest) ** (count - 1 - i) for i in range(1, count)]


@given(PRICES, PERIODS)
def test_ema_is_the_weighted_sum_of_all_samples(prices: list[int], period: int) -> None:
    """After any samples the average equals its definition."""
    ema = Ema(period)
    for price in prices:
        ema.update(price)
    naive = math.fsum(w * p for w, p in zip(weights(len(prices), period), prices, strict=True))
    assert ema.value == pytest.approx(naive, rel=1e-9)
    assert ema.count == len(prices)


@given(PRICES, PERIODS)
def test_z_score_is_mean_and_deviation_of_all_samples(prices: list[int], period: int) -> None:
    """Mean, variance and score equal their weighted definitions."""
    score = ZScore(period)
    last = [score.update(price) for price in prices][-1]
    shares = weights(len(prices), period)
    mean = math.fsum(w * p for w, p in zip(shares, prices, strict=True))
    variance = math.fsum(w * (p - mean) ** 2 for w, p in zip(shares, prices, strict=True))
    assert score.mean == pytest.approx(mean, rel=1e-9)
    assert score.variance == pytest.approx(variance, rel=1e-6, abs=1e-3)
    if score.variance > 1e-3:
        assert last == pytest.approx((prices[-1] - mean) / math.sqrt(variance), rel=1e-4, abs=1e-4)


@given(PRICES, PERIODS)
def test_volatility_is_the_root_of_weighted_squared_returns(prices: list[int], period: int) -> None:
    """The volatility equals its definition, and is unknown with one price."""
    volatility = Volatility(period)
    for price in prices:
        volatility.update(price)
    squares = [math.log(b / a) ** 2 for a, b in itertools.pairwise(prices)]
    if not squares:
        assert volatility.value is None
        return
    naive = math.sqrt(math.fsum(w * s for w, s in zip(weights(len(squares), period), squares, strict=True)))
    assert volatility.value == pytest.approx(naive, rel=1e-9, abs=1e-12)


def test_volatility_passes_over_a_price_of_zero() -> None:
    """A price of 0 has no logarithm and changes nothing."""
    volatility, other = Volatility(5), Volatility(5)
    for price in (100, 0, 110):
        volatility.update(price)
    for price in (100, 110):
        other.update(price)
    assert volatility.value == other.value is not None


@given(st.lists(st.tuples(st.integers(1, 10**12), SIZES), min_size=1, max_size=60))
def test_vwap_is_notional_over_volume(trades: list[tuple[int, int]]) -> None:
    """Within one session the average is exact: integer sums divided once."""
    vwap = Vwap()
    for price_e4, size in trades:
        vwap.update(price_e4, size, 1)
    volume = sum(size for _, size in trades)
    assert vwap.value == (sum(p * s for p, s in trades) / volume if volume else None)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def test_vwap_begins_anew_with_the_session() -> None:
    """After-hours trades past UTC midnight still belong to the New York day before; the next morning does not."""
    vwap = Vwap()
    vwap.update(100_0000, 10, ns("2013-10-07T13:30:00"))
    assert vwap.update(200_0000, 10, ns("2013-10-08T00:30:00")) == 150_0000
    assert vwap.update(300_0000, 10, ns("2013-10-08T08:00:00")) == 300_0000


@given(SIZES, SIZES, st.integers(1, 10**9), st.integers(0, 10**6))
def test_microprice_leans_to_the_thinner_side(bid_size: int, ask_size: int, bid_e4: int, spread_e4: int) -> None:
    """Microprice stays within the quote, and is above the mid exactly where more is bid than offered."""
    ask_e4 = bid_e4 + spread_e4
    micro, mid = microprice_e4(bid_e4, ask_e4, bid_size, ask_size), mid_e4(bid_e4, ask_e4)
    lean = imbalance(bid_size, ask_size)
    assert -1.0 <= lean <= 1.0
    assert bid_e4 * (1 - 1e-12) <= micro <= ask_e4 * (1 + 1e-12)
    assert micro == pytest.approx(mid + lean * spread_e4 / 2, rel=1e-12)


def test_imbalance_of_an_empty_quote_is_even() -> None:
    """Nothing displayed leans nowhere, and divides by nothing."""
    assert imbalance(0, 0) == 0.0
    assert microprice_e4(100, 200, 0, 0) == 150.0
