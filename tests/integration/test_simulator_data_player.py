"""The player: pace, gate, turns of the event loop, and an early end."""

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest

from tradingmesh.adapters.tape import GeneratedTape
from tradingmesh.alpaca_simulator.player import Player
from tradingmesh.core.market import MarketEvent
from tradingmesh.core.tape.generator import TapeSettings

TAPE = GeneratedTape(TapeSettings(("IBM", "BAC"), duration_ms=1_000, ticks_per_second=500))
EVENTS = list(TAPE)


def player(heard: list[MarketEvent], speed: Any, gate: asyncio.Event | None = None) -> Player:
    async def hear(event: MarketEvent) -> None:
        heard.append(event)

    return Player(TAPE, speed, hear, gate)


@pytest.mark.parametrize("speed", ["max", Decimal(1000)])
async def test_a_tape_is_played_whole_and_in_order(speed: Any) -> None:
    """Every event comes once, and progress tells how far it is."""
    heard: list[MarketEvent] = []
    played = player(heard, speed)
    assert played.progress == (0, 1000)
    await played.run()
    assert heard == EVENTS
    assert played.done.is_set()
    assert played.progress == (1000, 1000)


async def test_a_tape_keeps_its_own_time() -> None:
    """At speed 4 a second of market takes a quarter of one, and no event comes noticeably before its time."""
    arrivals: list[float] = []
    began = time.monotonic()

    async def hear(_: MarketEvent) -> None:
        arrivals.append(time.monotonic() - began)

    await Player(TAPE, Decimal(4), hear).run()
    due = [(event.timestamp_ns - EVENTS[0].timestamp_ns) / 4e9 for event in EVENTS]
    assert min(arrived - at for arrived, at in zip(arrivals, due, strict=True)) > -0.001
    assert arrivals[-1] > 0.24


async def test_nothing_is_played_before_the_gate_opens_nor_while_it_is_shut() -> None:
    """At max a gate that is shut again holds the tape where it is."""
    gate = asyncio.Event()
    heard: list[MarketEvent] = []

    async def hear(event: MarketEvent) -> None:
        heard.append(event)
        if len(heard) == 300:
            gate.clear()

    playing = asyncio.create_task(Player(TAPE, "max", hear, gate).run())
    await turns(10)
    assert heard == []
    gate.set()
    await turns(50)
    assert len(heard) == 300
    gate.set()
    await asyncio.wait_for(playing, 5)
    assert heard == EVENTS


async def test_the_event_loop_gets_its_turn_at_any_speed() -> None:
    """While a tape plays at full speed other tasks go on."""
    heard: list[MarketEvent] = []
    playing = asyncio.create_task(player(heard, "max").run())
    seen: set[int] = set()
    while not playing.done():
        await asyncio.sleep(0)
        seen.add(len(heard))
    assert len(seen) >= len(EVENTS) / 64


@pytest.mark.parametrize("speed", ["max", Decimal(1)])
async def test_stop_ends_it_early(speed: Any) -> None:
    """After `stop` no further event comes, also where the gate never opened."""
    heard: list[MarketEvent] = []
    played = player(heard, speed)
    playing = asyncio.create_task(played.run())
    await turns(10)
    played.stop()
    await asyncio.wait_for(playing, 5)
    assert heard == EVENTS[: len(heard)]
    assert 0 < len(heard) < len(EVENTS)
    waiting = player([], speed, asyncio.Event())
    playing = asyncio.create_task(waiting.run())
    await turns(3)
    waiting.stop()
    await asyncio.wait_for(playing, 5)


async def test_an_error_in_the_tape_ends_the_run() -> None:
    """What reading or publishing raises comes out of `run`."""

    async def fail(event: MarketEvent) -> None:
        raise ConnectionError(event.symbol)

    with pytest.raises(ConnectionError):
        await Player(TAPE, "max", fail).run()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
