"""Every metric is named as Prometheus's own linter would have it."""

import subprocess

import pytest
from prometheus_client import generate_latest

from tests.observability.program import of_the_system, there
from tradingmesh.telemetry.catalogue import FAMILIES, STAGES
from tradingmesh.telemetry.families import Family, Type, by_name
from tradingmesh.telemetry.metrics import Metrics


def lint(metrics: Metrics) -> str:
    """What `promtool check metrics` says of a scrape; nothing where all is right."""
    promtool = there(lambda: of_the_system("promtool"))
    done = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(metrics.registry), capture_output=True, check=False
    )
    return (done.stdout + done.stderr).decode()


def test_promtool_finds_nothing_to_say() -> None:
    """Base units, `_total` for counters only, help for each, no type in a name."""
    metrics = Metrics()
    for family in FAMILIES.values():
        labels = dict.fromkeys(family.labels, "x")
        if family.type is Type.COUNTER:
            metrics.counter(family.name, **labels)
        elif family.type is Type.GAUGE:
            metrics.gauge(family.name, float, **labels)
    metrics.latency(next(iter(STAGES)))
    assert len(list(metrics.collect())) == len(FAMILIES)
    assert lint(metrics) == ""


@pytest.mark.parametrize("name", ["wait_milliseconds", "waited_total", "size_in_mb", "gauge_of_things"])
def test_a_bad_name_is_noticed(name: str) -> None:
    """The linter is asked in a way that it answers."""
    metrics = Metrics(by_name([Family(name, Type.GAUGE, "Help.", ())]))
    metrics.gauge(name, float)
    assert name in lint(metrics)
