"""What kopf tells of, and who is looked at for that."""

import copy
from typing import Any, cast

import kopf
import pytest

from tests.operator.wanted import system
from tradingmesh_operator.controller import Controller
from tradingmesh_operator.handlers import configured, registered
from tradingmesh_operator.objects import CHILD_KINDS, PODS, SYSTEMS, Key
from tradingmesh_operator.stamp import owner

DEMO = Key("trading", "demo")


class FakeController:
    """Notes who was woken; knows one version of its own."""

    def __init__(self) -> None:
        self.woken: list[Key] = []

    def wake(self, key: Key) -> None:
        """Somebody is to be looked at."""
        self.woken.append(key)

    def wrote(self, version: str) -> bool:
        """Only version 77 is ours."""
        return version == "77"


class Watch:
    """kopf as far as it calls handlers."""

    def __init__(self) -> None:
        self.controller = FakeController()
        registry = registered(cast("Controller", self.controller))
        self.handlers = {
            (one.selector.plural or one.selector.any_name): one.fn
            for one in registry._watching.get_all_handlers()
            if one.selector is not None
        }

    async def tells(self, plural: str, content: dict[str, Any], event: str = "MODIFIED") -> list[Key]:
        """Of one object; returns who was woken for it."""
        metadata = content["metadata"]
        told = {"namespace": metadata["namespace"], "name": metadata["name"], "labels": metadata.get("labels", {})}
        self.controller.woken.clear()
        handler = cast("Any", self.handlers[plural])
        await handler(body=kopf.Body(cast("Any", content)), event={"type": event}, type=event, **told)
        return list(self.controller.woken)


def _child(version: str = "5") -> dict[str, Any]:
    metadata = {
        "name": "demo-x",
        "namespace": "trading",
        "resourceVersion": version,
        "ownerReferences": [owner(system())],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata}


def test_everything_that_is_made_is_watched() -> None:
    """And systems and pods; nothing else, for each watch costs."""
    assert set(Watch().handlers) == {kind.plural for kind in (SYSTEMS, *CHILD_KINDS, PODS)}


async def test_a_system_is_looked_at_for_what_is_news() -> None:
    """A status is our own doing; so is what we wrote ourselves; a generation, a label, a deletion is news."""
    watch, of = Watch(), system()
    assert await watch.tells("tradingsystems", of, "ADDED") == [DEMO]
    assert await watch.tells("tradingsystems", {**of, "status": {"phase": "Running"}}) == []
    labelled = copy.deepcopy(of)
    labelled["metadata"] |= {"labels": {"a": "b"}, "resourceVersion": "6"}
    assert await watch.tells("tradingsystems", labelled) == [DEMO]
    ours = copy.deepcopy(labelled)
    ours["metadata"] |= {"finalizers": [], "resourceVersion": "77"}
    assert await watch.tells("tradingsystems", ours) == []
    assert await watch.tells("tradingsystems", {**ours, "status": {"phase": "Pending"}}) == []
    assert await watch.tells("tradingsystems", ours, "DELETED") == [DEMO]


@pytest.mark.parametrize("kind", CHILD_KINDS)
async def test_a_child_leads_to_its_system(kind: Any) -> None:
    """By its owner, but where we wrote it ourselves; what has no system is nobody's."""
    watch = Watch()
    assert await watch.tells(kind.plural, _child()) == [DEMO]
    assert await watch.tells(kind.plural, _child("77")) == []
    orphan = _child()
    orphan["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "demo"}]
    assert await watch.tells(kind.plural, orphan) == []


async def test_a_pod_leads_to_its_system() -> None:
    """By its label: it belongs to a Deployment, and that to the system."""
    watch = Watch()
    pod = {"metadata": {"name": "p", "namespace": "trading", "labels": {"app.kubernetes.io/instance": "demo"}}}
    assert await watch.tells("pods", pod) == [DEMO]
    assert await watch.tells("pods", {"metadata": {"name": "p", "namespace": "trading"}}) == []


def test_kopf_keeps_nothing_of_an_object() -> None:
    """Neither what it was nor how far a handler is: there is no place for it."""
    settings = configured(stalled_after_s=90, everywhere=True)
    body = kopf.Body(cast("Any", system()))
    difference, progress = settings.persistence.diffbase_storage, settings.persistence.progress_storage
    patch = kopf.Patch()
    difference.store(body=body, patch=patch, essence=difference.build(body=body))
    progress.touch(body=body, patch=patch, value="now")
    assert difference.build(body=body) == {}
    assert difference.fetch(body=body) is None
    assert dict(patch) == {}


@pytest.mark.parametrize("everywhere", [False, True])
def test_of_some_namespaces_it_asks_nothing_of_the_cluster(*, everywhere: bool) -> None:
    """Or kopf asks a minute long for the namespaces, which it may not see."""
    settings = configured(stalled_after_s=90, everywhere=everywhere)
    assert settings.scanning.disabled is not everywhere
    assert settings.watching.inactivity_timeout == 90
    assert settings.watching.server_timeout < settings.watching.client_timeout  # type: ignore[operator]
