"""The catalogue of metrics as a page for people: `docs/metrics.md`. Pure: tables in, text out."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tradingmesh.contract import Component
from tradingmesh.telemetry.families import Family

_HEAD = """\
# Metrics

Written by `make docs` from the code; a test holds it to that. Each process shows its metrics at `/metrics` of its admin
port. Every one below has the labels `component` and `system` (the TradingSystem's name) besides its own.
`manifests/alerts.yaml` has the alerts, `manifests/dashboards/tradingmesh.json` a dashboard for Grafana.
"""


class Foreign(NamedTuple):
    """A metric that is none of the mesh's own: as it is shown."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()


def page(
    families: Iterable[Family],
    stages: dict[str, str],
    processes: Sequence[Foreign],
    operator: Sequence[Foreign],
) -> str:
    """The page: families of the mesh, stages of its latency histogram, metrics of every process and of the operator."""
    own = [
        (f"`{one.exposed}`", one.type, _labels(one.labels), one.help, _components(one.components))
        for one in sorted(families, key=lambda family: family.exposed)
    ]
    parts = [
        _HEAD,
        _table(("name", "type", "labels", "what it says", "of"), own),
        "## Stages\n\nThe values of `stage` of `tradingmesh_stage_latency_seconds`.\n",
        _table(("stage", "what it measures"), [(f"`{name}`", told) for name, told in stages.items()]),
        "## Of every process\n\nThose of prometheus-client, by its own names, without the labels of the mesh.\n",
        _foreign(processes),
        "## Of the operator\n",
        _foreign(operator),
    ]
    return "\n".join(parts)


def _foreign(metrics: Sequence[Foreign]) -> str:
    rows = [(f"`{one.name}`", one.type, _labels(one.labels), one.help) for one in sorted(metrics)]
    return _table(("name", "type", "labels", "what it says"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _labels(labels: Iterable[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


def _components(components: tuple[Component, ...]) -> str:
    found = [component for component in Component if component in components]
    if len(found) == len(Component):
        return "every component"
    if len(found) == len(Component) - 1 and Component.ALPACA_SIMULATOR not in found:
        return "every component but alpaca-simulator"
    return ", ".join(found)
