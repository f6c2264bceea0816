"""The Job that closes every position of a system that is deleted."""

import json
from collections.abc import Mapping
from typing import Any

from tradingmesh_operator.objects import API_GROUP, Manifest, Reference
from tradingmesh_operator.rollout import RISK_MANAGER
from tradingmesh_operator.stamp import stamped
from tradingmesh_operator.values import control_secret

_GIVE_UP_S = 120


def flatten_job(system: Manifest, children: Mapping[Reference, Manifest]) -> Manifest | None:
    """A Job that runs `tradingmesh flatten` from the risk manager's own image; None where there is no risk manager."""
    name = system["metadata"]["name"]
    workload = children.get(Reference("apps/v1", "StatefulSet", f"{name}-{RISK_MANAGER}"))
    if workload is None:
        return None
    pod = workload["spec"]["template"]["spec"]
    spec = {
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "serviceAccountName": pod.get("serviceAccountName", "default"),
        "securityContext": pod.get("securityContext", {}),
        "imagePullSecrets": pod.get("imagePullSecrets", []),
        "containers": [_container(name, pod["containers"][0])],
        "volumes": [{"name": "system", "configMap": {"name": f"{name}-system"}}],
    }
    labels = {"app.kubernetes.io/name": "flatten", f"{API_GROUP}/control-client": "true"}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{name}-flatten", "labels": labels},
        "spec": {
            "backoffLimit": 5,
            "activeDeadlineSeconds": _GIVE_UP_S,
            "template": {
                "metadata": {"labels": {**labels, "app.kubernetes.io/instance": name}},
                "spec": {field: value for field, value in spec.items() if value != []},
            },
        },
    }
    return stamped(job, system)


def _container(name: str, manager: Manifest) -> dict[str, Any]:
    token = {"secretKeyRef": {"name": control_secret(name), "key": "token"}}
    return {
        "name": "flatten",
        "image": manager["image"],
        "imagePullPolicy": manager.get("imagePullPolicy", "IfNotPresent"),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "command": ["tradingmesh", "flatten", "--reason", "the TradingSystem is deleted"],
        "env": [
            {"name": "TRADINGMESH_SYSTEM_FILE", "value": "/etc/tradingmesh/system.yaml"},
            {"name": "TRADINGMESH_HOSTS", "value": json.dumps({RISK_MANAGER: f"{name}-{RISK_MANAGER}"})},
            {"name": "TRADINGMESH_CONTROL_TOKEN", "valueFrom": token},
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": manager.get("securityContext", {}),
        "volumeMounts": [{"name": "system", "mountPath": "/etc/tradingmesh", "readOnly": True}],
    }
