"""One namespace of a test with TradingSystems in it: what a user does there, and what there is to see."""

import json
from typing import Any
from urllib.parse import quote

from tests.cluster.api_server import ApiServer
from tests.cluster.waiting import until
from tests.operator.given import manifest

Object = dict[str, Any]
CORE = "/api/v1"
APPS = "/apis/apps/v1"
WHERE = {
    "configmaps": CORE,
    "events": CORE,
    "pods": CORE,
    "resourcequotas": CORE,
    "secrets": CORE,
    "serviceaccounts": CORE,
    "services": CORE,
    "deployments": APPS,
    "statefulsets": APPS,
    "jobs": "/apis/batch/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
    "scaledobjects": "/apis/keda.sh/v1alpha1",
    "tradingsystems": "/apis/tradingmesh.io/v1alpha1",
}
"""Where the API has each kind that tests look at."""
CHILDREN = {
    "configmaps": "ConfigMap",
    "deployments": "Deployment",
    "jobs": "Job",
    "networkpolicies": "NetworkPolicy",
    "poddisruptionbudgets": "PodDisruptionBudget",
    "secrets": "Secret",
    "serviceaccounts": "ServiceAccount",
    "services": "Service",
    "statefulsets": "StatefulSet",
}
OF_DEMO = "app.kubernetes.io/part-of=tradingmesh,app.kubernetes.io/instance=demo"


class Place:
    """What is done there is done by kubectl; what is there is asked of the API itself, for tests ask all the time."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.namespace = namespace

    def kubectl(self, *arguments: str, stdin: object = None, check: bool = True) -> str:
        """Runs kubectl here and returns what it printed, with its errors where they are no reason to raise."""
        done = self.server.kubectl(*arguments, "-n", self.namespace, stdin=stdin, check=check)
        return done.stdout + done.stderr

    def apply(self, changes: Object | None = None, *, name: str = "demo") -> None:
        """Applies a TradingSystem as a user does."""
        self.kubectl("apply", "-f", "-", stdin=manifest(changes, name=name))

    def get(self, kind: str, name: str) -> Object:
        """One object, by its kind's name in the singular; empty where there is none."""
        return self.server.read(f"{self._path(f'{kind}s')}/{name}")

    def all(self, plural: str, labels: str = "") -> list[Object]:
        """Those of a kind."""
        found: list[Object] = self.server.read(f"{self._path(plural)}?labelSelector={quote(labels)}")["items"]
        return found

    def _path(self, plural: str) -> str:
        return f"{WHERE[plural]}/namespaces/{self.namespace}/{plural}"

    def system(self, name: str = "demo") -> Object:
        """A TradingSystem."""
        return self.get("tradingsystem", name)

    def children(self) -> set[str]:
        """Everything that belongs to the system `demo`, as `Kind/name`."""
        found = ((kind, one) for plural, kind in CHILDREN.items() for one in self.all(plural, OF_DEMO))
        return {f"{kind}/{one['metadata']['name']}" for kind, one in found}

    def condition(self, kind: str, name: str = "demo") -> tuple[str, str, str]:
        """Status, reason and message of a condition; empty where nobody has said."""
        found = self.system(name).get("status", {}).get("conditions", [])
        one: Object = next((condition for condition in found if condition["type"] == kind), {})
        return one.get("status", ""), one.get("reason", ""), one.get("message", "")

    def until_reconciled(self, name: str = "demo") -> None:
        """Waits until the newest spec is applied."""
        until(lambda: self._is_reconciled(name), f"a reconciled {self.namespace}/{name}", 60)

    def events(self, type_: str = "") -> dict[str, str]:
        """The messages of each reason, the newest first; of Normal or Warning ones, or of both."""
        mine = [
            one
            for one in self.all("events")
            if one["involvedObject"]["kind"] == "TradingSystem" and type_ in ("", one["type"])
        ]
        found: dict[str, str] = {}
        for one in sorted(mine, key=lambda one: str(one["lastTimestamp"]), reverse=True):
            found[one["reason"]] = "; ".join(filter(None, (found.get(one["reason"]), one["message"])))
        return found

    def let_run(self) -> None:
        """Does what a kubelet would: every pod is running and ready."""
        pods = [pod["metadata"]["name"] for pod in self.all("pods")]
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        if pods:
            self.kubectl(
                "patch", "pod", *pods, "--subresource=status", "-p", json.dumps({"status": status}), check=False
            )

    def until_ready(self) -> None:
        """Lets pods run until the system is ready."""

        def ready() -> bool:
            self.let_run()
            return self.condition("Ready")[0] == "True"

        until(ready, "a system that is ready", 60)

    def _is_reconciled(self, name: str) -> bool:
        system = self.system(name)
        conditions = {one["type"]: one for one in system.get("status", {}).get("conditions", [])}
        told = conditions.get("Reconciled", {})
        return bool(told.get("status") == "True" and told["observedGeneration"] == system["metadata"]["generation"])
