"""Asks the pods of every system how they are, without asking the API server; who says something new is looked at."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from tradingmesh_operator.objects import Key, digest
from tradingmesh_operator.observed import Pod

Ask = Callable[[Iterable[Pod]], Awaitable[tuple[Pod, ...]]]


class _Told(NamedTuple):
    pods: tuple[Pod, ...]
    news: str


class Listener:
    """Knows of each system's pods what they were when it was looked at last, and what they said then."""

    def __init__(self, ask: Ask, wake: Callable[[Key], None], *, every_s: float) -> None:
        self._ask = ask
        self._wake = wake
        self._every_s = every_s
        self._told: dict[Key, _Told] = {}

    def remember(self, key: Key, pods: Iterable[Pod]) -> None:
        """Notes the pods of a system that was just looked at, with their answers."""
        there = tuple(pod for pod in pods if pod.address)
        if there:
            self._told[key] = _Told(tuple(pod._replace(configz=None) for pod in there), news(there))
        else:
            self._told.pop(key, None)

    def forget(self, key: Key) -> None:
        """The system is gone."""
        self._told.pop(key, None)

    async def run(self) -> None:
        """Asks them all, round after round, until it is cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.ask_all()

    async def ask_all(self) -> None:
        """Asks every pod once, and wakes each system of which one says something else than before."""
        await asyncio.gather(*(self._listen(key, told) for key, told in list(self._told.items())))

    async def _listen(self, key: Key, told: _Told) -> None:
        said = news(await self._ask(told.pods))
        if said != told.news and self._told.get(key) is told:
            self._wake(key)


def news(pods: Iterable[Pod]) -> str:
    """A digest of what status tells of. Of a backlog only its size in powers of two: it changes with every fill."""
    return digest([_facts(pod) for pod in pods])


def _facts(pod: Pod) -> list[object]:
    status, backlog = pod.status, pod.status.get("backlog")
    risk = [status.get(name) for name in ("trading", "manifest_trading", "switch", "breaker")]
    broker = status.get("broker")
    synced = [broker.get("in_sync"), broker.get("reason")] if isinstance(broker, dict) else []
    size = backlog.bit_length() if isinstance(backlog, int) else None
    answered = pod.configz is not None and pod.configz.get("version")
    return [pod.name, answered, pod.generation, pod.refusal, pod.pending, risk, synced, size]
