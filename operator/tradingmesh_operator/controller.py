"""The shell round the decision: takes whoever was woken, looks, decides, acts, and writes down how it is."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from opentelemetry.trace import Span

from tradingmesh.contract import AutoscalingSpec
from tradingmesh_operator.accounts import Accounts
from tradingmesh_operator.actions import Desired, Notice, Plan
from tradingmesh_operator.api import Api
from tradingmesh_operator.apply import Writer
from tradingmesh_operator.autoscaling import Sample, keep
from tradingmesh_operator.conditions import LATE_S
from tradingmesh_operator.errors import ApiError, OperatorError, RenderError, SpecError, UnreachableError
from tradingmesh_operator.listener import Listener
from tradingmesh_operator.metrics import Metrics
from tradingmesh_operator.needs import missing
from tradingmesh_operator.objects import SCALED_OBJECTS, SYSTEMS, Key, Kind, Manifest
from tradingmesh_operator.observe import Observer
from tradingmesh_operator.observed import Observed
from tradingmesh_operator.outages import Outages
from tradingmesh_operator.reconcile import reconcile
from tradingmesh_operator.render import Renderer
from tradingmesh_operator.scaling import asks_for_keda
from tradingmesh_operator.settings import Settings
from tradingmesh_operator.status import Status, status_of, transitions
from tradingmesh_operator.traces import Traces
from tradingmesh_operator.values import Images, values_of
from tradingmesh_operator.wakes import Wakes

SOON_S = 2.0
"""How soon a system is looked at again that waits for something nobody tells of."""

log = logging.getLogger("tradingmesh_operator")


def _now() -> datetime:
    return datetime.now(UTC)


class Controller:
    """Reconciles every TradingSystem it is told of; some at a time, each by one worker."""

    def __init__(
        self,
        settings: Settings,
        api: Api,
        metrics: Metrics,
        may_write: Callable[[], bool],
        traces: Traces,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._settings = settings
        self._api = api
        self._metrics = metrics
        self._traces = traces
        self._now = now
        self._observer = Observer(api, configz_timeout_s=settings.configz_timeout_s)
        self._listener = Listener(self._observer.ask, self.wake, every_s=settings.configz_every_s)
        self._writer = Writer(api, metrics, may_write)
        self._renderer = Renderer(
            settings.helm,
            settings.charts / "trading-system",
            timeout_s=settings.render_timeout_s,
            at_once=settings.renders_at_once,
            runs=metrics.renders.inc,
        )
        pulled = (settings.image_pull_policy, tuple(settings.image_pull_secrets))
        self._images = Images(settings.image_repository, settings.image_tag, *pulled)
        self._accounts = Accounts(api, self._observer.account, settings.watch_namespaces)
        self._outages = Outages(time.monotonic)
        self._failures: dict[Key, int] = {}
        self._backlogs: dict[Key, tuple[Sample, ...]] = {}
        self._known: set[Key] = set()
        self._turned_s = time.monotonic()
        self.wakes = Wakes()
        metrics.queue.set_function(lambda: len(self.wakes))
        metrics.systems.set_function(lambda: len(self._known))

    @property
    def idle_s(self) -> float:
        """For how long no worker has finished anything, though some system is due; 0 where none is."""
        return time.monotonic() - self._turned_s if len(self.wakes) else 0.0

    def wrote(self, version: str) -> bool:
        """Whether we made this version of an object ourselves: nobody has to look at it for that."""
        return self._writer.wrote(version)

    def answered(self, answers: bool) -> None:  # noqa: FBT001 - it is what it says
        """The API server did, or did not. After a while without it every system is looked at again."""
        self._metrics.answers.set(answers)
        if not answers:
            self._outages.began()
            return
        for key in self._outages.ended(self._known):
            self.wake(key)

    def unattended(self, lasted_s: float) -> None:
        """Before this operator there was none for so long; the systems are told when they are looked at first."""
        self._outages.unattended(lasted_s, self._now())

    def wake(self, key: Key) -> None:
        """Something happened to a system or to a child of it."""
        self.wakes.wake(key, self._settings.settle_s)

    async def run(self) -> None:
        """Works until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listener.run())
                for _ in range(self._settings.workers):
                    group.create_task(self._work())
        finally:
            await self._observer.close()

    async def _work(self) -> None:
        while True:
            key = await self.wakes.take()
            try:
                await self._look_after(key)
            finally:
                self._turned_s = time.monotonic()
                self.wakes.done(key)

    async def _look_after(self, key: Key) -> None:
        began_s = time.monotonic()
        try:
            with self._traces.look(key) as span:
                again_s = await self._reconcile(key, span)
            self.answered(True)  # noqa: FBT003 - it is what it says
            self._metrics.reconciles.labels("done").inc()
        except UnreachableError as error:
            self.answered(False)  # noqa: FBT003 - it is what it says
            again_s = self._failed(key, error.reason, str(error))
        except OperatorError as error:
            again_s = self._failed(key, error.reason, str(error))
        except Exception as error:  # one system with a fault that nobody foresaw must not stop the others
            log.exception("reconcile of %s failed", key)
            again_s = self._failed(key, type(error).__name__, str(error))
        self._metrics.duration.observe(time.monotonic() - began_s)
        if again_s is not None:
            self.wakes.wake(key, again_s)

    def _failed(self, key: Key, reason: str, message: str) -> float:
        self._metrics.reconciles.labels("failed").inc()
        self._metrics.errors.labels(reason).inc()
        log.warning("%s: %s: %s", key, reason, message)
        return self._later(key)

    def _later(self, key: Key) -> float:
        """After how long to try again what did not work: each time after twice the time."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        return min(self._settings.retry_max_s, 2.0 ** min(count - 1, 10))

    async def _reconcile(self, key: Key, span: Span) -> float | None:
        """One look; returns after how long the next is due, None where the system is gone."""
        system = await self._api.get(SYSTEMS, *key)
        if system is None:
            self._forget(key)
            return None
        self._known.add(key)
        span.set_attribute("generation", system["metadata"].get("generation", 0))
        now = self._now()
        has_keda = asks_for_keda(system) and await self._observer.has_keda()
        desired, observed = await asyncio.gather(
            self._desired(key, system, (SCALED_OBJECTS,) if has_keda else ()), self._observe(key, system)
        )
        observed = observed._replace(has_keda=has_keda)
        if desired.problem is None:
            observed = self._remembering(key, system, observed, now)
        with self._traces.part("decide"):
            plan = reconcile(system, desired, observed, now, drain_timeout_s=self._settings.drain_timeout_s)
        span.set_attributes({"actions": len(plan.actions), "held": len(plan.held)})
        with self._traces.part("apply"):
            outcome = await self._writer.carry_out(system, plan)
        # What was just made is told of at once: no event of it will make anybody look again.
        observed = observed._replace(children={**observed.children, **outcome.applied})
        status = status_of(system, observed, plan, outcome.problems, now)
        with self._traces.part("status"):
            created = datetime.fromisoformat(system["metadata"]["creationTimestamp"])
            away = self._outages.to_tell(key, created)
            refused = await self._write_down(system, status, [*away, *plan.events, *outcome.notices], now)
        if not refused.intersection(away):
            self._outages.told(key)
        self._listener.remember(key, observed.pods)
        plan = plan._replace(problems=(*plan.problems, *outcome.problems))
        span.set_attribute("problems", [reason for reason, _ in plan.problems])
        return self._again(key, system, observed, plan, status)

    async def _desired(self, key: Key, system: Manifest, kinds: tuple[Kind, ...]) -> Desired:
        if "deletionTimestamp" in system["metadata"]:
            return Desired()
        with self._traces.part("render"):
            try:
                manifests = await self._renderer.render(key, values_of(system, self._images), kinds)
            except (RenderError, SpecError) as error:
                return Desired(problem=(error.reason, str(error)))
            return Desired(tuple(manifests))

    async def _observe(self, key: Key, system: Manifest) -> Observed:
        with self._traces.part("observe"):
            observed, rival = await asyncio.gather(self._observer.observe(system), self._accounts.rival(key, system))
        found: Observed = observed._replace(accepted=self._writer.accepted(key), rival=str(rival) if rival else "")
        return found

    def _remembering(self, key: Key, system: Manifest, observed: Observed, now: datetime) -> Observed:
        """With the backlogs told before: after a restart of the operator nobody is taken away for a whole window."""
        told = system["spec"].get("fillProcessors", {}).get("autoscaling")
        if told is None:
            return observed
        fresh = () if observed.backlog is None else (Sample(now, observed.backlog),)
        kept = keep((*self._backlogs.get(key, ()), *fresh), now, AutoscalingSpec.of_manifest(told))
        self._backlogs[key] = kept
        return observed._replace(backlogs=kept)

    async def _write_down(self, system: Manifest, status: Status, notices: list[Notice], now: datetime) -> set[Notice]:
        """The status is written always, also after a failure; but not where nothing changed.

        Returns of what no Event could be made.
        """
        before = system.get("status", {})
        try:
            if status != before:
                await self._writer.status(system, status)
        except ApiError as error:
            if error.status != 404:  # it has just gone, let go by ourselves
                raise
        return await self._writer.tell(system, [*notices, *transitions(before, status)], now)

    def _again(self, key: Key, system: Manifest, observed: Observed, plan: Plan, status: Status) -> float:
        if plan.problems:
            return self._later(key)
        self._failures.pop(key, None)
        if plan.held or plan.state == "Draining" or self._outages.waits(key):
            return SOON_S
        if system["spec"].get("fillProcessors", {}).get("autoscaling"):
            return self._settings.configz_every_s  # its window passes although nobody says anything new
        if any(missing(system, observed.secrets)):
            return min(self._settings.resync_s, SOON_S * 5)
        if any(one["reason"] == "Pending" for one in status["conditions"]):
            return min(self._settings.resync_s, LATE_S + 1)
        return self._settings.resync_s

    def _forget(self, key: Key) -> None:
        for waiting in self._accounts.forget(key):
            self.wakes.wake(waiting)
        self._known.discard(key)
        self._outages.forget(key)
        self._failures.pop(key, None)
        self._backlogs.pop(key, None)
        self._listener.forget(key)
        self._renderer.forget(key)
        self._writer.forget(key)
        self.wakes.forget(key)
