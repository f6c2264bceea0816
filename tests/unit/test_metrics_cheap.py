"""Counters, gauges and latencies: what is counted is what is shown, to Prometheus and as JSON."""

import math
from collections.abc import Callable
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tradingmesh.contract import Component
from tradingmesh.telemetry.families import Family, Type, by_name
from tradingmesh.telemetry.latency import Latency
from tradingmesh.telemetry.metrics import Metrics

_RISK = (Component.RISK_MANAGER,)
KNOWN = by_name(
    (
        Family("refused", Type.COUNTER, "Refusals.", _RISK, ("check",)),
        Family("steps", Type.COUNTER, "Steps.", _RISK),
        Family("backlog", Type.GAUGE, "Waiting.", _RISK, ("queue",)),
        Family("stage_latency_seconds", Type.HISTOGRAM, "How long.", _RISK, ("stage",)),
    )
)


def scraped(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a scrape, by name and labels."""
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_is_counted_is_shown() -> None:
    """A counter by its labels and those of its process; asked for again it is the same one."""
    metrics = Metrics(KNOWN, component="risk-manager")
    metrics.counter("refused", check="order-rate").inc()
    metrics.counter("refused", check="order-rate").inc(2)
    metrics.counter("refused", check="quote-age").value += 5
    samples = scraped(metrics)
    name = "tradingmesh_refused_total"
    assert samples[name, (("check", "order-rate"), ("component", "risk-manager"))] == 3
    assert samples[name, (("check", "quote-age"), ("component", "risk-manager"))] == 5
    assert metrics.snapshot()["counters"]["refused"] == {"check=order-rate": 3, "check=quote-age": 5}


def test_a_gauge_is_read_when_it_is_asked_for() -> None:
    """Not before, and each time anew."""
    metrics, values = Metrics(KNOWN), iter([1.5, 2.5])
    metrics.gauge("backlog", lambda: next(values), queue="fills")
    assert scraped(metrics)["tradingmesh_backlog", (("queue", "fills"),)] == 1.5
    assert metrics.snapshot()["gauges"] == {"backlog": {"queue=fills": 2.5}}


def test_a_count_kept_elsewhere_is_a_counter() -> None:
    """Read when it is asked for, and shown as what it is."""
    metrics = Metrics(KNOWN)
    metrics.counted("steps", lambda: 3)
    assert scraped(metrics)["tradingmesh_steps_total", ()] == 3
    assert metrics.snapshot()["counters"] == {"steps": {"": 3}}


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda metrics: metrics.counter("unheard_of"), "counter unheard_of is not in the catalogue"),
        (lambda metrics: metrics.counter("backlog", queue="fills"), "counter backlog is not in the catalogue"),
        (lambda metrics: metrics.gauge("steps", float), "gauge steps is not in the catalogue"),
        (lambda metrics: metrics.counted("backlog", float, queue="x"), "counter backlog is not in the catalogue"),
        (lambda metrics: metrics.counter("refused"), "has the labels"),
        (lambda metrics: metrics.counter("steps", of="x"), "has the labels"),
        (lambda metrics: metrics.latency("unheard-of"), "stage unheard-of is not in the catalogue"),
    ],
)
def test_what_the_catalogue_does_not_have_is_refused(make: Callable[[Metrics], object], why: str) -> None:
    """Another name, type, label or stage: the page of metrics has all there is."""
    with pytest.raises(ValueError, match=why):
        make(Metrics(KNOWN))


def test_a_component_has_no_metric_of_another() -> None:
    """The catalogue says who has which."""
    with pytest.raises(ValueError, match="counter steps is none of fill-processor's"):
        Metrics(KNOWN, component="fill-processor").counter("steps")


def test_no_metric_is_declared_twice() -> None:
    """Two of one name would be one too many to believe."""
    with pytest.raises(ValueError, match="metric steps is declared twice"):
        by_name([KNOWN["steps"], KNOWN["steps"]])


def test_a_latency_is_a_histogram() -> None:
    """Cumulative buckets in seconds, the sum, and the count, by stage."""
    metrics = Metrics(KNOWN)
    for elapsed_ns in (1_000, 1_000_000, 2**40):
        metrics.latency("risk-check").observe_ns(elapsed_ns)
    samples = scraped(metrics)
    name = "tradingmesh_stage_latency_seconds"
    stage = ("stage", "risk-check")
    assert samples[f"{name}_count", (stage,)] == 3
    assert samples[f"{name}_sum", (stage,)] == pytest.approx((1_000 + 1_000_000 + 2**40) / 1e9)
    edges = sorted(
        (float(dict(labels)["le"]), value) for (sample, labels), value in samples.items() if sample == f"{name}_bucket"
    )
    assert [value for _, value in edges] == sorted(value for _, value in edges)
    assert edges[-1] == (math.inf, 3)
    assert {value for edge, value in edges if 1e-6 <= edge < 1e-3} == {1}
    assert {value for edge, value in edges if 1.05e-3 <= edge < math.inf} == {2}


@given(st.lists(st.integers(8, 2**46), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_right_within_its_bucket(elapsed_ns: list[int], fraction: float) -> None:
    """At most an eighth from the value that ranks there."""
    latency = Latency()
    for one in elapsed_ns:
        latency.observe_ns(one)
    ranked = sorted(elapsed_ns)[max(0, math.ceil(fraction * len(elapsed_ns)) - 1)]
    assert ranked / 1.126 <= latency.quantile_us(fraction) * 1_000 <= ranked * 1.125 + 1


@given(st.lists(st.integers(0, 2**60), max_size=50))
def test_every_octave_counts_what_lies_below_it(elapsed_ns: list[int]) -> None:
    """The buckets that Prometheus sees agree with the values; none is lost, however long or short it took."""
    latency = Latency()
    for one in elapsed_ns:
        latency.observe_ns(one)
    for edge, count in latency.octaves():
        if edge == "+Inf":
            assert count == len(elapsed_ns)
        else:
            edge_ns = 1 << round(math.log2(float(edge) * 1e9))
            assert float(edge) * 1e9 == pytest.approx(edge_ns)
            assert count == sum(one < edge_ns for one in elapsed_ns)


@pytest.mark.parametrize("odd", [-5, 0, 7])
def test_a_clock_that_stepped_back_counts_as_the_shortest(odd: int) -> None:
    """It raises nothing, and is counted."""
    latency = Latency()
    latency.observe_ns(odd)
    assert latency.count == 1
    assert latency.quantile_us(0.5) < 0.01


def test_before_any_measurement_a_quantile_is_nothing() -> None:
    """Not an error, and not a figure."""
    assert Latency().summary() == {"p50": 0.0, "p99": 0.0, "count": 0}


def test_the_summary_of_many_is_near_the_truth() -> None:
    """p50 and p99 of a thousand different values: the nearer, the evener they lie in their bucket."""
    latency, values = Latency(), [1_000 + 37 * number for number in range(1_000)]
    for value in values:
        latency.observe_ns(value)
    exact = quantiles(values, n=100)
    summary = latency.summary()
    assert summary["count"] == 1_000
    assert summary["p50"] * 1_000 == pytest.approx(exact[49], rel=0.01)
    assert summary["p99"] * 1_000 == pytest.approx(exact[98], rel=0.06)


def test_a_scrape_may_come_while_metrics_are_made() -> None:
    """A counter with a new label, made during a scrape, breaks no iteration."""
    metrics = Metrics(KNOWN)
    metrics.counter("refused", check="a").inc()
    for family in metrics.collect():
        metrics.counter("refused", check="b").inc()
        metrics.counter("steps").inc(len(family.name))
    assert len(metrics.snapshot()["counters"]["refused"]) == 2
