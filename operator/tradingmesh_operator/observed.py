"""What was found in the cluster, as data: all that decisions are made from, beside the spec and the time."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tradingmesh.contract import Component
from tradingmesh_operator.autoscaling import Sample
from tradingmesh_operator.differences import Difference
from tradingmesh_operator.objects import CONFIG_HASH, NAME, SEEN_CONFIG, Manifest, Reference

_WAITING_IS_FINE = ("ContainerCreating", "PodInitializing")
_MESSAGE_MAX = 300


class Pod(NamedTuple):
    """One pod of a component."""

    name: str
    component: str
    phase: str
    ready: bool
    leaving: bool
    config_hash: str
    seen_config: str
    """Of which manifest the kubelet was told by a touch."""
    problem: str = ""
    """Why its container does not run, in Kubernetes' words and its own last ones."""
    address: str = ""
    """Where its admin HTTP is, once it has an address."""
    configz: Mapping[str, Any] | None = None
    """What it said of itself; None where it did not answer."""

    @property
    def was_asked(self) -> bool:
        """Whether it is there to be asked; one that then says nothing is silent."""
        return bool(self.address) and self.phase == "Running" and not self.leaving

    @property
    def generation(self) -> int | None:
        """The generation of the manifest that it has in force."""
        found = (self.configz or {}).get("generation")
        return found if isinstance(found, int) else None

    @property
    def refusal(self) -> str:
        """Why it did not take the manifest that it was given last."""
        return str((self.configz or {}).get("problem", ""))

    @property
    def pending(self) -> tuple[str, ...]:
        """The parts of the manifest that it will have in force only after a restart."""
        found = (self.configz or {}).get("pending")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    @property
    def status(self) -> Mapping[str, Any]:
        """What its service says of itself."""
        found = (self.configz or {}).get("status")
        return found if isinstance(found, dict) else {}


class Observed(NamedTuple):
    """Everything of one system at one moment."""

    children: Mapping[Reference, Manifest] = {}
    pods: tuple[Pod, ...] = ()
    secrets: Mapping[str, frozenset[str] | None] = {}
    """The keys of each Secret that the pods need of somebody else; None where there is no such Secret."""
    has_token: bool = True
    """Whether the Secret with the control token is there, which the operator makes."""
    autoscaled: frozenset[str] = frozenset()
    """Deployments whose replicas an autoscaler sets."""
    accepted: Mapping[Reference, tuple[Difference, ...]] = {}
    """What the server made of what was applied last: it spells some values in another way."""
    backlogs: tuple[Sample, ...] = ()
    """What the execution engine said of its backlog, as far back as autoscaling looks."""
    scaled_by: str = ""
    """The HorizontalPodAutoscaler that sets the number of fill processors in the spec."""
    has_keda: bool = False
    """Whether the cluster has KEDA's ScaledObjects; looked for only where the spec asks for them."""
    rival: str = ""
    """The older system that trades the same account."""

    @property
    def backlog(self) -> int | None:
        """How many reports of the broker wait to be acknowledged; None where no execution engine says."""
        told = [pod.status.get("backlog") for pod in self.of(Component.EXECUTION_ENGINE)]
        known = [backlog for backlog in told if isinstance(backlog, int)]
        return sum(known) if known else None

    def of(self, component: str) -> tuple[Pod, ...]:
        """The pods of one component that are not on their way out."""
        return tuple(pod for pod in self.pods if pod.component == component and not pod.leaving)


def pod_of(manifest: Manifest) -> Pod:
    """The facts of a pod."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    annotations = metadata.get("annotations", {})
    conditions = {found["type"]: found["status"] for found in status.get("conditions", [])}
    return Pod(
        name=metadata["name"],
        component=metadata.get("labels", {}).get(NAME, ""),
        phase=status.get("phase", "Pending"),
        ready=conditions.get("Ready") == "True",
        leaving="deletionTimestamp" in metadata,
        config_hash=annotations.get(CONFIG_HASH, ""),
        seen_config=annotations.get(SEEN_CONFIG, ""),
        problem=_problem(status),
        address=_address(manifest),
    )


def _problem(status: Manifest) -> str:
    for container in status.get("containerStatuses", []):
        now = container.get("state", {})
        ended = now.get("terminated") or container.get("lastState", {}).get("terminated") or {}
        said = str(ended.get("message", "")).strip()[-_MESSAGE_MAX:]
        waiting = now.get("waiting")
        if waiting and waiting.get("reason") not in _WAITING_IS_FINE:
            return ": ".join(part for part in (waiting["reason"], said or waiting.get("message", "")) if part)
        if now.get("terminated"):
            return ": ".join(part for part in (ended.get("reason", "Terminated"), said) if part)
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason', 'Unscheduled')}: {condition.get('message', '')}"[:_MESSAGE_MAX]
    return ""


def _address(manifest: Manifest) -> str:
    host = manifest.get("status", {}).get("podIP", "")
    ports = [port for container in manifest["spec"].get("containers", []) for port in container.get("ports", [])]
    admin = next((port["containerPort"] for port in ports if port.get("name") == "http-admin"), None)
    if not host or admin is None:
        return ""
    return f"[{host}]:{admin}" if ":" in host else f"{host}:{admin}"
