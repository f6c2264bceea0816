"""What is put in the place of the machine while a simulation runs: files, HTTP and pauses that are none."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

import stamina

from tests.simulation.broker_rest import RestClient
from tests.simulation.broker_stream import Deliver, VirtualStream
from tests.simulation.process import DiskPath, Process
from tests.simulation.watched_broker import WatchedBroker
from tradingmesh.core.journal.head import Head
from tradingmesh.testing.memory_journal import MemoryJournal
from tradingmesh.testing.virtual_threads import VirtualCondition, VirtualQueue, sleep

SNAPSHOT_EVERY = 25
JITTER = Random()  # noqa: S311 - replayable is what it must be
"""What retries draw their waits from: each world seeds it."""


@contextlib.contextmanager
def stand_ins() -> Iterator[None]:
    """Everything is in its place within this context."""
    connect = sqlite3.connect

    def opened(path: Any, *arguments: Any, **options: Any) -> Any:
        return path.database() if isinstance(path, DiskPath) else connect(path, *arguments, **options)

    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([])
    patches = (
        mock.patch("sqlite3.connect", opened),
        mock.patch("tradingmesh.adapters.outbox_schema._reader", lambda path: path.database()),
        mock.patch("tradingmesh.adapters.outbox_schema.read_head", lambda path: path.heads.get(str(path))),
        mock.patch("tradingmesh.adapters.outbox_schema.HeadFile", _HeadFile),
        mock.patch("tradingmesh.risk_manager.main.open_journal", lambda place: _journal(place.path)),
        mock.patch("tradingmesh.runtime.manifest_file.load_manifest", lambda manifest: manifest),
        mock.patch("tradingmesh.adapters.alpaca_trading._Client", _client),
        mock.patch("tradingmesh.adapters.alpaca_trading_broker.AlpacaStream", _stream),
        mock.patch("tradingmesh.adapters.alpaca_trading_broker.SimpleQueue", VirtualQueue),
        mock.patch("tradingmesh.adapters.alpaca_trading_broker.threading", SimpleNamespace(Thread=_Thread)),
        mock.patch("tradingmesh.execution_engine.main.AlpacaBroker", WatchedBroker),
        mock.patch("tradingmesh.adapters.alpaca_gate.threading", SimpleNamespace(Condition=VirtualCondition)),
        mock.patch("tradingmesh.adapters.alpaca_trading_broker.PLACING_THREADS", 2),
        mock.patch("tradingmesh.adapters.alpaca_trading_broker.CANCELLING_THREADS", 1),
        mock.patch("tradingmesh.risk_manager.recorder.SNAPSHOT_EVERY", SNAPSHOT_EVERY),
        mock.patch("stamina._core.random", JITTER),
        mock.patch("tenacity.nap.time", SimpleNamespace(sleep=sleep)),
    )
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        try:
            yield
        finally:
            stamina.instrumentation.set_on_retry_hooks(hooks)


def _journal(path: DiskPath) -> MemoryJournal:
    return MemoryJournal(path.journal_disk(), path.step)


def _client(*_: Any, **__: Any) -> RestClient:
    return RestClient(Process.starting)


def _stream(*arguments: Any, **_: Any) -> VirtualStream:
    deliver: Deliver = arguments[3]
    return VirtualStream(Process.starting, deliver)


class _HeadFile:
    """`HeadFile` on the disk of a process."""

    def __init__(self, path: DiskPath) -> None:
        self._heads, self._name = path.heads, str(path)

    def mark(self, head: Head) -> None:
        self._heads[self._name] = head

    def close(self) -> None:
        pass


class _Thread:
    """`threading.Thread`, of the process that starts."""

    def __init__(self, target: Callable[..., object], args: tuple[Any, ...], **_: Any) -> None:
        self._run = partial(target, *args)

    def start(self) -> None:
        Process.starting.spawn(self._run)
