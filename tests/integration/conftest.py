"""What the integration tests of single services share: a context over ipc in a folder of the test's own, a broker."""

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog
from aiohttp import web

from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.app import Simulator, Telemetry
from tradingmesh.alpaca_simulator.http import Keys, RateLimit
from tradingmesh.contract import Component, TradingSystemSpec
from tradingmesh.core.bus import EventBus
from tradingmesh.core.market import Quote, Tick
from tradingmesh.runtime.component import Context, WallClock
from tradingmesh.runtime.events import Events
from tradingmesh.runtime.loop import Loop
from tradingmesh.runtime.manifest_file import ManifestFile
from tradingmesh.runtime.settings import Settings
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.telemetry.tracing import NoTracer

MakeContext = Callable[..., Context]

KEYS = Keys("key-id", "secret")
OPEN_NS = 1_709_562_600 * 10**9
WAIT_S = 10.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: the path of a socket may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="tm-") as name:
        yield Path(name)


@pytest.fixture
def make_context(tmp_path: Path) -> Iterator[MakeContext]:
    """`make_context(component, spec, **settings)`: a context as a running component has, without process or admin."""
    made: list[Context] = []

    def make(component: Component, spec: dict[str, Any], epoch: int = 7, **settings: Any) -> Context:
        endpoints = {"transport": "ipc"} | spec.pop("endpoints", {})
        parsed = TradingSystemSpec.model_validate({"symbols": ["IBM", "BAC"], "endpoints": endpoints} | spec)
        metrics, clock = Metrics(component=component.value), WallClock()
        own: dict[str, Any] = {"instance": component.value, "data_dir": tmp_path, "ipc_dir": tmp_path, "page_port": 0}
        told = Settings(**{**own, **settings})
        context = Context(
            component=component,
            settings=told,
            spec=parsed,
            epoch=epoch,
            loop=Loop(),
            sockets=SocketFactory(component, parsed.endpoints, ipc_dir=tmp_path),
            metrics=metrics,
            events=Events(EventBus(), component.value, component.value, epoch, clock, metrics),
            tracer=NoTracer(),
            log=structlog.get_logger(),
            clock=clock,
            manifest=ManifestFile(told.system_file, component, parsed, None, metrics, structlog.get_logger()),
        )
        made.append(context)
        return context

    yield make
    for context in made:
        context.sockets.close()


Until = Callable[..., None]


@pytest.fixture
def until() -> Until:
    """`until(condition, *loops)`: turns the loops until the condition holds; fails the test after ten seconds."""

    def turn(condition: Callable[[], object], *loops: Loop, deadline_s: float = 10.0) -> None:
        give_up_s = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < give_up_s, "the condition did not come to hold in time"
            for loop in loops:
                loop.turn(1)

    return turn


class Tape(list[Tick]):
    """A tape in memory."""

    @property
    def length(self) -> int:
        return len(self)


class ServedBroker:
    """A simulator served from a thread, with IBM quoted at 99.98 to 100.02. Its keys are key-id and secret."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        telemetry = Telemetry(self.metrics, structlog.get_logger())
        tape = Tape([Quote("IBM", 999_800, 1_000_200, 500, 500, OPEN_NS)])
        self.simulator = Simulator(tape, ["IBM"], "max", Account(Decimal(1_000_000)), "test", KEYS, telemetry)
        app = self.simulator.application(RateLimit(60_000, lambda: 0.0), KEYS, telemetry)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._runner.setup())
        self._loop.run_until_complete(web.TCPSite(self._runner, "127.0.0.1", 0).start())
        self.address = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.now_ns = OPEN_NS
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def quote(self, bid_size: int = 500) -> None:
        """The market moves; whatever follows of it at once has left."""
        self.now_ns += 1_000_000
        event = Quote("IBM", 999_800, 1_000_200, bid_size, 500, self.now_ns)
        asyncio.run_coroutine_threadsafe(self.simulator._on_event(event), self._loop).result(WAIT_S)

    def faults(self, method: str = "GET", **told: Any) -> requests.Response:
        return requests.request(method, f"http://{self.address}/simulator/faults", timeout=WAIT_S, **told)

    def inject(self, *faults: dict[str, Any]) -> None:
        self.faults("PUT", json={"inject": faults}).raise_for_status()

    @property
    def struck(self) -> list[int]:
        told: list[int] = self.faults().json()["struck"]
        return told

    @property
    def taken(self) -> int:
        return len(self.simulator.exchange.orders)

    @staticmethod
    def wait_for(condition: Callable[[], object]) -> None:
        """Until the condition holds; fails after `WAIT_S`."""
        give_up_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < give_up_s, "the condition did not come to hold in time"
            time.sleep(0.005)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(WAIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()


@pytest.fixture
def broker() -> Iterator[ServedBroker]:
    """A broker whose IBM is quoted, 500 a side."""
    made = ServedBroker()
    made.quote()
    yield made
    made.close()
