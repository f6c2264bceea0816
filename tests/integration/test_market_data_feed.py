"""The market-data-feed as a real process, between the simulator's data stream and a subscriber of the mesh."""

import asyncio
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tradingmesh.adapters.zmq_market_data import Delivery, MarketDataSubscriber
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.alpaca_simulator.data_stream import DataStream
from tradingmesh.alpaca_simulator.faults import Faults
from tradingmesh.alpaca_simulator.market import Market
from tradingmesh.cli.up_ports import counted_from
from tradingmesh.contract import Channel, Component, EndpointsSpec
from tradingmesh.core.market import MarketEvent, Quote, Tick, Trade
from tradingmesh.core.tape.generator import OPEN_NS
from tradingmesh.telemetry.metrics import Metrics

pytestmark = pytest.mark.processes

DEADLINE_S = 20.0
TICKS: list[Tick] = [
    tick
    for n in range(200)
    for tick in (
        Quote("IBM", 1_850_000 + n, 1_850_200 + n, 100, 200, OPEN_NS + n * 1_000),
        Trade("BAC", 140_000 + n, 300 + n, OPEN_NS + n * 1_000 + 1),
    )
]


async def until(condition: Callable[[], Any]) -> Any:
    """The condition's value once it is true; polls, for a process answers in its own time."""
    async with asyncio.timeout(DEADLINE_S):
        while not (value := await asyncio.to_thread(condition)):  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.02)
    return value


class Rig:
    """A data stream server, a feed process, and what a subscriber hears."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.market = Market()
        self.stream = DataStream(self.market, {"key": "secret"}, Faults(Metrics(), time.monotonic))
        self.attempts = 0
        self.port, self.admin = islice(counted_from(0), 2)
        self.endpoints = EndpointsSpec.model_validate({"marketData": {"port": self.port}})
        self.heard: list[MarketEvent] = []
        self.metrics = Metrics()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        @web.middleware
        async def count(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
            self.attempts += 1
            response: web.StreamResponse = await handler(request)
            return response

        app = web.Application(middlewares=[count])
        app.add_routes(self.stream.routes())
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"ws://127.0.0.1:{runner.addresses[0][1]}/v2/iex"
        finally:
            await self.stream.close()
            await runner.cleanup()

    @asynccontextmanager
    async def feed(self, url: str, secret: str = "secret") -> AsyncIterator[asyncio.subprocess.Process]:
        manifest = self.folder / "system.yaml"
        spec = {
            "symbols": ["IBM", "BAC"],
            "broker": {"dataStreamUrl": url},
            "endpoints": {"marketData": {"port": self.port}},
        }
        header = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "feed"}}
        manifest.write_text(json.dumps({**header, "spec": spec}))
        env = {
            **os.environ,
            "TRADINGMESH_SYSTEM_FILE": str(manifest),
            "TRADINGMESH_DATA_DIR": str(self.folder),
            "TRADINGMESH_ADMIN_PORT": str(self.admin),
            "APCA_API_KEY_ID": "key",
            "APCA_API_SECRET_KEY": secret,
        }
        command = [sys.executable, "-m", "tradingmesh", "run", "market-data-feed"]
        process = await asyncio.create_subprocess_exec(*command, env=env)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0

    def readiness(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=2) as answer:
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            found = json.load(error)
        except OSError:
            found = {"ready": False, "reasons": []}
        return found

    def subscribe(self, sockets: SocketFactory) -> MarketDataSubscriber:
        def hear(event: MarketEvent, _delivery: Delivery) -> None:
            self.heard.append(event)

        sub = sockets.sub(Channel.MARKET_DATA, ["IBM", "BAC"])
        return MarketDataSubscriber(sub, hear, self.metrics, lambda *_: None, time.time_ns)


async def test_every_tick_arrives_and_a_late_joiner_gets_the_last_values(tmp_path: Path) -> None:
    """What the stream sends is what a subscriber hears, in order; who comes later first hears the last of each kind."""
    rig = Rig(tmp_path)
    early = SocketFactory(Component.SIGNAL_GENERATOR, rig.endpoints)
    late = SocketFactory(Component.FEATURE_ENGINE, rig.endpoints)
    try:
        async with rig.serving() as url, rig.feed(url):
            await until(lambda: rig.readiness()["ready"])
            await rig.stream.subscribed.wait()
            subscriber = rig.subscribe(early)
            rig.market.record(TICKS[0])
            await rig.stream.publish(TICKS[0])
            await until(lambda: subscriber.drain() or rig.heard)
            for tick in TICKS[1:]:
                rig.market.record(tick)
                await rig.stream.publish(tick)
            await until(lambda: subscriber.drain() == 0 and len(rig.heard) >= len(TICKS))
            assert rig.heard == TICKS
            assert (subscriber.gaps.value, subscriber.malformed.value) == (0, 0)

            rig.heard.clear()
            joiner = rig.subscribe(late)
            await until(lambda: joiner.drain() == 0 and len(rig.heard) >= 2)
            assert sorted(rig.heard, key=lambda event: event.symbol) == [TICKS[-1], TICKS[-2]]
            again: list[int] = []
            await until(lambda: again.append(subscriber.drain()) or sum(again) >= 2)  # type: ignore[func-returns-value]
            assert sum(again) == 2, "the early one is sent the last values too"
            assert len(rig.heard) == 2, "and drops them as known"
    finally:
        early.close()
        late.close()


async def test_wrong_keys_are_said_and_not_hammered(tmp_path: Path) -> None:
    """With a wrong secret the feed is not ready and says why, tries again slowly, and stops cleanly."""
    rig = Rig(tmp_path)
    async with rig.serving() as url, rig.feed(url, secret="wrong"):

        def told() -> bool:
            return any("check APCA_API_KEY_ID" in reason for reason in rig.readiness()["reasons"])

        await until(told)
        await until(lambda: rig.attempts >= 2)
        assert rig.readiness()["ready"] is False
        assert rig.attempts <= 3
