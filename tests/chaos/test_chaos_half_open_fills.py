"""Half-open links under real fills: none is lost or booked twice, whichever channel swallows, and each loss is told."""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tradingmesh.contract import CHANNELS, Channel
from tradingmesh.testing.tcp_proxy import Swallow, TcpProxy

pytestmark = pytest.mark.processes
CHANNELS_OF_A_FILL = (Channel.FILLS, Channel.POSITIONS, Channel.FILL_ACKS)
WAYS: tuple[Swallow, ...] = ("both", "from-connector", "from-binder")
SWALLOW_S = 2.5
FORWARD_S = 0.5
_THROUGH = """
from tradingmesh.adapters.zmq_sockets import SocketFactory
_direct = SocketFactory.address
_detours = {detours!r}
def _address(self, channel, *, bind):
    return _direct(self, channel, bind=bind) if bind or channel not in _detours else _detours[channel]
SocketFactory.address = _address
"""


@pytest.fixture
def proxies(mesh: Any) -> Iterator[dict[Channel, TcpProxy]]:
    """The channels of a fill between the fill processor and the others go through these."""
    with ExitStack() as stack:
        made = {}
        for channel in CHANNELS_OF_A_FILL:
            name = {Channel.FILL_ACKS: "fillAcks"}.get(channel, channel.value)
            made[channel] = TcpProxy(0, mesh.spec["endpoints"][name]["port"])
            stack.callback(made[channel].close)
        detours = {channel.value: f"tcp://127.0.0.1:{proxy.port}" for channel, proxy in made.items()}
        mesh.spec["fillProcessors"] = {"replicas": 1}
        mesh.prelude["fill-processor-1"] = _THROUGH.format(detours=detours)
        yield made


def swallow_in_turn(proxies: dict[Channel, TcpProxy], plan: list[tuple[Channel, Swallow]]) -> None:
    """Each swallows for longer than it takes to find, and forwards again for a while before the next does."""
    for channel, way in plan:
        time.sleep(FORWARD_S)
        proxies[channel].swallow = way
        time.sleep(SWALLOW_S)
        proxies[channel].swallow = "nothing"


def told(mesh: Any, name: str) -> list[dict[str, Any]]:
    """What a process said of lost links."""
    lines = [json.loads(line) for line in mesh.log(name, last=1_000_000).splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "link lost"]


@pytest.mark.timeout(300)
def test_no_fill_is_lost_in_a_link_that_swallows(
    mesh: Any,
    proxies: dict[Channel, TcpProxy],
    seed: int,
    full: bool,  # noqa: FBT001 - the fixture is one
) -> None:
    """While fills come, a channel swallows, in any direction, then another; at last the account is compared."""
    chance = random.Random(seed)  # noqa: S311 - replayable is what it must be
    channels = CHANNELS_OF_A_FILL * 5 if full else (chance.choice(CHANNELS_OF_A_FILL),)
    plan = [(channel, chance.choice(WAYS)) for channel in chance.sample(channels, len(channels))]
    mesh.start("alpaca-simulator", "risk-manager", "execution-engine", "fill-processor")
    mesh.play()
    trouble = threading.Thread(target=swallow_in_turn, args=(proxies, plan), daemon=True)
    trouble.start()
    while trouble.is_alive():
        mesh.trade(20)
    mesh.settle()
    for channel in set(channels):
        binder = CHANNELS[channel].binder
        assert mesh.counter("fill-processor-1", "links_lost", f"channel={channel}") >= 1
        assert mesh.counter(binder, "links_lost", f"channel={channel}") >= 1
        peers = {line["peer"] for line in told(mesh, "fill-processor-1") if line["channel"] == channel}
        assert peers == {f"{binder} at tcp://127.0.0.1:{proxies[channel].port}"}
    found = mesh.audit()
    assert (found.lost, found.doubled, found.differences) == (0, 0, ())
