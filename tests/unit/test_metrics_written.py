"""What is written from the catalogue of metrics is current, and what names metrics names only what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from docs.write import ROOT, written

from tradingmesh.contract import Component
from tradingmesh.telemetry.catalogue import FAMILIES, STAGES
from tradingmesh.telemetry.catalogue_page import Foreign, page
from tradingmesh.telemetry.dashboard import PANELS, PER_SECOND, WIDTH, Panel, dashboard
from tradingmesh.telemetry.families import Family, Type

SUFFIXES = {Type.HISTOGRAM: ("_bucket", "_count", "_sum")}
SHOWN = {f"{one.exposed}{suffix}" for one in FAMILIES.values() for suffix in SUFFIXES.get(one.type, ("",))}
RULES = yaml.safe_load((ROOT / "manifests" / "alerts.yaml").read_text())["groups"][0]["rules"]
UNITS = ("_seconds", "_bytes", "_dollars")


@pytest.mark.parametrize("path", written(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_written_is_current(path: Path) -> None:
    """`make docs` would change nothing."""
    assert path.read_text() == written()[path]


def test_the_page_says_all_of_a_metric() -> None:
    """Name as Prometheus shows it, type, labels, meaning, and whose it is."""
    family = Family("refused", Type.COUNTER, "Refusals.", (Component.RISK_MANAGER,), ("check",))
    told = page([family], {"feed": "From there."}, [Foreign("process_x", "gauge", "X.")], [Foreign("o", "gauge", "O.")])
    assert "| `tradingmesh_refused_total` | counter | `check` | Refusals. | risk-manager |\n" in told
    assert "| `feed` | From there. |\n" in told
    assert "| `process_x` | gauge |  | X. |\n" in told


def test_labels_are_in_order_and_words_are_there() -> None:
    """`Metrics` compares labels in their alphabetical order; nothing is without a meaning or an owner."""
    assert [one.name for one in FAMILIES.values() if list(one.labels) != sorted(one.labels)] == []
    assert [one.name for one in FAMILIES.values() if not one.help.endswith(".") or not one.components] == []
    assert all(told.endswith(".") for told in STAGES.values())


def test_the_operators_metrics_are_on_the_page() -> None:
    """They are in another package, and are found all the same."""
    told = written()[ROOT / "docs" / "metrics.md"]
    assert "| `tradingmesh_operator_reconciles_total` | counter | `outcome` |" in told


def named(expr: str) -> set[str]:
    """The metrics of the mesh that a query names."""
    return set(re.findall(r"tradingmesh_\w+", expr))


def exprs() -> Iterator[tuple[str, str]]:
    """Every query, by what it is of."""
    for panel in PANELS:
        yield from ((panel.title, query.expr) for query in panel.queries)
    yield from ((rule["alert"], rule["expr"]) for rule in RULES)


@pytest.mark.parametrize(("of", "expr"), list(exprs()))
def test_queries_name_metrics_that_there_are(of: str, expr: str) -> None:
    """A renamed metric would leave a panel empty, and an alert silent for ever."""
    assert named(expr) <= SHOWN, of
    assert named(expr)


def test_panels_fill_their_rows() -> None:
    """None overlaps another or sticks out, and no two have one title."""
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    cells = [(x, place["y"]) for place in places for x in range(place["x"], place["x"] + place["w"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == WIDTH - 1
    assert len({panel.title for panel in PANELS}) == len(PANELS)
    assert json.loads(json.dumps(dashboard())) == dashboard()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel.title))
def test_a_panels_unit_is_that_of_its_figures(panel: Panel) -> None:
    """A rate is so much a second, and figures of different units share no panel."""
    assert {_unit(query.expr) for query in panel.queries} == {panel.unit}


def _unit(expr: str) -> str:
    """The unit of what a query gives, by the names of what it asks for."""
    if "process_cpu_seconds_total" in expr:
        return "percentunit"
    if "rate(" in expr and "histogram_quantile" not in expr:
        return {"messages": "mps", "broker_calls": "reqps"}.get(
            next((word for word in ("messages", "broker_calls") if f"_{word}" in expr), ""), PER_SECOND
        )
    if "start_time_seconds" in expr:
        return "short"
    suffixes = {"_seconds": "s", "_bytes": "bytes", "_dollars": "currencyUSD"}
    return next((unit for suffix, unit in suffixes.items() if re.search(rf"{suffix}(_bucket)?\b", expr)), "short")


def test_what_a_query_leaves_open_is_filled_in() -> None:
    """Each names its system and namespace, and Grafana is told where to find what there is."""
    offered = {variable["name"] for variable in dashboard()["templating"]["list"]}
    for panel in PANELS:
        for query in panel.queries:
            selectors = re.findall(r"tradingmesh_\w+(\{[^}]*\})?", query.expr)
            assert all('system="$system", namespace=~"$namespace"' in selector for selector in selectors)
            assert set(re.findall(r"\$(\w+)", query.expr)) <= offered | {"__rate_interval"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    """How bad, what is wrong and where, and what to look at; no word of it is of another time or place."""
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert "{{ $labels.system }}" in rule["annotations"]["summary"]
    assert len(rule["annotations"]["description"]) > 60
