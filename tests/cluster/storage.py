"""Volumes for claims: a shelf of folders of this machine, made beforehand. A claim takes one and keeps it.

They are `local` volumes: unlike a hostPath, the kubelet gives one to the group that the pod runs as. Nobody makes more
while the cluster runs; the next `up` puts those that claims have let go back on the shelf, empty.
"""

import shutil
from collections.abc import Iterable
from typing import Any

from tests.cluster.addresses import NODE_NAME
from tests.cluster.place import Place

VOLUMES = 96
"""A system takes three."""
CLASS = "standard"
_SIZE = "100Gi"
"""What it says, so that every claim fits; nothing holds anybody to it."""


def storage_class() -> dict[str, Any]:
    """The class of claims that name none."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def names() -> list[str]:
    """Every volume's."""
    return [f"volume-{number:02d}" for number in range(VOLUMES)]


def volume(place: Place, name: str) -> dict[str, Any]:
    """A volume on the shelf."""
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": _SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "local": {"path": str(place.volumes / name)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def shelf(place: Place, wanted: Iterable[str]) -> dict[str, Any]:
    """The class and these volumes, as kubectl applies them. Their folders are made where there is none."""
    items = [storage_class()]
    for name in wanted:
        (place.volumes / name).mkdir(parents=True, exist_ok=True)
        items.append(volume(place, name))
    return {"apiVersion": "v1", "kind": "List", "items": items}


def let_go(volumes: Iterable[dict[str, Any]]) -> list[str]:
    """The names of those whose claim is gone."""
    return [each["metadata"]["name"] for each in volumes if each.get("status", {}).get("phase") == "Released"]


def empty(place: Place, name: str) -> None:
    """Takes out what the last claim left in it."""
    shutil.rmtree(place.volumes / name, ignore_errors=True)
