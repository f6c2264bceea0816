"""What a pod says of itself is heard whole, or not at all."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiohttp import web

from tests.operator.wanted import pod
from tradingmesh_operator.api import Api
from tradingmesh_operator.observe import Observer
from tradingmesh_operator.observed import Pod

SAID = {"generation": 3, "status": {"positions": [{"symbol": f"S{number}"} for number in range(200)]}}


@asynccontextmanager
async def _speaking(body: bytes, pieces: int) -> AsyncIterator[Pod]:
    """A pod whose answer comes in pieces, as over a network."""

    async def answer(request: web.Request) -> web.StreamResponse:
        told = web.StreamResponse()
        await told.prepare(request)
        size = -(-len(body) // pieces)
        for at in range(0, len(body), size):
            await told.write(body[at : at + size])
            await asyncio.sleep(0.02)
        return told

    app = web.Application()
    app.add_routes([web.get("/configz", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield pod("risk-manager", address=f"127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


async def _heard(body: bytes, pieces: int = 1) -> Any:
    observer = Observer(cast("Api", None), configz_timeout_s=10)
    async with _speaking(body, pieces) as speaking:
        [found] = await observer.ask([speaking])
    await observer.close()
    return found.configz


@pytest.mark.parametrize("pieces", [1, 5])
async def test_an_answer_in_pieces_is_one_answer(pieces: int) -> None:
    """A risk manager with many positions does not seem to be silent."""
    assert await _heard(json.dumps(SAID).encode(), pieces) == SAID


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'"' + b"x" * (1 << 20) + b'"'])
async def test_what_is_no_answer_is_none(body: bytes) -> None:
    """Nothing, another thing, half a thing, and more than anybody has to say."""
    assert await _heard(body) is None
