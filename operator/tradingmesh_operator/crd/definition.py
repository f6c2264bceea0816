"""The whole CustomResourceDefinition: names, columns, subresources, and the schema."""

from typing import Any

from tradingmesh.contract import API_VERSION, KIND, TradingSystemSpec
from tradingmesh.contract.status import SystemStatus
from tradingmesh.contract.system import NAME_MAX, NAME_PATTERN
from tradingmesh_operator.crd.rule import Rule
from tradingmesh_operator.crd.schema import schema_of

GROUP, VERSION = API_VERSION.split("/")
PLURAL = "tradingsystems"
NAME = f"{PLURAL}.{GROUP}"

_CONDITION = '.status.conditions[?(@.type=="{}")].status'
_COLUMNS = (
    ("Mode", "string", ".spec.mode", "Whose money is at stake.", 0),
    ("Trading", "string", ".spec.trading", "The kill switch.", 0),
    ("Breaker", "string", ".status.breaker.state", "The circuit breaker.", 0),
    ("Ready", "string", _CONDITION.format("Ready"), "Whether every component is.", 0),
    ("Fills", "integer", ".status.fillProcessors.replicas", "How many processes book fills.", 0),
    ("Backlog", "integer", ".status.fillProcessors.backlog", "How many fills wait for them.", 1),
    ("Broker", "string", _CONDITION.format("BrokerInSync"), "Whether the books agree with the broker.", 1),
    ("Phase", "string", ".status.phase", "Where it stands.", 1),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not.", 1),
    ("Age", "date", ".metadata.creationTimestamp", "Since when it is there.", 0),
)


def definition() -> dict[str, Any]:
    """What `kubectl apply` takes."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["tsys"],
                "categories": ["all", "tradingmesh"],
            },
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "description": told, "priority": priority}
            for name, kind, path, told, priority in _COLUMNS
        ],
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.fillProcessors.replicas",
                "statusReplicasPath": ".status.fillProcessors.replicas",
                "labelSelectorPath": ".status.fillProcessors.selector",
            },
        },
        "schema": {"openAPIV3Schema": _schema()},
    }


def _schema() -> dict[str, Any]:
    pattern = NAME_PATTERN
    named = f"self.metadata.name.size() <= {NAME_MAX} && self.metadata.name.matches('{pattern}')"
    told = f"metadata.name has at most {NAME_MAX} small letters, digits and dashes, and begins with a letter"
    return {
        "type": "object",
        "description": "An algorithmic trading system: what it trades, under which limits, and how it runs.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "The version of this schema."},
            "kind": {"type": "string", "description": "TradingSystem."},
            "metadata": {"type": "object"},
            "spec": schema_of(TradingSystemSpec),
            "status": schema_of(SystemStatus),
        },
        "x-kubernetes-validations": [Rule(named, told).said()],
    }
