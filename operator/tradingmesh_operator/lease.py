"""Of several operators one works: who holds the Lease. Whoever cannot renew it stops before another may take it."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from tradingmesh_operator.api import Api
from tradingmesh_operator.errors import ApiError, OperatorError
from tradingmesh_operator.objects import LEASES, Key, Manifest

_STOP_BEFORE = 2 / 3
"""A holder that could not renew stops after this part of the duration: the rest is for what is under way."""
_RENEW_EVERY = 1 / 4
_AGAIN_AFTER = 1 / 16
ANSWER_WITHIN = 1 / 6
"""The part of the duration after which a request is given up: there is time for a second one."""

log = logging.getLogger("tradingmesh_operator")


class Lease:
    """A claim on a Lease object. Ages are counted on our own clock from when a change was seen: clocks may differ."""

    def __init__(
        self, api: Api, key: Key, holder: str, duration_s: float, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._key = key
        self._holder = holder
        self._duration_s = duration_s
        self._clock_s = clock_s
        self._seen: tuple[str, float] = ("", 0.0)
        self._renewed_s: float | None = None
        self.on_answer: Callable[[bool], None] = lambda _: None
        """Told at each renewal whether the API server answers."""
        self.unattended_s = 0.0
        """For how long nobody had renewed it when we took it from a holder that went silent."""

    @property
    def held(self) -> bool:
        """Whether we may still write."""
        renewed_s = self._renewed_s
        return renewed_s is not None and self._clock_s() - renewed_s < self._duration_s * _STOP_BEFORE

    async def acquire(self) -> None:
        """Waits until it is ours."""
        while not await self._try():  # noqa: ASYNC110 - it is another process that is waited for
            await asyncio.sleep(self._duration_s * _RENEW_EVERY)
        log.info("holding Lease %s as %s", self._key, self._holder)

    async def keep(self) -> None:
        """Renews it, and returns when it is lost. One request that hangs does not lose it."""
        renewed = True
        while self.held:
            await asyncio.sleep(self._duration_s * (_RENEW_EVERY if renewed else _AGAIN_AFTER))
            renewed = await self._try()
        log.error("Lease %s is lost", self._key)

    async def release(self) -> None:
        """Lets another have it at once."""
        if not self.held:
            return
        self._renewed_s = None
        try:
            lease = await self._api.get(LEASES, *self._key)
            if lease is not None and lease["spec"].get("holderIdentity") == self._holder:
                lease["spec"]["holderIdentity"] = ""
                await self._api.replace(LEASES, lease)
        except OperatorError as error:
            log.info("Lease %s not released: %s", self._key, error)

    async def _try(self) -> bool:
        """Takes or renews it if it may; the version in the object lets only one of two succeed."""
        asked_s = self._clock_s()
        try:
            lease = await self._api.get(LEASES, *self._key)
            if lease is None:
                await self._api.create(LEASES, self._filled(_empty(self._key)))
            elif self._may_take(lease):
                self._note_silence(lease)
                await self._api.replace(LEASES, self._filled(lease))
            else:
                self._renewed_s = None
                return False
        except ApiError as error:
            if error.status != 409:
                log.warning("Lease %s: %s", self._key, error)
            return False
        except OperatorError as error:
            log.warning("Lease %s: %s", self._key, error)
            self.on_answer(False)  # noqa: FBT003 - it is what it says
            return False
        self.on_answer(True)  # noqa: FBT003 - it is what it says
        self._renewed_s = asked_s
        return True

    def _may_take(self, lease: Manifest) -> bool:
        version, now_s = lease["metadata"]["resourceVersion"], self._clock_s()
        if self._seen[0] != version:
            self._seen = (version, now_s)
        holder = lease["spec"].get("holderIdentity")
        lasts_s = float(lease["spec"].get("leaseDurationSeconds") or self._duration_s)
        return holder in ("", None, self._holder) or now_s - self._seen[1] > lasts_s

    def _note_silence(self, lease: Manifest) -> None:
        """By the clocks of both: it is only told."""
        renewed = lease["spec"].get("renewTime")
        if self._renewed_s is None and lease["spec"].get("holderIdentity") and renewed:
            self.unattended_s = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(renewed)).total_seconds())

    def _filled(self, lease: Manifest) -> Manifest:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = lease["spec"]
        mine = spec.get("holderIdentity") == self._holder
        spec["acquireTime"] = spec.get("acquireTime", now) if mine else now
        return {**lease, "spec": {**spec, "holderIdentity": self._holder, "renewTime": now,
                                  "leaseDurationSeconds": max(1, round(self._duration_s))}}  # fmt: skip


def _empty(key: Key) -> Manifest:
    metadata = {"name": key.name, "namespace": key.namespace}
    return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": {}}
