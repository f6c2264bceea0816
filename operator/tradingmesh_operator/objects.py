"""Kubernetes objects as the API has them, and what the operator calls them by."""

import hashlib
import json
from typing import Any, NamedTuple

Manifest = dict[str, Any]

API_GROUP = "tradingmesh.io"
INSTANCE = "app.kubernetes.io/instance"
NAME = "app.kubernetes.io/name"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "tradingmesh-operator"
"""Who the fields belong to that the operator applies."""
APPLIED_HASH = f"{API_GROUP}/applied-hash"
CONFIG_HASH = f"{API_GROUP}/config-hash"
SEEN_CONFIG = f"{API_GROUP}/manifest-hash"
"""On a pod: the manifest of which it was told. That it changes makes the kubelet look at the ConfigMap at once."""
PAUSED = f"{API_GROUP}/paused"
FINALIZER = f"{API_GROUP}/drain"


class Kind(NamedTuple):
    """A kind of object, as paths of the API spell it."""

    api_version: str
    kind: str
    plural: str


class Reference(NamedTuple):
    """One object in the namespace of its system."""

    api_version: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Key(NamedTuple):
    """One TradingSystem."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


CHILD_KINDS = (
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "Service", "services"),
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("batch/v1", "Job", "jobs"),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
)
"""What every cluster has: looked for, watched, and taken away where it is no longer rendered."""

SCALED_OBJECTS = Kind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
OPTIONAL_KINDS = (
    Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors"),
    Kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors"),
    SCALED_OBJECTS,
)
"""What only some clusters have."""

SYSTEMS = Kind("tradingmesh.io/v1alpha1", "TradingSystem", "tradingsystems")
PODS = Kind("v1", "Pod", "pods")
SECRETS = Kind("v1", "Secret", "secrets")
EVENTS = Kind("v1", "Event", "events")
LEASES = Kind("coordination.k8s.io/v1", "Lease", "leases")
AUTOSCALERS = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")

KINDS = {
    (kind.api_version, kind.kind): kind
    for kind in (*CHILD_KINDS, *OPTIONAL_KINDS, SYSTEMS, PODS, SECRETS, EVENTS, LEASES, AUTOSCALERS)
}


def reference(manifest: Manifest) -> Reference:
    """What an object is called."""
    return Reference(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"])


def digest(content: object) -> str:
    """Equal for equal content, whatever the order of keys: 16 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def controller_of(manifest: Manifest) -> dict[str, Any]:
    """The ownerReference of whoever controls an object; empty where nobody does."""
    owners: list[dict[str, Any]] = manifest["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), {})
