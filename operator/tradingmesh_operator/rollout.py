"""Whether a component's workload is as it was asked for, and who waits for whom when it changes."""

from collections.abc import Iterable

from tradingmesh_operator.differences import Difference
from tradingmesh_operator.objects import APPLIED_HASH, NAME, Manifest

RISK_MANAGER = "risk-manager"
_HASH_PATH = f"metadata.annotations.{APPLIED_HASH}"
WORKLOADS = ("Deployment", "StatefulSet")


def component_of(manifest: Manifest) -> str:
    """The component that an object belongs to."""
    found: str = manifest["metadata"].get("labels", {}).get(NAME, "")
    return found


def rolled_out(workload: Manifest) -> bool:
    """Whether every pod of a workload is ready and of its newest template."""
    status, spec = workload.get("status", {}), workload["spec"]
    wanted = spec.get("replicas", 1)
    updated = wanted if _same_revision(status) else status.get("updatedReplicas", 0)
    return bool(taken_up(workload) and updated >= wanted and status.get("readyReplicas", 0) >= wanted)


def taken_up(workload: Manifest) -> bool:
    """Whether Kubernetes' own controller has looked at its newest template."""
    seen = workload.get("status", {}).get("observedGeneration", 0)
    return bool(seen >= workload["metadata"].get("generation", 0))


def changes_pods(differences: Iterable[Difference]) -> bool:
    """Whether putting these right restarts pods."""
    return any(path.startswith("spec.template") for path, _ in differences)


def waits_for_risk_manager(
    child: Manifest, differences: tuple[Difference, ...], risk_manager: Manifest, *, changing: bool
) -> bool:
    """Whether a workload is changed only later.

    A new port must be in force at the risk manager before anybody who asks it restarts. What is made for the first time
    waits for nobody, it finds its peers by itself; nor does what was edited by hand, it is put right at once.
    """
    if component_of(child) == RISK_MANAGER or not changes_pods(differences) or not respecified(differences):
        return False
    return changing or not rolled_out(risk_manager)


def respecified(differences: tuple[Difference, ...]) -> bool:
    """Whether something else is asked for than was applied last; otherwise somebody has changed the live object."""
    return any(path == _HASH_PATH for path, _ in differences)


def _same_revision(status: Manifest) -> bool:
    """A StatefulSet that is not being rolled no longer counts updated pods."""
    current = status.get("currentRevision")
    return current is not None and current == status.get("updateRevision")
