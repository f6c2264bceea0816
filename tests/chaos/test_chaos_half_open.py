"""Links that swallow what is sent over them, on every channel: found within two seconds, then made again."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import pytest
import zmq

from tradingmesh.adapters.zmq_links import Loss
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.cli.up_ports import counted_from
from tradingmesh.contract import CHANNELS, Channel, Component, EndpointsSpec
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.testing.tcp_proxy import Swallow, TcpProxy

FOUND_WITHIN_S = 2.0
SLACK_S = 0.5
RECOVERED_WITHIN_S = 5.0
DEADLINE_S = 20.0
TRIES = 3
"""Each link's best counts: a machine that stands still makes one round late, a link that is not watched makes all."""
WAYS: tuple[Swallow, ...] = ("both", "from-connector", "from-binder")


class Ends(NamedTuple):
    """What the binder opens, what the other side opens, and who that is; None is a command."""

    bound: str
    connected: str
    connector: Component | None


ENDS = {
    Channel.MARKET_DATA: Ends("pub", "sub", Component.SIGNAL_GENERATOR),
    Channel.RISK_CHECK: Ends("rep", "req", Component.EXECUTION_ENGINE),
    Channel.FILLS: Ends("push", "pull", Component.FILL_PROCESSOR),
    Channel.ORDERS: Ends("pull", "push", Component.SIGNAL_GENERATOR),
    Channel.FEATURES: Ends("pub", "sub", Component.MARKET_DATA_STORE),
    Channel.EVENTS: Ends("sub", "pub", Component.RISK_MANAGER),
    Channel.POSITIONS: Ends("router", "dealer", Component.FILL_PROCESSOR),
    Channel.FILL_ACKS: Ends("pull", "push", Component.FILL_PROCESSOR),
    Channel.CONTROL: Ends("rep", "req", None),
    Channel.TRADING_STATE: Ends("pub", "sub", Component.EXECUTION_ENGINE),
}


class Link:
    """One channel between two processes, with a proxy in the middle."""

    def __init__(self, channel: Channel, way: Swallow, ports: Iterator[int]) -> None:
        self.channel, self.way = channel, way
        here, there = endpoints(ports), endpoints(ports)
        self.proxy = TcpProxy(there.of(channel).port, here.of(channel).port)
        self.factories = [
            SocketFactory(CHANNELS[channel].binder, here),
            SocketFactory(ENDS[channel].connector, there),
        ]
        self.bound: zmq.Socket[bytes] = getattr(self.factories[0], ENDS[channel].bound)(channel)
        self.connected: zmq.Socket[bytes] = getattr(self.factories[1], ENDS[channel].connected)(channel)
        self.losses: list[list[Loss]] = [[], []]
        self.found_s: list[float] = [0.0, 0.0]
        self.metrics = Metrics()
        self._sent = 0

    def tend(self) -> None:
        """Notes when each end has found that the link is lost."""
        for number, factory in enumerate(self.factories):
            self.losses[number] += factory.links.tend(self.metrics)
            if self.losses[number] and not self.found_s[number]:
                self.found_s[number] = time.monotonic()

    def carries(self) -> bool:
        """Whether something that is sent now arrives, and its answer, where there is one."""
        sender, receiver = self._direction()
        self._sent += 1
        with suppress(zmq.Again):
            sender.send_multipart([b"%d" % self._sent], zmq.NOBLOCK)
        if not receiver.poll(20):
            return False
        if not self.take_all():
            return True
        sender.poll(200)
        with suppress(zmq.Again):  # REQ drops the answer to an earlier question, though it woke the poll
            return bool(sender.recv_multipart(zmq.NOBLOCK))
        return False

    def take_all(self) -> bool:
        """Takes what has come, and answers where that is the way of this channel; whether it is."""
        _, receiver = self._direction()
        answers = ENDS[self.channel].bound in ("rep", "router")
        while receiver.poll(0):
            *envelope, _ = receiver.recv_multipart()
            with suppress(zmq.ZMQError):  # ROUTER says where the asker is gone
                if answers:
                    receiver.send_multipart([*envelope, b"answer"])
        return answers

    def begin(self) -> float:
        """It swallows from now on; returns when that was."""
        self.losses, self.found_s = [[], []], [0.0, 0.0]
        self.proxy.swallow = self.way
        return time.monotonic()

    def close(self) -> None:
        for factory in self.factories:
            factory.close()
        self.proxy.close()

    def _direction(self) -> "tuple[zmq.Socket[bytes], zmq.Socket[bytes]]":
        sends = ENDS[self.channel].bound in ("pub", "push")
        return (self.bound, self.connected) if sends else (self.connected, self.bound)


def endpoints(ports: Iterator[int]) -> EndpointsSpec:
    """Every channel on a port of its own."""
    return EndpointsSpec.model_validate({channel.replace("-", "_"): {"port": next(ports)} for channel in Channel})


def until(done: Callable[[], object], links: list[Link]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not done():
        if time.monotonic() > deadline_s:
            raise TimeoutError
        for link in links:
            link.tend()
        time.sleep(0.005)


def carry(links: list[Link]) -> None:
    """Until each carried something."""
    waiting = list(links)

    def all_did() -> bool:
        waiting[:] = [link for link in waiting if not link.carries()]
        return not waiting

    try:
        until(all_did, links)
    except TimeoutError:
        pytest.fail(f"mute: {[(link.channel.value, link.way) for link in waiting]}")


@pytest.fixture
def links() -> Iterator[list[Link]]:
    """Every channel, three times: each way of swallowing has its own."""
    ports = counted_from(0)
    made = [Link(channel, way, ports) for channel in Channel for way in WAYS]
    yield made
    for link in made:
        link.close()


def test_every_channel_is_looked_at() -> None:
    """A channel that somebody adds belongs here too."""
    assert set(ENDS) == set(Channel)


def test_a_link_that_swallows_is_found_and_made_again(links: list[Link]) -> None:
    """Both ends find it within two seconds, name channel and peer, and carry again once the network does."""
    carry(links)
    late, healed_s = swallowed(links)
    for _ in range(TRIES - 1):
        if max(late.values()) > FOUND_WITHIN_S + SLACK_S or healed_s > RECOVERED_WITHIN_S:
            again, took_s = swallowed(links)
            late, healed_s = {name: min(late[name], again[name]) for name in late}, min(healed_s, took_s)
    assert max(late.values()) <= FOUND_WITHIN_S + SLACK_S, late
    assert healed_s <= RECOVERED_WITHIN_S


def swallowed(links: list[Link]) -> tuple[dict[tuple[Channel, Swallow], float], float]:
    """All swallow until it is found, and carry again: how late each was found, and how long all took to be well."""
    began_s = {link: link.begin() for link in links}
    until(lambda: all(all(link.found_s) for link in links), links)
    late = {(link.channel, link.way): max(link.found_s) - began_s[link] for link in links}
    for link in links:
        at_binder, at_connector = (losses[0] for losses in link.losses)
        binder = CHANNELS[link.channel].binder
        assert at_connector == Loss(link.channel, f"{binder} at tcp://127.0.0.1:{link.proxy.port}", 1)
        assert at_binder.channel is link.channel
        assert at_binder.peer.startswith("127.0.0.1:")
        link.take_all()
        link.proxy.swallow = "nothing"
    healed_s = time.monotonic()
    carry(links)
    return late, time.monotonic() - healed_s
