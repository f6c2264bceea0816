"""Who is looked at because of what its pods say."""

from collections.abc import Iterable
from typing import Any

from tests.operator.wanted import pod, risk_manager
from tradingmesh_operator.listener import Listener
from tradingmesh_operator.objects import Key
from tradingmesh_operator.observed import Pod

KEY = Key("n", "demo")


class Mesh:
    """One pod that says what it is told to, and who was woken by it."""

    def __init__(self, said: Pod) -> None:
        self.said = said
        self.woken: list[Key] = []
        self.asked = 0
        self.listener = Listener(self.ask, self.woken.append, every_s=1)
        self.listener.remember(KEY, (said,))

    async def ask(self, pods: Iterable[Pod]) -> tuple[Pod, ...]:
        """Its answer."""
        self.asked += len(list(pods))
        return (self.said,)

    async def says(self, said: Pod) -> bool:
        """Whether that is news."""
        self.woken.clear()
        self.said = said
        await self.listener.ask_all()
        return self.woken == [KEY]


def _manager(generation: int = 1, **status: Any) -> Pod:
    return risk_manager(generation, **status)._replace(address="10.0.0.1:9090")


def _engine(backlog: int) -> Pod:
    return pod("execution-engine", address="10.0.0.1:9090", configz={"status": {"backlog": backlog}})


async def test_nothing_new_wakes_nobody() -> None:
    """A hundred systems at rest cost a question a pod, and the API server nothing."""
    mesh = Mesh(_manager())
    assert not await mesh.says(_manager())
    assert not await mesh.says(_manager(cash="17"))


async def test_what_status_tells_of_is_news() -> None:
    """The breaker, a generation, a refusal; and that a pod does not answer any more."""
    mesh = Mesh(_manager())
    assert await mesh.says(_manager(breaker={"state": "Open"}))
    assert await mesh.says(_manager(2))
    assert await mesh.says(_manager()._replace(configz={"generation": 1, "problem": "no"}))
    assert await mesh.says(_manager()._replace(configz=None))


async def test_a_backlog_is_news_when_it_doubles() -> None:
    """Not with every fill."""
    mesh = Mesh(_engine(100))
    assert not await mesh.says(_engine(101))
    assert await mesh.says(_engine(200))
    assert await mesh.says(_engine(0))


async def test_who_is_gone_or_has_no_address_is_not_asked() -> None:
    """Nor is a system that has just been deleted."""
    mesh = Mesh(_manager())
    mesh.listener.remember(KEY, (risk_manager(),))
    await mesh.listener.ask_all()
    mesh.listener.remember(KEY, (_manager(),))
    mesh.listener.forget(KEY)
    await mesh.listener.ask_all()
    assert mesh.asked == 0
