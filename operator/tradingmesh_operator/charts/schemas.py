"""The `values.schema.json` of each chart, from the keys of its `values.yaml`: an unknown value is refused by name."""

from typing import Any

from tradingmesh.contract.system import NAME_MAX
from tradingmesh_operator.charts.spec import Schema, spec_schema

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_MAP: Schema = {"type": "object"}
_SECONDS: Schema = {"type": "integer", "minimum": 1, "maximum": 3600}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_NAME: Schema = {"type": "string", "pattern": "^$|^[a-z]([-a-z0-9]*[a-z0-9])?$"}
_OBJECT_NAME: Schema = {"type": "string", "maxLength": 253, "pattern": "^$|^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
_QUANTITY: Schema = {"type": ["string", "number"], "pattern": "^[0-9.]+(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"}
_QUANTITIES: Schema = {"type": "object", "additionalProperties": _QUANTITY}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}


def _closed(**properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


_VOLUME: Schema = {"type": "object", "required": ["name"]}
_SPREAD: Schema = {
    **_closed(
        topologyKey=_TEXT,
        maxSkew={"type": "integer", "minimum": 1},
        minDomains={"type": "integer", "minimum": 1},
        whenUnsatisfiable={"enum": ["ScheduleAnyway", "DoNotSchedule"]},
        matchLabelKeys=_list_of(_TEXT),
        nodeAffinityPolicy={"enum": ["Honor", "Ignore"]},
        nodeTaintsPolicy={"enum": ["Honor", "Ignore"]},
    ),
    "required": ["topologyKey", "maxSkew", "whenUnsatisfiable"],
}

_IMAGE = _closed(
    repository={"type": "string", "minLength": 1, "pattern": "^[^\\s:@]+(:[0-9]+/[^\\s:@]+)?$"},
    tag={"type": "string", "pattern": "^$|^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"},
    pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
    pullSecrets=_list_of(_OBJECT_NAME),
)
_INTERVAL: Schema = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}
_MONITORING = _closed(podMonitor=_FLAG, serviceMonitor=_FLAG, interval=_INTERVAL, labels=_TEXTS)
_ONE: Schema = {"type": "integer", "minimum": 0, "maximum": 1}
_ANY_NUMBER: Schema = {"type": ["integer", "null"], "minimum": 0, "maximum": 64}

_COMPONENT: dict[str, Schema] = {
    "enabled": _FLAG,
    "image": {"type": "string", "pattern": "^\\S*$"},
    "logLevel": {"enum": ["DEBUG", "INFO", "WARNING", "ERROR"]},
    "resources": _closed(requests=_QUANTITIES, limits=_QUANTITIES, claims={"type": "array"}),
    "persistence": _closed(
        enabled=_FLAG,
        size={"type": "string", "pattern": "^$|^[1-9][0-9]*(Ki|Mi|Gi|Ti)$"},
        storageClassName=_OBJECT_NAME,
    ),
    "podAnnotations": _TEXTS,
    "nodeSelector": _TEXTS,
    "tolerations": _list_of(_MAP),
    "affinity": _MAP,
    "topologySpread": _list_of(_SPREAD),
    "extraEnv": _list_of({"type": "object", "required": ["name"]}),
    "extraVolumes": _list_of(_VOLUME),
    "extraVolumeMounts": _list_of({"type": "object", "required": ["name", "mountPath"]}),
    "startupTimeoutSeconds": _SECONDS,
    "terminationGracePeriodSeconds": _SECONDS,
}
_OPERATOR: dict[str, Schema] = {
    **_COMPONENT,
    "image": _IMAGE,
    "installCRD": _FLAG,
    "aggregateRoles": _FLAG,
    "watchNamespaces": {**_list_of({**_NAME, "minLength": 1, "maxLength": 63}), "uniqueItems": True},
    "keda": _FLAG,
    "otlpEndpoint": {"type": "string", "pattern": "^$|^https?://[^\\s/:]+(:[0-9]+)?(/\\S*)?$"},
    "lease": _closed(name={**_OBJECT_NAME, "minLength": 1}, durationSeconds={**_SECONDS, "minimum": 5}),
    "networkPolicy": _closed(enabled=_FLAG, apiServerPorts=_list_of(_PORT)),
    "monitoring": _closed(podMonitor=_FLAG, rules=_FLAG, interval=_INTERVAL, labels=_TEXTS),
}


def component_schema(values: dict[str, Any]) -> Schema:
    """The schema of a component's chart. Raises `KeyError` for a value that has no schema here."""
    own = {name: _COMPONENT[name] for name in values if name not in ("global", "replicas")}
    replicas = _ANY_NUMBER if values["replicas"] is None else _ONE
    properties = {**own, "replicas": replicas, "global": _global(_shallow_spec()), "tradingmesh-lib": _MAP}
    return _schema(properties)


def system_schema(values: dict[str, Any]) -> Schema:
    """The schema of the umbrella chart: the whole spec; what a component is told its own schema judges."""
    components = {name: _MAP for name in values if name != "global"}
    return _schema({**components, "global": _global(spec_schema()), "tradingmesh-lib": _MAP})


def operator_schema(values: dict[str, Any]) -> Schema:
    """The schema of the operator's chart. Raises `KeyError` for a value that has no schema here."""
    return _schema({name: _OPERATOR[name] for name in values} | {"global": _MAP})


def _schema(properties: dict[str, Schema]) -> Schema:
    return {"$schema": "http://json-schema.org/draft-07/schema#", **_closed(**properties)}


def _global(spec: Schema) -> Schema:
    """What all charts of a release share; a chart around these may share more."""
    name = {**_NAME, "maxLength": NAME_MAX}
    generation = {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "properties": {
            "system": {**_closed(name=name, generation=generation, spec=spec), "required": ["spec"]},
            "image": _IMAGE,
            "controlTokenSecret": _OBJECT_NAME,
            "networkPolicy": _closed(
                enabled=_FLAG, adminFrom=_list_of(_MAP), pageFrom=_list_of(_MAP), postgresPort=_PORT
            ),
            "monitoring": _MONITORING,
        },
    }


def _shallow_spec() -> Schema:
    """What a component's chart reads of the spec; the whole of it the umbrella checks, and the program itself."""
    endpoint = {"type": "object", "properties": {"port": _PORT}}
    return {
        "type": "object",
        "required": ["symbols"],
        "properties": {
            "mode": {"enum": ["simulated", "paper", "live"]},
            "symbols": {"type": "array", "minItems": 1},
            "endpoints": {
                "type": "object",
                "properties": {"transport": _TEXT},
                "additionalProperties": endpoint,
            },
        },
    }
