"""The market data store as a process: small, and with everything on disk when SIGTERM has ended it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests
import yaml

from tradingmesh.adapters.tape import GeneratedTape, open_tape
from tradingmesh.adapters.zmq_market_data import MarketDataPublisher
from tradingmesh.contract import Channel, Component
from tradingmesh.core.market import MarketEvent, Quote
from tradingmesh.core.tape.generator import TapeSettings
from tradingmesh.runtime.component import Context

pytestmark = pytest.mark.processes
RSS_MAX_BYTES = 80 << 20
TAPE = GeneratedTape(TapeSettings(("IBM", "BAC"), duration_ms=100_000))


class Store:
    """`tradingmesh run market-data-store` over ipc, and a feed that the test plays."""

    def __init__(self, folder: Path, feed: Context) -> None:
        self.publisher = MarketDataPublisher(
            feed.sockets.pub(Channel.MARKET_DATA, lossless=True), "feed", 5, feed.metrics, 0
        )
        feed.loop.on_readable(self.publisher._socket, self.publisher.answer_subscriptions)
        self.loop = feed.loop
        self.ticks = folder / "market-data-store" / "ticks"
        manifest = folder / "system.yaml"
        spec = {"symbols": ["IBM", "BAC"], "endpoints": {"transport": "ipc"}}
        kinds = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "t"}}
        manifest.write_text(yaml.safe_dump(kinds | {"spec": spec}))
        settings = {"SYSTEM_FILE": manifest, "DATA_DIR": folder, "IPC_DIR": folder, "ADMIN_PORT": 0}
        environment = {f"TRADINGMESH_{name}": str(value) for name, value in settings.items()}
        self._output = (folder / "store.log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tradingmesh", "run", "market-data-store"],
            env={**os.environ, **environment},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def said(self) -> str:
        self._output.seek(0)
        return self._output.read()

    def admin(self) -> str:
        """Where its admin HTTP is, once it has said so."""
        for line in self.said().splitlines():
            if "admin_port" in line:
                return f"http://127.0.0.1:{json.loads(line)['admin_port']}"
        return ""

    def metric(self, name: str) -> float:
        lines = requests.get(f"{self.admin()}/metrics", timeout=5).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f"tradingmesh_{name}"))

    def publish(self, event: MarketEvent) -> None:
        self.publisher.publish_event(event, 1)
        self.loop.turn(0)

    def hears(self) -> bool:
        """Whether it has joined: publishes a quote, and looks whether any arrived."""
        self.publish(Quote("IBM", 1, 2, 3, 4, 1))
        return self.metric("events_stored_total") > 0

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._output.close()


@pytest.fixture
def store(tmp_path: Path, make_context: Callable[..., Context]) -> Iterator[Store]:
    """A store that has heard the feed."""
    made = Store(tmp_path, make_context(Component.MARKET_DATA_FEED, {}, 5))
    try:
        wait_for(made.admin)
        wait_for(made.hears)
        yield made
    finally:
        made.close()


def wait_for(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not come to hold in time"
        time.sleep(0.02)


def test_the_store_is_small_and_ends_with_everything_on_disk(store: Store) -> None:
    """Forty thousand ticks are stored within 80 MB, and after SIGTERM all are there as a tape; exit code 0."""
    before = store.metric("events_stored_total")
    events = list(TAPE)
    for event in events:
        store.publish(event)
    wait_for(lambda: store.metric("events_stored_total") >= before + len(events))
    assert psutil.Process(store.process.pid).memory_info().rss <= RSS_MAX_BYTES
    store.process.send_signal(signal.SIGTERM)
    assert store.process.wait(20) == 0, store.said()
    tape = open_tape(str(store.ticks), ["IBM", "BAC"])
    assert [event for event in tape if event.timestamp_ns > 1] == events
    assert store.said().count('"level": "error"') == 0
