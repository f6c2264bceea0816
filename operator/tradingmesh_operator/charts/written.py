"""Which files of the charts are written by a program, and what is in them."""

import json
from pathlib import Path
from typing import Any

import yaml

from tradingmesh.contract import Component
from tradingmesh_operator.charts.channels import channels_template
from tradingmesh_operator.charts.schemas import component_schema, operator_schema, system_schema
from tradingmesh_operator.charts.spec import Schema

LIBRARY = "tradingmesh-lib"
UMBRELLA = "trading-system"
OPERATOR = "tradingmesh-operator"
_SCHEMA = "values.schema.json"


def written(charts: Path) -> dict[Path, str]:
    """The files in `charts` that follow from the contract, from each chart's values and from what is in `manifests`."""
    schemas = {charts / one / _SCHEMA: component_schema(_values(charts / one)) for one in Component}
    schemas[charts / UMBRELLA / _SCHEMA] = system_schema(_values(charts / UMBRELLA))
    schemas[charts / OPERATOR / _SCHEMA] = operator_schema(_values(charts / OPERATOR))
    texts = {path: _json(schema) for path, schema in schemas.items()}
    manifests = charts.parent / "manifests"
    texts[charts / UMBRELLA / "files" / "dashboard.json"] = _text(manifests / "dashboards" / "tradingmesh.json")
    texts[charts / OPERATOR / "files" / "alerts.yaml"] = _text(manifests / "alerts.yaml")
    return {charts / LIBRARY / "templates" / "_channels.tpl": channels_template(), **texts}


def _values(chart: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_text(chart / "values.yaml"))
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _json(schema: Schema) -> str:
    return json.dumps(schema, indent=2) + "\n"
