"""The dashboard of a TradingSystem for Grafana: what a person who trades looks at first comes first. Pure.

`manifests/dashboards/tradingmesh.json` is written from it by `make docs`. Grafana fills in `$system`, the name of a
TradingSystem, `$namespace`, one or all of those that have such a system, and `$__rate_interval`, a few scrapes.
"""

import json
from typing import Any, NamedTuple

WIDTH = 24
PER_SECOND = "cps"
"""Counts a second, by Grafana's name for it."""
_HEIGHT = 7
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_RED, _YELLOW, _GREEN = "red", "yellow", "green"


class Query(NamedTuple):
    """What Prometheus is asked, and how a series of the answer is called."""

    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """A panel: `words` are what its figures mean, as (figure, word, color); with them it shows the last figure only."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 8
    words: tuple[tuple[int, str, str], ...] = ()
    last_only: bool = False


def _of(name: str, more: str = "") -> str:
    """A metric of the system. Where the scrape adds no namespace, that of every series is empty, and `.*` finds it."""
    return f'tradingmesh_{name}{{system="$system", namespace=~"$namespace"{", " + more if more else ""}}}'


def _rate(name: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({_of(f'{name}_total', more)}[$__rate_interval]))"


def _latency(fraction: float) -> str:
    buckets = f"rate({_of('stage_latency_seconds_bucket')}[$__rate_interval])"
    return f"histogram_quantile({fraction}, sum by (stage, le) ({buckets}))"


def _per_process(name: str) -> str:
    """One of prometheus-client's, which know no component: it is looked up by where it was scraped."""
    return f"{name} * on (job, instance) group_left (component) {_of('component_info')}"


_INFO = _of("component_info")
_TRADING = ((0, "Active", _GREEN), (1, "Reducing", _YELLOW), (2, "Halted", _RED), (-1, "unknown", _RED))
_BREAKER = ((0, "Closed", _GREEN), (1, "HalfOpen", _YELLOW), (2, "Open", _RED), (-1, "unknown", _RED))
_AGREES = ((0, "out of sync", _RED), (1, "in sync", _GREEN))
_WRITABLE = ((0, "no", _RED), (1, "yes", _GREEN))
_UP = ((0, "down", _RED),)

PANELS = (
    Panel("Trading", (Query(f"max({_of('trading_state')})"),), width=4, words=_TRADING),
    Panel("Breaker", (Query(f"max({_of('breaker_state')})"),), width=4, words=_BREAKER),
    Panel("Broker", (Query(f"min({_of('broker_in_sync')})"),), width=4, words=_AGREES),
    Panel("P&L today", (Query(_of("ledger_day_profit_dollars")),), "currencyUSD", 4, last_only=True),
    Panel("Equity", (Query(_of("ledger_equity_dollars")),), "currencyUSD", 4, last_only=True),
    Panel("Gross notional", (Query(_of("ledger_gross_notional_dollars")),), "currencyUSD", 4, last_only=True),
    Panel(
        "P&L",
        (
            Query(_of("ledger_day_profit_dollars"), "today"),
            Query(_of("ledger_realised_dollars"), "realised"),
            Query(_of("ledger_unrealised_dollars"), "unrealised"),
        ),
        "currencyUSD",
        12,
    ),
    Panel("Positions", (Query(_of("ledger_position_quantity"), "{{symbol}}"),), width=12),
    Panel(
        "Signals",
        (Query(_rate("signals", "system"), "given"), Query(_rate("signals_approved", "system"), "approved")),
        PER_SECOND,
    ),
    Panel("Refusals by check", (Query(_rate("signals_refused", "check"), "{{check}}"),), PER_SECOND),
    Panel("Risk checks", (Query(_rate("risk_checks", "result, check"), "{{result}} {{check}}"),), PER_SECOND),
    Panel("Orders", (Query(_rate("order_events", "type"), "{{type}}"),), PER_SECOND),
    Panel("Orders open", (Query(f"sum by (status) ({_of('orders_open')})", "{{status}}"),)),
    Panel("Fills booked", (Query(_rate("fills_booked", "symbol"), "{{symbol}}"),), PER_SECOND),
    Panel("Latency, p50", (Query(_latency(0.5), "{{stage}}"),), "s", 12),
    Panel("Latency, p99", (Query(_latency(0.99), "{{stage}}"),), "s", 12),
    Panel(
        "Market data",
        (
            Query(_rate("messages_published", "component"), "published by {{component}}"),
            Query(_rate("messages_received", "component", 'channel="market-data"'), "received by {{component}}"),
        ),
        "mps",
    ),
    Panel(
        "Missed and late",
        (
            Query(_rate("messages_missed", "component, channel"), "missed by {{component}} on {{channel}}"),
            Query(_rate("messages_late", "component, channel"), "late at {{component}} on {{channel}}"),
        ),
        "mps",
    ),
    Panel(
        "Age of the newest tick",
        (Query(f"min by (component, symbol) ({_of('tick_age_seconds')})", "{{component}} {{symbol}}"),),
        "s",
    ),
    Panel(
        "Reports on their way",
        (
            Query(_of("outbox_backlog"), "not acknowledged"),
            Query(_of("reports_stuck"), "stuck"),
            Query(_of("report_gaps"), "lines that wait for one"),
        ),
    ),
    Panel(
        "Reports",
        (
            Query(_rate("reports_applied", "component"), "applied"),
            Query(_rate("reports_redelivered", "component"), "sent again"),
            Query(_rate("reports_set_aside", "component"), "set aside by {{component}}"),
        ),
        PER_SECOND,
    ),
    Panel("Broker's API", (Query(_rate("broker_calls", "call, outcome"), "{{call}} {{outcome}}"),), "reqps"),
    Panel(
        "Broker and books",
        (
            Query(_of("broker_differing"), "differing"),
            Query(_of("ledger_differing"), "not in the ledger"),
            Query(_of("broker_api_breaker"), "API breaker"),
        ),
    ),
    Panel("Since the last reconciliation", (Query(_of("broker_reconciled_age_seconds")),), "s"),
    Panel("Risk timeouts", (Query(_rate("risk_timeouts", "component"), "{{component}}"),), PER_SECOND),
    Panel(
        "Journal",
        (
            Query(_rate("journal_records", "component"), "records"),
            Query(_rate("journal_failures", "component"), "failures"),
        ),
        PER_SECOND,
    ),
    Panel("Journal can be written", (Query(f"min({_of('journal_writable')})"),), width=4, words=_WRITABLE),
    Panel("Alerts raised", (Query(f"increase({_of('alerts_total')}[$__rate_interval])", "{{kind}}"),)),
    Panel(
        "Links lost", (Query(f"increase({_of('links_lost_total')}[$__rate_interval])", "{{component}} {{channel}}"),)
    ),
    Panel(
        "Processes up",
        (
            Query(
                f"count by (component) ({_INFO}) or 0 * group by (component) (last_over_time({_INFO}[1h]))",
                "{{component}}",
            ),
        ),
        words=_UP,
    ),
    Panel(
        "Restarts in an hour",
        (Query(f"changes(({_per_process('process_start_time_seconds')})[1h:])", "{{component}} {{instance}}"),),
        width=12,
    ),
    Panel("Memory", (Query(_per_process("process_resident_memory_bytes"), "{{component}} {{instance}}"),), "bytes", 12),
    Panel(
        "CPU",
        (Query(_per_process("rate(process_cpu_seconds_total[$__rate_interval])"), "{{component}} {{instance}}"),),
        "percentunit",
        12,
    ),
    Panel("Lag", (Query(_of("lag_seconds"), "{{component}} {{channel}}"),), "s", 12),
)
"""In the order in which they are read."""


def dashboard() -> dict[str, Any]:
    """As Grafana imports it."""
    return {
        "uid": "tradingmesh",
        "title": "tradingmesh",
        "tags": ["tradingmesh"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), _system(), _namespace()]},
        "panels": _laid_out(),
    }


def dashboard_json() -> str:
    """The text of the file."""
    return json.dumps(dashboard(), indent=2) + "\n"


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _system() -> dict[str, Any]:
    return _asked_for("system", "TradingSystem", "label_values(tradingmesh_component_info, system)")


def _namespace() -> dict[str, Any]:
    asked = 'label_values(tradingmesh_component_info{system="$system"}, namespace)'
    every = {"text": "All", "value": "$__all"}
    return {**_asked_for("namespace", "Namespace", asked), "includeAll": True, "allValue": ".*", "current": every}


def _asked_for(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
    }


def _laid_out() -> list[dict[str, Any]]:
    """Left to right, and a new row where the next would not fit."""
    found: list[dict[str, Any]] = []
    x = y = 0
    for number, panel in enumerate(PANELS, 1):
        if x + panel.width > WIDTH:
            x, y = 0, y + _HEIGHT
        found.append({"id": number, "gridPos": {"h": _HEIGHT, "w": panel.width, "x": x, "y": y}, **_drawn(panel)})
        x += panel.width
    return found


def _drawn(panel: Panel) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + number), "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend}
        for number, query in enumerate(panel.queries)
    ]
    stat = bool(panel.words) or panel.last_only
    return {
        "type": "stat" if stat else "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "targets": targets,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, **({"mappings": [_mapping(panel)]} if panel.words else {})},
            "overrides": [],
        },
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
        if stat
        else {"legend": {"displayMode": "list"}},
    }


def _mapping(panel: Panel) -> dict[str, Any]:
    words = {str(figure): {"text": word, "color": color} for figure, word, color in panel.words}
    return {"type": "value", "options": words}
