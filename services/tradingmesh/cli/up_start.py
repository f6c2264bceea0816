"""Starts every process of a run, a few at a time, and waits until all are ready. Says what it is waiting for."""

import os
import time
from collections import deque
from collections.abc import Callable

from tradingmesh.cli.supervisor import EXIT_BAD_INPUT, Child, Supervisor
from tradingmesh.cli.up_watch import fetch, is_ready, why_not_ready
from tradingmesh.contract import Component, TradingSystemSpec
from tradingmesh.core.errors import ConfigError, TradingMeshError

READY_WITHIN_S = 30.0
JOINED_WITHIN_S = 5.0
SLOT_S = 2.0
STARTING_MAX = max(2, os.cpu_count() or 2)
"""Starting is computing: more at once than there are cores makes each of them late."""
_SAY_EVERY_S = 2.0
_LOOK_EVERY_S = 0.02


class Starter:
    """Starts the children of a supervisor in their order. `interrupted` tells whether to give it up."""

    def __init__(self, supervisor: Supervisor, say: Callable[[str], None], interrupted: Callable[[], bool]) -> None:
        self._supervisor = supervisor
        self._say = say
        self._interrupted = interrupted
        self._waiting = deque(supervisor.children.values())
        self._starting: list[Child] = []
        self._said_s = time.monotonic()

    def run(self) -> bool:
        """Returns once all are ready, or False when interrupted.

        Raises `ConfigError` with the words of a process that found bad input, `TradingMeshError` for one that does not
        become ready within `READY_WITHIN_S`.
        """
        while self._waiting or self._starting:
            if self._interrupted():
                return False
            self._start_next()
            time.sleep(_LOOK_EVERY_S)
            self._supervisor.look_after()
            for child in list(self._starting):
                self._look_at(child)
            self._say_waiting()
        return True

    def wait_joined(self, spec: TradingSystemSpec) -> None:
        """Waits until the feed has heard every subscription: who joins later misses the first ticks."""
        (feed,) = self._supervisor.of([Component.MARKET_DATA_FEED])
        wanted = subscriptions(spec)
        deadline_s = time.monotonic() + JOINED_WITHIN_S
        while not self._interrupted() and time.monotonic() < deadline_s:
            body = fetch(feed.process.port, "/configz") or {}
            if body.get("status", {}).get("subscriptions", 0) >= wanted:
                return
            time.sleep(_LOOK_EVERY_S)
        self._say("market-data-feed: not every subscriber has joined; it will miss the first ticks")

    def _start_next(self) -> None:
        broker_first = any(c.process.component is Component.ALPACA_SIMULATOR for c in self._starting)
        young = [child for child in self._starting if child.age_s() < SLOT_S]
        if self._waiting and not broker_first and len(young) < STARTING_MAX:
            child = self._waiting.popleft()
            child.start()
            self._starting.append(child)

    def _look_at(self, child: Child) -> None:
        name = child.process.instance
        if child.lost:
            words = f"{name}: {child.last_words()}"
            raise (ConfigError if child.exit_code == EXIT_BAD_INPUT else TradingMeshError)(words)
        if is_ready(child.process):
            child.ready_s = child.age_s()
            self._starting.remove(child)
            self._say(f"{name}: ready in {child.ready_s:.1f} s")
        elif child.age_s() > READY_WITHIN_S:
            why = why_not_ready(child.process)
            raise TradingMeshError(f"{name}: not ready within {READY_WITHIN_S:.0f} s: {why}; see {child.log_file}")

    def _say_waiting(self) -> None:
        if time.monotonic() - self._said_s < _SAY_EVERY_S:
            return
        self._said_s = time.monotonic()
        for child in self._starting:
            self._say(f"{child.process.instance}: waiting, {why_not_ready(child.process)}")


def subscriptions(spec: TradingSystemSpec) -> int:
    """How many subscriptions to market data a whole mesh makes: one a symbol by each who subscribes."""
    traded = {symbol for strategy in spec.strategies for symbol in strategy.symbols}
    return 4 * len(spec.symbols) + len(traded)
