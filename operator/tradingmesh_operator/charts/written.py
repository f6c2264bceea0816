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
    """The files in `charts` that follow from the contract and from the values of each chart, with their text."""
    schemas = {charts / one / _SCHEMA: component_schema(_values(charts / one)) for one in Component}
    schemas[charts / UMBRELLA / _SCHEMA] = system_schema(_values(charts / UMBRELLA))
    schemas[charts / OPERATOR / _SCHEMA] = operator_schema(_values(charts / OPERATOR))
    texts = {path: _json(schema) for path, schema in schemas.items()}
    return {charts / LIBRARY / "templates" / "_channels.tpl": channels_template(), **texts}


def _values(chart: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    return found


def _json(schema: Schema) -> str:
    return json.dumps(schema, indent=2) + "\n"
