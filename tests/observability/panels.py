"""The dashboard's panels, asked of a Prometheus as Grafana would ask them."""

from tests.observability.prometheus import Prometheus
from tradingmesh.telemetry.dashboard import PANELS

Asked = tuple[str, str]
"""A panel's title and its query."""
_NO_FIGURES = {"NaN", "+Inf", "-Inf"}


def asked(expr: str, system: str, window: str) -> str:
    """The query for a system of any namespace, with the window that Grafana would take: a few scrapes."""
    return expr.replace("$system", system).replace("$namespace", ".*").replace("$__rate_interval", window)


def unanswered(prometheus: Prometheus, system: str, window: str = "3s") -> list[Asked]:
    """The queries without a series, or with one that has no figure; a latency may have none while a stage is idle."""
    found = []
    for panel in PANELS:
        for query in panel.queries:
            figures = [one["value"][1] for one in prometheus.query(asked(query.expr, system, window))]
            idle = panel.title.startswith("Latency")
            if not figures or (not idle and set(figures) & _NO_FIGURES):
                found.append((panel.title, query.expr))
    return found
