"""A tape that is stopped plays no further event, wherever it stands."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tradingmesh.alpaca_simulator.player import Player, Speed
from tradingmesh.core.market import MarketEvent, Trade

SECOND_NS = 10**9


class EndlessTape:
    """A trade a second, for ever."""

    length = None

    def __iter__(self) -> Iterator[MarketEvent]:
        number = 0
        while True:
            number += 1
            yield Trade("IBM", 1_000_000, 100, number * SECOND_NS)


@pytest.mark.parametrize("speed", ["max", Decimal(10_000)])
async def test_a_stopped_tape_ends(speed: Speed) -> None:
    """At full speed and in its own time; the end is told."""
    heard: list[MarketEvent] = []

    async def hear(event: MarketEvent) -> None:
        heard.append(event)
        if len(heard) == 100:
            player.stop()

    player = Player(EndlessTape(), speed, hear)
    async with asyncio.timeout(5):
        await player.run()
    assert player.done.is_set()
    assert len(heard) == player.progress.published == 100


@pytest.mark.parametrize("speed", ["max", Decimal(1)])
async def test_a_tape_can_be_stopped_before_anybody_listens(speed: Speed) -> None:
    """It waits at its gate, and ends there without having played."""
    gate = asyncio.Event()

    async def hear(event: MarketEvent) -> None:
        pytest.fail(f"played {event}")

    player = Player(EndlessTape(), speed, hear, gate)
    playing = asyncio.create_task(player.run())
    await asyncio.sleep(0)
    assert not player.done.is_set()
    player.stop()
    async with asyncio.timeout(5):
        await playing
    assert player.done.is_set()


async def test_at_full_speed_a_tape_waits_again_when_nobody_listens_any_more() -> None:
    """The gate shuts after ten events, and opens again for ten more."""
    gate, shut = asyncio.Event(), asyncio.Event()
    gate.set()
    heard: list[MarketEvent] = []

    async def hear(event: MarketEvent) -> None:
        heard.append(event)
        if len(heard) % 10 == 0:
            gate.clear()
            shut.set()

    player = Player(EndlessTape(), "max", hear, gate)
    playing = asyncio.create_task(player.run())
    for expected in (10, 20):
        async with asyncio.timeout(5):
            await shut.wait()
        assert len(heard) == expected
        shut.clear()
        gate.set()
    player.stop()
    async with asyncio.timeout(5):
        await playing
