"""The pulse of a stream: what it tells of a connection that stops answering, answers again, or ends."""

import asyncio

import pytest
from websockets.exceptions import ConnectionClosedError

from tradingmesh.adapters import alpaca_pulse
from tradingmesh.adapters.alpaca_pulse import Pulse


class Socket:
    """Each ping gets the next answer: True at once, False never, None ends the connection."""

    def __init__(self, *answers: bool | None) -> None:
        self._answers = list(answers)
        self.over = asyncio.Event()

    async def ping(self) -> "asyncio.Future[None]":
        """A ping's answer, to be awaited."""
        if not self._answers or (answer := self._answers.pop(0)) is None:
            self.over.set()
            raise ConnectionClosedError(None, None)
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if answer:
            pong.set_result(None)
        return pong


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_pulse, "PULSE_EVERY_S", 0.001)
    monkeypatch.setattr(alpaca_pulse, "ANSWER_WITHIN_S", 0.002)


async def _told(*answers: bool | None) -> list[bool]:
    told: list[bool] = []
    pulse, socket = Pulse(told.append), Socket(*answers)
    pulse.start(socket)
    await asyncio.wait_for(socket.over.wait(), 10)
    pulse.stop()
    return told


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ((True, True, True), []),
        ((True, False, False, False), [False]),
        ((False, True, True), [False, True]),
        ((True, False, True, False), [False, True, False]),
        ((True, None), []),
    ],
)
def test_each_change_is_told_once(answers: tuple[bool | None, ...], told: list[bool]) -> None:
    """Silence goes on being asked, so that its end is heard; the end of a connection is told by who reads from it."""
    assert asyncio.run(_told(*answers)) == told


def test_who_is_stopped_tells_no_more() -> None:
    """And whoever starts anew watches the new connection alone."""

    async def stopped() -> list[bool]:
        told: list[bool] = []
        pulse, old, new = Pulse(told.append), Socket(*[False] * 1_000), Socket(*[True])
        pulse.start(old)
        pulse.start(new)
        await asyncio.wait_for(new.over.wait(), 10)
        pulse.stop()
        await asyncio.sleep(0.01)
        return told

    assert asyncio.run(stopped()) == []
