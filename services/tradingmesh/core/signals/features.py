"""Features of the market, each brought up to date by one tick in constant time and constant memory.

Features are floats: they inform a decision and are never money. Prices go in as `price_e4` and come out in the same
unit. Every average is exponential with the usual `2 / (period + 1)` as the weight of the newest sample, and starts at
the first sample.
"""

from math import log, sqrt

_SESSION_NS = 24 * 3_600 * 1_000_000_000
_MIDNIGHT_NS = 5 * 3_600 * 1_000_000_000
"""05:00 UTC is midnight in New York in winter and 01:00 in summer: the exchanges are closed either way."""


def weight_of_newest(period: int) -> float:
    """The share of the newest sample in an exponential average of that period."""
    return 2.0 / (period + 1)


class Ema:
    """Exponential moving average. `value` is 0 before the first sample; `count` samples have been seen."""

    __slots__ = ("_weight", "count", "value")

    def __init__(self, period: int) -> None:
        self._weight = weight_of_newest(period)
        self.count = 0
        self.value = 0.0

    def update(self, sample: float) -> float:
        """Takes a sample and returns the new average."""
        if self.count:
            value = self.value
            value += self._weight * (sample - value)
        else:
            value = float(sample)
        self.value = value
        self.count += 1
        return value


class Vwap:
    """Volume-weighted average price since the session began (a day from midnight to midnight in New York).

    The sums are integers, so the average does not drift however long the session. `value` is None before any volume.
    """

    __slots__ = ("_notional_e4", "_session_end_ns", "_volume", "value")

    def __init__(self) -> None:
        self._notional_e4 = 0
        self._volume = 0
        self._session_end_ns = 0
        self.value: float | None = None

    def update(self, price_e4: int, size: int, timestamp_ns: int) -> float | None:
        """Takes a trade and returns the new average."""
        if timestamp_ns >= self._session_end_ns:
            self._begin_session(timestamp_ns)
        self._notional_e4 += price_e4 * size
        self._volume += size
        if self._volume:
            self.value = self._notional_e4 / self._volume
        return self.value

    def _begin_session(self, timestamp_ns: int) -> None:
        days = (timestamp_ns - _MIDNIGHT_NS) // _SESSION_NS
        self._session_end_ns = (days + 1) * _SESSION_NS + _MIDNIGHT_NS
        self._notional_e4 = self._volume = 0
        self.value = None


class Volatility:
    """Standard deviation of the log return from one price to the next, exponentially weighted (RiskMetrics 1996).

    The mean return is taken as 0, as is usual from tick to tick. `value` is None before the second price.
    """

    __slots__ = ("_last", "_variance", "value")

    def __init__(self, period: int) -> None:
        self._variance = Ema(period)
        self._last = 0
        self.value: float | None = None

    def update(self, price_e4: int) -> float | None:
        """Takes a price and returns the new volatility, a fraction (0.01 is one percent); 0 is no price."""
        if price_e4 <= 0:
            return self.value
        if self._last:
            step = log(price_e4 / self._last)
            self.value = sqrt(self._variance.update(step * step))
        self._last = price_e4
        return self.value


class ZScore:
    """How many standard deviations a sample lies from the average, both exponentially weighted (West 1979).

    `mean` and `variance` include the newest sample. The score is 0 while nothing has varied yet.
    """

    __slots__ = ("_weight", "count", "mean", "variance")

    def __init__(self, period: int) -> None:
        self._weight = weight_of_newest(period)
        self.count = 0
        self.mean = 0.0
        self.variance = 0.0

    def update(self, sample: float) -> float:
        """Takes a sample and returns its score."""
        self.count += 1
        if self.count == 1:
            self.mean = float(sample)
            return 0.0
        difference = sample - self.mean
        step = self._weight * difference
        self.mean += step
        self.variance = (1.0 - self._weight) * (self.variance + difference * step)
        return (sample - self.mean) / sqrt(self.variance) if self.variance > 0.0 else 0.0


def mid_e4(bid_e4: int, ask_e4: int) -> float:
    """Halfway between bid and ask, x 10,000."""
    return (bid_e4 + ask_e4) * 0.5


def imbalance(bid_size: int, ask_size: int) -> float:
    """From -1 (all displayed size offers) to +1 (all bids); 0 where nothing is displayed."""
    total = bid_size + ask_size
    return (bid_size - ask_size) / total if total else 0.0


def microprice_e4(bid_e4: int, ask_e4: int, bid_size: int, ask_size: int) -> float:
    """The mid drawn to the side with less displayed size, where the next trade is likelier; x 10,000."""
    total = bid_size + ask_size
    if not total:
        return mid_e4(bid_e4, ask_e4)
    return (bid_e4 * ask_size + ask_e4 * bid_size) / total
