"""Who is looked at when."""

import asyncio

from tradingmesh_operator.objects import Key
from tradingmesh_operator.wakes import Wakes

A, B = Key("n", "a"), Key("n", "b")


async def _taken(wakes: Wakes) -> Key | None:
    """Whoever is due within a moment."""
    try:
        async with asyncio.timeout(0.05):
            return await wakes.take()
    except TimeoutError:
        return None


async def test_each_waits_once() -> None:
    """However often it was woken."""
    wakes = Wakes()
    for _ in range(3):
        wakes.wake(A)
    assert len(wakes) == 1
    assert await _taken(wakes) == A
    wakes.done(A)
    assert await _taken(wakes) is None


async def test_what_happens_meanwhile_is_looked_at_afterwards() -> None:
    """Never twice at a time, and never forgotten."""
    wakes = Wakes()
    wakes.wake(A)
    assert await _taken(wakes) == A
    wakes.wake(A)
    assert await _taken(wakes) is None
    wakes.done(A)
    assert await _taken(wakes) == A


async def test_the_sooner_of_two_times_counts() -> None:
    """A resync in an hour does not put off an event, nor the other way round."""
    wakes = Wakes()
    wakes.wake(A, 3600)
    wakes.wake(A, 0)
    wakes.wake(A, 3600)
    wakes.wake(B, 3600)
    assert await _taken(wakes) == A
    assert await _taken(wakes) is None


async def test_whoever_waits_hears_of_it() -> None:
    """Several workers wait at a time, and each gets another."""
    wakes = Wakes()
    workers = [asyncio.create_task(wakes.take()) for _ in range(2)]
    await asyncio.sleep(0)
    wakes.wake(A, 0.01)
    wakes.wake(B)
    async with asyncio.timeout(5):
        assert {await worker for worker in workers} == {A, B}


async def test_who_is_gone_is_forgotten() -> None:
    """Nobody has to look."""
    wakes = Wakes()
    wakes.wake(A)
    wakes.forget(A)
    assert await _taken(wakes) is None
