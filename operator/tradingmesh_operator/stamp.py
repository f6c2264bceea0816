"""What makes a rendered manifest a child of its TradingSystem: labels, owner, and a hash of what was asked for."""

from copy import deepcopy

from tradingmesh_operator.objects import (
    APPLIED_HASH,
    INSTANCE,
    MANAGED_BY,
    MANAGER,
    PART_OF,
    SYSTEMS,
    Manifest,
    digest,
)


def stamped(manifest: Manifest, system: Manifest) -> Manifest:
    """The manifest as it is applied."""
    child = deepcopy(manifest)
    metadata = child["metadata"]
    metadata["namespace"] = system["metadata"]["namespace"]
    labels = metadata.setdefault("labels", {})
    labels |= {INSTANCE: system["metadata"]["name"], PART_OF: "tradingmesh", MANAGED_BY: MANAGER}
    metadata["ownerReferences"] = [owner(system)]
    metadata.setdefault("annotations", {})[APPLIED_HASH] = digest(child)
    return child


def owner(system: Manifest) -> Manifest:
    """By this Kubernetes takes the child away when the system goes, with or without the operator."""
    return {
        "apiVersion": SYSTEMS.api_version,
        "kind": SYSTEMS.kind,
        "name": system["metadata"]["name"],
        "uid": system["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
