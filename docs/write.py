"""`python docs/write.py` writes what people read from the code: docs/metrics.md, and the dashboard under manifests/."""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from tradingmesh.telemetry.catalogue import FAMILIES, STAGES
from tradingmesh.telemetry.catalogue_page import Foreign, page
from tradingmesh.telemetry.dashboard import dashboard_json
from tradingmesh_operator.metrics import Metrics as OperatorMetrics

ROOT = Path(__file__).parents[1]


def written() -> dict[Path, str]:
    """Each file that is written, with its text."""
    metrics = page(FAMILIES.values(), STAGES, list(_of_a_process()), list(_of_the_operator()))
    return {
        ROOT / "docs" / "metrics.md": metrics,
        ROOT / "manifests" / "dashboards" / "tradingmesh.json": dashboard_json(),
    }


def _of_a_process() -> Iterator[Foreign]:
    for metric in ProcessCollector(registry=CollectorRegistry()).collect():
        yield _foreign(metric, ())


def _of_the_operator() -> Iterator[Foreign]:
    for metric in vars(OperatorMetrics()).values():
        if isinstance(metric, MetricWrapperBase):
            [told] = metric.describe()
            yield _foreign(told, tuple(metric._labelnames))  # noqa: SLF001 - the one place that has them before a sample


def _foreign(metric: Metric, labels: tuple[str, ...]) -> Foreign:
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    return Foreign(name, metric.type, metric.documentation, labels)


def main() -> None:
    """Writes them."""
    for path, text in written().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
