"""The metrics of a process, cheap enough for every tick, shown through prometheus-client.

prometheus-client's own counter takes a lock at each `inc`; here a counter is an attribute of one thread and is read
when somebody scrapes. See docs/decisions/0003-metrics-on-the-hot-path.md.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tradingmesh.telemetry.catalogue import FAMILIES, STAGES
from tradingmesh.telemetry.families import PREFIX, Family, Type
from tradingmesh.telemetry.latency import Latency

Labels = tuple[tuple[str, str], ...]
Read = Callable[[], float]
LATENCY = "stage_latency_seconds"


class Counter:
    """A count that only grows. One thread increments it."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        """Counts `amount` more."""
        self.value += amount


class Metrics(Collector):
    """The metrics of one process. Asking again for the same name and labels gives the same metric.

    Only what the catalogue has can be asked for: every method raises `ValueError` for a name that it does not have, of
    another type or with other labels, and for one that this process's component (its label) is not said to have.
    """

    def __init__(self, known: Mapping[str, Family] = FAMILIES, **constant_labels: str) -> None:
        self._known = known
        self._constant = constant_labels
        self._counters: dict[str, dict[Labels, Counter]] = {}
        self._reads: dict[str, dict[Labels, Read]] = {}
        self._latencies: dict[str, Latency] = {}
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def counter(self, name: str, **labels: str) -> Counter:
        """The counter of that name (without `_total`) and labels, 0 from now on."""
        key = _key(labels)
        found = self._counters.get(name, {}).get(key)
        if found is None:
            self._check(name, Type.COUNTER, key)
            found = self._counters.setdefault(name, {}).setdefault(key, Counter())
        return found

    def counted(self, name: str, read: Read, **labels: str) -> None:
        """A counter that is kept elsewhere: `read` gives it when somebody scrapes."""
        self._show(name, Type.COUNTER, read, labels)

    def gauge(self, name: str, read: Read, **labels: str) -> None:
        """A value that `read` gives when somebody scrapes."""
        self._show(name, Type.GAUGE, read, labels)

    def latency(self, stage: str) -> Latency:
        """The latency histogram of that stage."""
        if stage not in STAGES:
            raise ValueError(f"stage {stage} is not in the catalogue of metrics")
        self._check(LATENCY, Type.HISTOGRAM, (("stage", stage),))
        return self._latencies.setdefault(stage, Latency())

    def total(self, name: str) -> int:
        """A counter, summed over its labels; 0 where there is none yet."""
        return sum(counter.value for counter in list(self._counters.get(name, {}).values()))

    def latencies(self) -> dict[str, Latency]:
        """The latency histogram of every stage."""
        return dict(self._latencies)

    def collect(self) -> Iterable[Metric]:
        """Everything, for prometheus-client."""
        for name, counters in list(self._counters.items()):
            yield self._metric(name, {key: counter.value for key, counter in list(counters.items())})
        for name, reads in list(self._reads.items()):
            yield self._metric(name, {key: read() for key, read in list(reads.items())})
        if self._latencies:
            yield self._histogram()

    def snapshot(self) -> dict[str, Any]:
        """Counters, gauges and latency quantiles as JSON-able values: `{name: {"label=value": number}}`."""
        found: dict[str, dict[str, dict[str, float]]] = {"counters": {}, "gauges": {}}
        for name, counters in list(self._counters.items()):
            found["counters"][name] = {_text(key): counter.value for key, counter in list(counters.items())}
        for name, reads in list(self._reads.items()):
            told = found["counters" if self._known[name].type is Type.COUNTER else "gauges"]
            told[name] = {_text(key): read() for key, read in list(reads.items())}
        return {**found, "latency_us": {stage: one.summary() for stage, one in list(self._latencies.items())}}

    def _show(self, name: str, type_: Type, read: Read, labels: dict[str, str]) -> None:
        key = _key(labels)
        self._check(name, type_, key)
        self._reads.setdefault(name, {})[key] = read

    def _check(self, name: str, type_: Type, key: Labels) -> None:
        family = self._known.get(name)
        if family is None or family.type is not type_:
            raise ValueError(f"{type_} {name} is not in the catalogue of metrics")
        if (names := tuple(label for label, _ in key)) != family.labels:
            raise ValueError(f"{type_} {name} has the labels {family.labels} in the catalogue, not {names}")
        component = self._constant.get("component")
        if component is not None and component not in family.components:
            raise ValueError(f"{type_} {name} is none of {component}'s in the catalogue of metrics")

    def _metric(self, name: str, values: dict[Labels, float]) -> Metric:
        family = self._known[name]
        make = CounterMetricFamily if family.type is Type.COUNTER else GaugeMetricFamily
        metric = make(PREFIX + name, family.help, labels=[*family.labels, *self._constant])
        for key, value in values.items():
            metric.add_metric(self._values(key), value)
        return metric

    def _histogram(self) -> Metric:
        family = self._known[LATENCY]
        metric = HistogramMetricFamily(PREFIX + LATENCY, family.help, labels=[*family.labels, *self._constant])
        for stage, latency in list(self._latencies.items()):
            values = self._values((("stage", stage),))
            metric.add_metric(values, buckets=list(latency.octaves()), sum_value=latency.sum_ns / 1e9)
        return metric

    def _values(self, key: Labels) -> list[str]:
        return [value for _, value in key] + list(self._constant.values())


def _key(labels: dict[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _text(key: Labels) -> str:
    return ",".join(f"{name}={value}" for name, value in key)
