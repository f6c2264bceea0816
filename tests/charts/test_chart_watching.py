"""What the charts hand to who watches: the alerts once a cluster, a dashboard for each system that asks for one."""

import json
from typing import Any

import yaml

from tests.charts.rendering import NAMESPACE, OPERATOR, ROOT, UMBRELLA, named, of_kind, render, spec_values

ASKED = {"observability": {"dashboards": True}}


def shown(spec: dict[str, Any], namespace: str = NAMESPACE) -> dict[str, Any]:
    """The dashboard that Grafana finds by its label."""
    config = named(render(UMBRELLA, spec_values(spec), namespace=namespace), "ConfigMap", "demo-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    [text] = config["data"].values()
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_dashboard_is_handed_to_grafana_where_it_is_asked_for() -> None:
    """With every panel as it is under manifests, and the system chosen."""
    told, found = json.loads((ROOT / "manifests" / "dashboards" / "tradingmesh.json").read_text()), shown(ASKED)
    assert found["panels"] == told["panels"]
    [system] = [one for one in found["templating"]["list"] if one["name"] == "system"]
    assert system["current"] == {"text": "demo", "value": "demo"}
    names = {one["metadata"]["name"] for one in of_kind(render(UMBRELLA, spec_values({})), "ConfigMap")}
    assert "demo-dashboard" not in names


def test_two_systems_of_one_name_have_two_dashboards() -> None:
    """Grafana keeps one of each uid."""
    one, other = shown(ASKED), shown(ASKED, namespace="elsewhere")
    assert one["uid"] != other["uid"]
    assert max(len(one["uid"]), len(other["uid"])) <= 40
    assert (one["title"], other["title"]) == (f"tradingmesh {NAMESPACE}/demo", "tradingmesh elsewhere/demo")


def test_the_alerts_are_handed_to_prometheus_where_it_is_asked_for() -> None:
    """All of them, templates and all, with the labels by which Prometheus finds them."""
    monitoring = {"rules": True, "labels": {"release": "prometheus"}}
    [rule] = of_kind(render(OPERATOR, {"monitoring": monitoring}), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((ROOT / "manifests" / "alerts.yaml").read_text())
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert of_kind(render(OPERATOR, {}), "PrometheusRule") == []
