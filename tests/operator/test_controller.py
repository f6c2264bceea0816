"""The shell round the decision: who is looked at when, and that its heart can be heard to stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.cluster.build_tools import build
from tests.operator.wanted import system
from tradingmesh_operator.api import Api
from tradingmesh_operator.controller import Controller
from tradingmesh_operator.errors import ApiError, UnreachableError
from tradingmesh_operator.metrics import Metrics
from tradingmesh_operator.objects import SYSTEMS, Key
from tradingmesh_operator.settings import Settings
from tradingmesh_operator.traces import Traces

A, B = Key("n", "a"), Key("n", "b")


class FakeApi:
    """A server that knows some systems, has nothing else, and may hang, be away or refuse."""

    def __init__(self, *names: Key) -> None:
        self.systems = {key: system(name=key.name, namespace=key.namespace, creationTimestamp="2026-01-01T00:00:00Z")
                        for key in names}  # fmt: skip
        self.asked: list[Key] = []
        self.hangs_at: set[Key] = set()
        self.away = False
        self.events: list[dict[str, Any]] = []

    async def get(self, kind: Any, namespace: str, name: str) -> dict[str, Any] | None:
        """One system; no Secret."""
        key = Key(namespace, name)
        if self.away:
            raise UnreachableError("GET /x: timed out")
        if kind != SYSTEMS:
            return None
        self.asked.append(key)
        if key in self.hangs_at:
            await asyncio.Event().wait()
        return self.systems.get(key)

    async def list(self, *_: Any) -> list[dict[str, Any]]:
        """Nothing."""
        return []

    async def apply(self, _: Any, manifest: dict[str, Any], **__: Any) -> dict[str, Any]:
        """Takes everything."""
        return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": "77"}}

    async def create(self, _: Any, manifest: dict[str, Any]) -> None:
        """Takes Events, and refuses all else."""
        if manifest["kind"] != "Event":
            raise ApiError(403, "Forbidden", "no")
        self.events.append(manifest)


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart of one object: what is rendered is not the question here."""
    folder = tmp_path_factory.mktemp("charts") / "trading-system"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("{apiVersion: v2, name: trading-system, version: 0.1.0}")
    metadata = "{name: '{{ .Release.Name }}-system', labels: {app.kubernetes.io/name: system}}"
    one = f"{{apiVersion: v1, kind: ConfigMap, metadata: {metadata}, data: {{system.yaml: ''}}}}"
    (folder / "templates" / "one.yaml").write_text(one)
    return folder.parent


@asynccontextmanager
async def _running(api: FakeApi, charts: Path, **told: Any) -> AsyncIterator[Controller]:
    settings = Settings(helm=str(build("helm")), charts=charts, settle_s=0, workers=2, **told)
    controller = Controller(settings, cast("Api", api), Metrics(), lambda: True, Traces())
    task = asyncio.create_task(controller.run())
    yield controller
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - it is another task that is waited for
            await asyncio.sleep(0.01)


async def test_who_was_woken_is_looked_at(charts: Path) -> None:
    """Each system once for all that happened to it at once."""
    api = FakeApi(A, B)
    async with _running(api, charts) as controller:
        for key in (A, B, A, A):
            controller.wake(key)
        await _until(lambda: {A, B} <= set(api.asked))
        assert api.asked.count(A) <= 2


async def test_one_that_hangs_does_not_stop_the_others(charts: Path) -> None:
    """A worker is lost to it, and the rest go on: the heart still beats."""
    api = FakeApi(A, B)
    api.hangs_at = {A}
    async with _running(api, charts, resync_s=0.05) as controller:
        controller.wake(A)
        controller.wake(B)
        await _until(lambda: api.asked.count(B) > 2)
        assert controller.idle_s < 10


async def test_work_that_stands_still_is_seen(charts: Path) -> None:
    """All workers hang and one more is due: the time since anything was finished grows, which liveness is judged by."""
    api = FakeApi(A, B)
    api.hangs_at = {A, B}
    async with _running(api, charts) as controller:
        controller.wake(A)
        controller.wake(B)
        await _until(lambda: {A, B} <= set(api.asked))
        assert controller.idle_s == 0
        controller.wake(Key("n", "c"))
        await _until(lambda: controller.idle_s > 0.1)


async def test_an_outage_is_told_to_everybody_when_it_is_over(charts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And everybody is looked at again, whether anything was heard of them or not."""
    monkeypatch.setattr("tradingmesh_operator.outages.WORTH_TELLING_S", 0.0)
    api = FakeApi(A, B)
    async with _running(api, charts) as controller:
        controller.wake(A)
        controller.wake(B)
        await _until(lambda: {A, B} <= set(api.asked))
        api.away = True
        controller.answered(False)  # noqa: FBT003 - it is what it says
        api.away = False
        controller.answered(True)  # noqa: FBT003 - it is what it says
        await _until(lambda: _told(api, "ApiServerAway") == {"a", "b"})


def _told(api: FakeApi, reason: str) -> set[str]:
    return {one["involvedObject"]["name"] for one in api.events if one["reason"] == reason}


async def test_what_is_refused_is_tried_again_ever_later(charts: Path) -> None:
    """The token cannot be made: a condition, an error counted, and a longer wait each time."""
    api = FakeApi(A)
    async with _running(api, charts) as controller:
        waits = [controller._later(A) for _ in range(8)]
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
        controller.wake(A)
        await _until(lambda: _told(api, "NotAllowed") == {"a"})


async def test_its_own_writes_are_known_again(charts: Path) -> None:
    """The watch tells of them, too, and nobody needs to look for that."""
    api = FakeApi(A)
    async with _running(api, charts) as controller:
        assert not controller.wrote("77")
        controller.wake(A)
        await _until(lambda: controller.wrote("77"))
        assert not controller.wrote("78")


async def test_who_is_gone_is_forgotten(charts: Path) -> None:
    """Nothing is kept of it, and nobody looks again."""
    api = FakeApi(A)
    async with _running(api, charts, resync_s=0.05) as controller:
        controller.wake(A)
        await _until(lambda: api.asked.count(A) > 2)
        api.systems.clear()
        controller.wake(A)
        await _until(lambda: A not in controller._known)
        asked = len(api.asked)
        await asyncio.sleep(0.3)
        assert len(api.asked) == asked
