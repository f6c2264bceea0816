"""Writes to the API server, and is the only module that does. Each write is counted, and refused without the Lease."""

import asyncio
import secrets
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from tradingmesh_operator.actions import (
    Action,
    Apply,
    Delete,
    MakeToken,
    Notice,
    Plan,
    Problem,
    Scale,
    SetFinalizer,
    Touch,
)
from tradingmesh_operator.api import Api
from tradingmesh_operator.differences import Difference, differences
from tradingmesh_operator.errors import ApiError, OperatorError
from tradingmesh_operator.metrics import Metrics
from tradingmesh_operator.objects import (
    EVENTS,
    FINALIZER,
    KINDS,
    MANAGER,
    PODS,
    SECRETS,
    SEEN_CONFIG,
    SYSTEMS,
    Key,
    Kind,
    Manifest,
    Reference,
    reference,
)
from tradingmesh_operator.rollout import respecified

TOKEN_BYTES = 30
_REMEMBERED_MAX = 10_000
"""So many of our own writes are known again when the watch tells of them; of older ones we hear as of anybody's."""
_CONFLICT = 409
_PUT_RIGHT = "PutRight"
TOLD_AGAIN = timedelta(minutes=1)
"""So often at most the same is told of a child put right: with somebody who edits it back each time, it never ends."""
_EVENT_MESSAGE_MAX = 1_000

Accepted = dict[Reference, tuple[Difference, ...]]


class _Done(NamedTuple):
    notices: tuple[Notice, ...] = ()
    live: Manifest | None = None


class NotLeadingError(OperatorError):
    """Another operator holds the Lease: whatever was decided here is void."""

    reason = "NotLeading"


class Outcome(NamedTuple):
    """What became of a plan."""

    problems: tuple[Problem, ...]
    """What was refused."""
    notices: tuple[Notice, ...]
    """What was changed, and whose fields were taken back."""
    applied: dict[Reference, Manifest]
    """The children that were written, as the server has them now."""


class Writer:
    """Carries plans out. What the server made of each object is remembered, to know it again."""

    def __init__(self, api: Api, metrics: Metrics, may_write: Callable[[], bool]) -> None:
        self._api = api
        self._metrics = metrics
        self._may_write = may_write
        self._accepted: dict[Key, Accepted] = {}
        self._versions: OrderedDict[str, None] = OrderedDict()
        self._told: OrderedDict[tuple[str, Notice], datetime] = OrderedDict()

    def accepted(self, key: Key) -> Accepted:
        """Where the server spells values of a system's children in another way than they were applied."""
        return self._accepted.get(key, {})

    def wrote(self, version: str) -> bool:
        """Whether this version of an object is one that we have made: the watch has nothing new to tell of it."""
        return version in self._versions

    def forget(self, key: Key) -> None:
        """Drops what was remembered of a system that is gone."""
        self._accepted.pop(key, None)

    async def carry_out(self, system: Manifest, plan: Plan) -> Outcome:
        """Acts; what is refused does not keep the rest from being done.

        Raises `UnreachableError`, `NotLeadingError`.
        """
        problems: list[Problem] = []
        done: list[_Done] = []
        for _, group in groupby(plan.actions, key=_step):
            outcomes = await asyncio.gather(*(self._act(system, action) for action in group), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, ApiError):
                    self._metrics.errors.labels(outcome.reason).inc()
                    # Somebody was quicker, with a change or a deletion, and that wakes us to look again.
                    if outcome.status != _CONFLICT and not outcome.gone:
                        problems.append((outcome.reason, str(outcome)))
                elif isinstance(outcome, BaseException):
                    raise outcome
                else:
                    done.append(outcome)
        notices = tuple(notice for one in done for notice in one.notices)
        return Outcome(
            tuple(problems), notices, {reference(one.live): one.live for one in done if one.live is not None}
        )

    async def status(self, system: Manifest, status: Manifest) -> None:
        """Writes the status, whole."""
        metadata = {name: system["metadata"][name] for name in ("name", "namespace")}
        body = {"apiVersion": SYSTEMS.api_version, "kind": SYSTEMS.kind, "metadata": metadata, "status": status}
        self._count("status", SYSTEMS)
        await self._api.apply(SYSTEMS, body, subresource="status", force=True)

    async def tell(self, system: Manifest, notices: Iterable[Notice], now: datetime) -> set[Notice]:
        """Makes Kubernetes Events. One that cannot be made keeps nothing from being done; it is returned."""
        refused = set()
        for notice in dict.fromkeys(notices):
            if self._was_told(system["metadata"]["uid"], notice, now):
                continue
            self._count("event", EVENTS)
            try:
                await self._api.create(EVENTS, _event(system, notice, now))
            except ApiError as error:
                self._metrics.errors.labels(f"Event{error.reason}").inc()
                refused.add(notice)
        return refused

    def _was_told(self, uid: str, notice: Notice, now: datetime) -> bool:
        if notice.reason != _PUT_RIGHT:
            return False
        at = (uid, notice)
        if at in self._told and now - self._told[at] < TOLD_AGAIN:
            return True
        self._told[at] = now
        self._told.move_to_end(at)
        if len(self._told) > _REMEMBERED_MAX:
            self._told.popitem(last=False)
        return False

    async def _act(self, system: Manifest, action: Action) -> _Done:
        namespace, name = system["metadata"]["namespace"], system["metadata"]["name"]
        match action:
            case Apply():
                return await self._apply(Key(namespace, name), action)
            case Delete(there):
                kind = KINDS[there.api_version, there.kind]
                self._count("delete", kind)
                await self._api.delete(kind, namespace, there.name)
            case Touch(pod, manifest_hash):
                self._count("touch", PODS)
                await self._touch(namespace, pod, manifest_hash)
            case MakeToken(manifest):
                await self._make_token(manifest)
            case Scale(replicas, tells):
                self._count("scale", SYSTEMS)
                # The version makes it fail where somebody else has scaled since it was read.
                seen = {"resourceVersion": system["metadata"]["resourceVersion"]}
                spec = {"fillProcessors": {"replicas": replicas}}
                await self._api.merge(SYSTEMS, namespace, name, {"metadata": seen, "spec": spec})
                return _Done(tells)
            case SetFinalizer(held):
                self._count("finalizer", SYSTEMS)
                others = [other for other in system["metadata"].get("finalizers", []) if other != FINALIZER]
                wanted = [*others, FINALIZER] if held else others
                # The version makes it fail where somebody else has changed the list since it was read.
                seen = {"resourceVersion": system["metadata"]["resourceVersion"], "finalizers": wanted}
                self._remember(await self._api.merge(SYSTEMS, namespace, name, {"metadata": seen}))
        return _Done()

    async def _apply(self, key: Key, action: Apply) -> _Done:
        manifest, name = action.manifest, reference(action.manifest)
        kind, right = KINDS[name.api_version, name.kind], _put_right(action)
        self._count("apply", kind)
        try:
            live = await self._api.apply(kind, manifest)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            right = (Notice(_PUT_RIGHT, f"{name}: {error}"[:_EVENT_MESSAGE_MAX], warning=True),)
            live = await self._api.apply(kind, manifest, force=True)
        self._remember(live)
        spelled = tuple(differences(manifest, live))
        kept = self._accepted.setdefault(key, {})
        kept.pop(name, None)
        if spelled:
            kept[name] = spelled
        return _Done((*action.tells, *right), live)

    async def _touch(self, namespace: str, pod: str, manifest_hash: str) -> None:
        try:
            await self._api.merge(PODS, namespace, pod, {"metadata": {"annotations": {SEEN_CONFIG: manifest_hash}}})
        except ApiError as error:
            if error.status != 404:  # it is gone, and the next has the newest manifest from its start
                raise

    async def _make_token(self, manifest: Manifest) -> None:
        token = b64encode(secrets.token_urlsafe(TOKEN_BYTES).encode()).decode()
        self._count("create", SECRETS)
        try:
            await self._api.create(SECRETS, {**manifest, "data": {"token": token}})
        except ApiError as error:
            if error.status != _CONFLICT:  # somebody made it in the meantime: that one is in force
                raise

    def _remember(self, live: Manifest) -> None:
        self._versions[live["metadata"]["resourceVersion"]] = None
        if len(self._versions) > _REMEMBERED_MAX:
            self._versions.popitem(last=False)

    def _count(self, verb: str, kind: Kind) -> None:
        """Every write passes here first."""
        if not self._may_write():
            raise NotLeadingError("another operator holds the Lease")
        self._metrics.writes.labels(verb, kind.kind).inc()


def _put_right(action: Apply) -> tuple[Notice, ...]:
    """Whoever edited a child by hand wonders where that went. Another number of pods has an Event of its own."""
    paths = [path for path, _ in action.because if path != "spec.replicas"]
    if not paths or respecified(action.because):
        return ()
    return (Notice(_PUT_RIGHT, f"{reference(action.manifest)} was changed at {', '.join(paths[:3])}", warning=True),)


def _step(action: Action) -> int:
    """What pods need is there before pods; these two before that. Within a step all goes on at once."""
    if isinstance(action, MakeToken | SetFinalizer):
        return 0
    if isinstance(action, Apply):
        return 2 if action.manifest["kind"] in ("Deployment", "StatefulSet", "Job") else 1
    return 3


def _event(system: Manifest, notice: Notice, now: datetime) -> Manifest:
    metadata = system["metadata"]
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    involved = {"apiVersion": SYSTEMS.api_version, "kind": SYSTEMS.kind}
    involved |= {name: metadata[name] for name in ("name", "namespace", "uid", "resourceVersion") if name in metadata}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{secrets.token_hex(8)}", "namespace": metadata["namespace"]},
        "involvedObject": involved,
        "reason": notice.reason,
        "message": notice.message[:_EVENT_MESSAGE_MAX],
        "type": "Warning" if notice.warning else "Normal",
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
    }
