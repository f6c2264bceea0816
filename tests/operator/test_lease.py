"""Of several operators one works."""

import asyncio
import copy
from typing import Any, cast

import pytest

from tradingmesh_operator.api import Api
from tradingmesh_operator.errors import ApiError, UnreachableError
from tradingmesh_operator.lease import ANSWER_WITHIN, Lease
from tradingmesh_operator.objects import Key

KEY = Key("default", "tradingmesh-operator")


class FakeApi:
    """One Lease with a version, as a server keeps it."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.away = False

    async def get(self, *_: Any) -> dict[str, Any] | None:
        """The Lease."""
        if self.away:
            raise UnreachableError("away")
        await asyncio.sleep(0)
        return copy.deepcopy(self.lease)

    async def create(self, _: Any, lease: dict[str, Any]) -> None:
        """Makes it if it is not there."""
        if self.lease is not None:
            raise ApiError(409, "AlreadyExists", "there is one")
        self.lease = copy.deepcopy(lease)
        self.lease["metadata"]["resourceVersion"] = "1"

    async def replace(self, _: Any, lease: dict[str, Any]) -> None:
        """Replaces it if the version is the newest."""
        assert self.lease is not None
        version = self.lease["metadata"]["resourceVersion"]
        if lease["metadata"]["resourceVersion"] != version:
            raise ApiError(409, "Conflict", "changed")
        self.lease = copy.deepcopy(lease)
        self.lease["metadata"]["resourceVersion"] = str(int(version) + 1)


class Clock:
    """Seconds that pass when told to."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def api() -> FakeApi:
    """A server without a Lease."""
    return FakeApi()


def _lease(api: FakeApi, holder: str, clock: Clock) -> Lease:
    return Lease(cast("Api", api), KEY, holder, 15, clock)


async def test_one_of_two_has_it(api: FakeApi) -> None:
    """Both ask at once: the version lets one through."""
    clock = Clock()
    both = [_lease(api, name, clock) for name in ("a", "b")]
    await asyncio.gather(*(lease._try() for lease in both))
    assert sorted(lease.held for lease in both) == [False, True]


async def test_a_silent_holder_is_followed_after_the_duration(api: FakeApi) -> None:
    """Counted from when its last renewal was seen, on the other's own clock; and it stops well before that."""
    clock = Clock()
    a, b = _lease(api, "a", clock), _lease(api, "b", clock)
    assert await a._try()
    assert not await b._try()
    clock.now_s += 11
    assert not a.held
    assert not await b._try()
    clock.now_s += 5
    assert await b._try()
    assert not await a._try()
    assert (a.held, b.held) == (False, True)


async def test_a_renewed_one_is_kept(api: FakeApi) -> None:
    """However long it lasts."""
    clock = Clock()
    a, b = _lease(api, "a", clock), _lease(api, "b", clock)
    for _ in range(5):
        assert await a._try()
        assert not await b._try()
        clock.now_s += 9


async def test_a_released_one_is_free_at_once(api: FakeApi) -> None:
    """An upgrade need not wait."""
    clock = Clock()
    a, b = _lease(api, "a", clock), _lease(api, "b", clock)
    await a._try()
    await a.release()
    assert not a.held
    assert await b._try()


async def test_without_the_server_it_ends_by_itself(api: FakeApi) -> None:
    """Whoever cannot renew must stop, for another may be able to."""
    clock = Clock()
    a = _lease(api, "a", clock)
    await a._try()
    api.away = True
    clock.now_s += 5
    assert not await a._try()
    assert a.held
    clock.now_s += 6
    assert not a.held
    async with asyncio.timeout(5):
        await a.keep()


async def test_one_request_that_hangs_does_not_lose_it(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up in time for another: the renewal after it comes well before the holder has to stop."""
    clock = Clock()
    a = _lease(api, "a", clock)
    await a._try()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        if not seconds:
            return
        waits.append(seconds)
        clock.now_s += seconds
        api.away = len(waits) == 1
        if api.away:
            clock.now_s += 15 * ANSWER_WITHIN
        if len(waits) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr("tradingmesh_operator.lease.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await a.keep()
    assert a.held
    assert waits[1] < waits[0] == waits[2]
