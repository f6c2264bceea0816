"""The spec of a TradingSystem as a JSON schema: what the CustomResourceDefinition says, for who has no API server."""

from typing import Any

from tradingmesh.contract import TradingSystemSpec
from tradingmesh_operator.crd.schema import schema_of

Schema = dict[str, Any]

_KUBERNETES_OWN = ("description", "default", "format")


def spec_schema() -> Schema:
    """The schema, without `components`: in a chart these are values of each component's own chart.

    The rules that compare fields have no words here; the programs check them when they start.
    """
    found = _plain(schema_of(TradingSystemSpec))
    del found["properties"]["components"]
    return found


def _plain(schema: Schema) -> Schema:
    """Without what only Kubernetes knows; a field that nobody knows is refused, as the API server prunes it."""
    kept = {key: said for key, said in schema.items() if key not in _KUBERNETES_OWN and not key.startswith("x-")}
    if "properties" in kept:
        kept["properties"] = {name: _plain(inner) for name, inner in kept["properties"].items()}
        kept.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = _plain(kept[key])
    if schema.get("x-kubernetes-list-type") == "set":
        kept["uniqueItems"] = True
    return kept
