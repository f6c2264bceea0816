"""Counters, gauges and latency histograms cheap enough for every tick, shown through prometheus-client.

prometheus-client's own counter takes a lock at each `inc`; here a counter is an attribute of one thread and is read
when somebody scrapes. See docs/decisions/0003-metrics-on-the-hot-path.md.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Labels = tuple[tuple[str, str], ...]
_SUB_BUCKETS = 8
_OCTAVES = 48


class Counter:
    """A count that only grows. One thread increments it."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        """Counts `amount` more."""
        self.value += amount


class Latency:
    """How long something took: eight buckets an octave of nanoseconds, so a quantile is right within an eighth."""

    __slots__ = ("buckets", "count", "sum_ns")

    def __init__(self) -> None:
        self.buckets = [0] * (_OCTAVES * _SUB_BUCKETS)
        self.count = 0
        self.sum_ns = 0

    def observe_ns(self, elapsed_ns: int) -> None:
        """Takes one measurement; a clock that stepped back counts as the shortest, over three days as the longest."""
        if elapsed_ns < _SUB_BUCKETS:  # noqa: PLR1730 - `max` would be half of what this method costs
            elapsed_ns = _SUB_BUCKETS
        bits = elapsed_ns.bit_length()
        if bits >= _OCTAVES:
            bits, elapsed_ns = _OCTAVES - 1, (1 << (_OCTAVES - 1)) - 1
        self.buckets[(bits << 3) | ((elapsed_ns >> (bits - 4)) & 7)] += 1
        self.count += 1
        self.sum_ns += elapsed_ns

    def quantile_us(self, fraction: float) -> float:
        """The quantile in microseconds, as if values lay evenly in their bucket; 0 before any measurement."""
        wanted = fraction * self.count
        seen = 0
        for index, count in enumerate(self.buckets):
            if count and seen + count >= wanted:
                lower_ns, upper_ns = _edges_ns(index)
                return (lower_ns + (upper_ns - lower_ns) * (wanted - seen) / count) / 1_000
            seen += count
        return 0.0

    def summary(self) -> dict[str, float]:
        """p50 and p99 in microseconds, and the count."""
        return {"p50": self.quantile_us(0.5), "p99": self.quantile_us(0.99), "count": self.count}

    def octaves(self) -> Iterator[tuple[str, float]]:
        """Cumulative counts by upper bound in seconds, as Prometheus wants them."""
        total = 0
        for bits in range(10, 36):
            first = 0 if bits == 10 else bits << 3
            total += sum(self.buckets[first : (bits + 1) << 3])
            yield f"{(1 << bits) / 1e9:.9g}", total
        yield "+Inf", self.count


def _edges_ns(index: int) -> tuple[int, int]:
    bits, sub = index >> 3, index & 7
    return (_SUB_BUCKETS + sub) << (bits - 4), (_SUB_BUCKETS + sub + 1) << (bits - 4)


class Metrics(Collector):
    """The metrics of one process. Asking again for the same name and labels gives the same metric."""

    def __init__(self, **constant_labels: str) -> None:
        self._constant = constant_labels
        self._counters: dict[str, tuple[str, dict[Labels, Counter]]] = {}
        self._latencies: dict[str, tuple[str, dict[Labels, Latency]]] = {}
        self._gauges: dict[str, tuple[str, dict[Labels, Callable[[], float]]]] = {}
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def counter(self, name: str, help_: str, **labels: str) -> Counter:
        """The counter of that name (without `_total`) and labels."""
        return self._counters.setdefault(name, (help_, {}))[1].setdefault(_key(labels), Counter())

    def latency(self, stage: str) -> Latency:
        """The latency histogram of that stage."""
        _, by_label = self._latencies.setdefault("stage_latency", ("Time spent in a stage of the way of a tick.", {}))
        return by_label.setdefault((("stage", stage),), Latency())

    def gauge(self, name: str, help_: str, read: Callable[[], float], **labels: str) -> None:
        """A value that `read` gives when somebody scrapes."""
        self._gauges.setdefault(name, (help_, {}))[1][_key(labels)] = read

    def collect(self) -> Iterable[Metric]:
        """Everything, for prometheus-client."""
        for name, (help_, counters) in list(self._counters.items()):
            family = CounterMetricFamily(f"tradingmesh_{name}", help_, labels=self._names(counters))
            for key, counter in list(counters.items()):
                family.add_metric(self._values(key), counter.value)
            yield family
        for name, (help_, gauges) in list(self._gauges.items()):
            gauge = GaugeMetricFamily(f"tradingmesh_{name}", help_, labels=self._names(gauges))
            for key, read in list(gauges.items()):
                gauge.add_metric(self._values(key), read())
            yield gauge
        for name, (help_, latencies) in list(self._latencies.items()):
            histogram = HistogramMetricFamily(f"tradingmesh_{name}_seconds", help_, labels=self._names(latencies))
            for key, latency in list(latencies.items()):
                histogram.add_metric(self._values(key), buckets=list(latency.octaves()), sum_value=latency.sum_ns / 1e9)
            yield histogram

    def snapshot(self) -> dict[str, Any]:
        """Counters, gauges and latency quantiles as JSON-able values: `{name: {"label=value": number}}`."""
        return {
            "counters": {n: {_text(k): c.value for k, c in list(m.items())} for n, (_, m) in self._counters.items()},
            "gauges": {n: {_text(k): read() for k, read in list(m.items())} for n, (_, m) in self._gauges.items()},
            "latency_us": {k[0][1]: v.summary() for _, m in self._latencies.values() for k, v in list(m.items())},
        }

    def _names(self, by_label: dict[Labels, Any]) -> list[str]:
        return [name for name, _ in next(iter(by_label))] + list(self._constant)

    def _values(self, key: Labels) -> list[str]:
        return [value for _, value in key] + list(self._constant.values())


def _key(labels: dict[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _text(key: Labels) -> str:
    return ",".join(f"{name}={value}" for name, value in key)
