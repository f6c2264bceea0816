"""What kopf calls. Each handler only says whose turn it is: what to do is decided from the whole state, not an event.

Only `on.event`: kopf then writes nothing of its own to any object, neither annotations nor finalizers nor progress, and
an operator that comes back hears of everything there is as if it had just happened.
"""

from typing import Any

import kopf

from tradingmesh_operator.controller import Controller
from tradingmesh_operator.kept import NoDifference, no_progress
from tradingmesh_operator.login import expiring_login
from tradingmesh_operator.objects import CHILD_KINDS, INSTANCE, PART_OF, PODS, SYSTEMS, Key, Kind

_WATCHED = (*CHILD_KINDS, PODS)
_OURS = f"{PART_OF}=tradingmesh"


def registered(controller: Controller) -> kopf.OperatorRegistry:
    """The handlers of one operator."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def log_in(**_: Any) -> kopf.ConnectionInfo:
        return expiring_login()

    seen: dict[Key, Any] = {}

    @kopf.on.event(*_selector(SYSTEMS), registry=registry)
    async def on_system(body: kopf.Body, namespace: str | None, name: str, **event: Any) -> None:
        """A status that changed is our own doing; anything else is news."""
        key = Key(namespace or "", name)
        news = {**body.metadata, "resourceVersion": "", "managedFields": []}
        if event["type"] == "DELETED":
            seen.pop(key, None)
        else:
            ours = controller.wrote(body.metadata.get("resourceVersion", ""))
            if ours or seen.get(key) == news:
                seen[key] = news
                return
            seen[key] = news
        controller.wake(key)

    async def on_child(body: kopf.Body, namespace: str | None, **_: Any) -> None:
        owners = body.metadata.get("ownerReferences", [])
        name = next((owner["name"] for owner in owners if owner["kind"] == SYSTEMS.kind), "")
        if name and not controller.wrote(body.metadata.get("resourceVersion", "")):
            controller.wake(Key(namespace or "", name))

    async def on_pod(labels: kopf.Labels, namespace: str | None, **_: Any) -> None:
        if INSTANCE in labels:
            controller.wake(Key(namespace or "", labels[INSTANCE]))

    for kind in CHILD_KINDS:
        kopf.on.event(*_selector(kind), registry=registry, id=f"on_{kind.plural}")(on_child)
    kopf.on.event(*_selector(PODS), registry=registry)(on_pod)
    return registry


def configured(*, stalled_after_s: float, everywhere: bool) -> kopf.OperatorSettings:
    """Settings of kopf for watches that can stall, and for thousands of children.

    A watch that tells of nothing for so long, no bookmark either, is taken for dead and begun anew. Of some namespaces
    only, nothing of the whole cluster is looked at: kopf would ask for what it may not see, for a minute.
    """
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = NoDifference()
    settings.persistence.progress_storage = no_progress()
    settings.watching.server_timeout = 240
    settings.watching.client_timeout = 270
    settings.watching.connect_timeout = 10
    settings.watching.inactivity_timeout = stalled_after_s
    settings.networking.request_timeout = 30
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 1.0
    settings.peering.standalone = True
    settings.scanning.disabled = not everywhere
    for kind in _WATCHED:
        settings.watching.label_selectors[_selector(kind)] = _OURS
    return settings


def _selector(kind: Kind) -> tuple[str, str, str]:
    group, _, version = kind.api_version.rpartition("/")
    return group, version, kind.plural
