"""What makes a rendered manifest a child of its TradingSystem: labels, owner, and a hash of what was asked for."""

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
    """The manifest as it is applied; the one that was rendered stays as it is."""
    own = {INSTANCE: system["metadata"]["name"], PART_OF: "tradingmesh", MANAGED_BY: MANAGER}
    metadata = {
        **manifest["metadata"],
        "namespace": system["metadata"]["namespace"],
        "labels": {**manifest["metadata"].get("labels", {}), **own},
        "ownerReferences": [owner(system)],
    }
    asked = digest({**manifest, "metadata": metadata})
    metadata["annotations"] = {**manifest["metadata"].get("annotations", {}), APPLIED_HASH: asked}
    return {**manifest, "metadata": metadata}


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
