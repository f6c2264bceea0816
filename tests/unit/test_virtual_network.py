"""What the simulated network does to messages when links are slow, full, mute or broken."""

from random import Random
from typing import Any

import pytest
import zmq

from tradingmesh.contract import Channel, Component
from tradingmesh.testing.virtual_network import HEARTBEAT_NS, RECONNECT_NS, Network
from tradingmesh.testing.virtual_sockets import VirtualSocket, VirtualSockets
from tradingmesh.testing.virtual_time import VirtualTime

MS = 1_000_000


class Wires:
    """An engine that pushes to processors."""

    def __init__(self, capacity: int = 1_000, seed: int = 3) -> None:
        self.time = VirtualTime()
        self.network = Network(self.time, Random(seed), delay_ns=5 * MS, capacity=capacity)  # noqa: S311 - replayable
        self.push = self.sockets(Component.EXECUTION_ENGINE).push(Channel.FILLS)

    def sockets(self, component: Component) -> VirtualSockets:
        return VirtualSockets(component, self.network, lambda _: None)

    def pull(self) -> VirtualSocket:
        pull = self.sockets(Component.FILL_PROCESSOR).pull(Channel.FILLS)
        self.wait(50 * MS)
        return pull

    def wait(self, for_ns: int) -> None:
        self.time.run_until(self.time.now_ns + for_ns)

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.push.send_multipart([b"%d" % number])


def got(pull: VirtualSocket) -> list[int]:
    numbers = []
    while pull.readable:
        numbers.append(int(pull.recv_multipart()[0]))
    return numbers


def test_one_link_keeps_the_order() -> None:
    """However long each message takes."""
    wires = Wires()
    pull = wires.pull()
    wires.send(*range(100))
    wires.wait(1_000 * MS)
    assert got(pull) == list(range(100))


def test_two_links_do_not() -> None:
    """What was sent later may be there before."""
    wires = Wires()
    pulls = [wires.pull(), wires.pull()]
    arrived: list[int] = []
    for pull in pulls:
        pull.on_arrival = lambda pull=pull: arrived.extend(got(pull))  # type: ignore[misc]
    wires.send(*range(50))
    wires.wait(1_000 * MS)
    assert sorted(arrived) == list(range(50))
    assert arrived != sorted(arrived)


def test_a_full_link_takes_no_more_until_something_is_read() -> None:
    """On its way or unread counts alike."""
    wires = Wires(capacity=2)
    pull = wires.pull()
    wires.send(1, 2)
    with pytest.raises(zmq.Again):
        wires.send(3)
    wires.wait(200 * MS)
    with pytest.raises(zmq.Again):
        wires.send(3)
    assert got(pull) == [1, 2]
    wires.send(3)


def test_a_broken_link_loses_the_end_of_what_was_on_its_way_and_is_made_again() -> None:
    """What had arrived can still be read. Of the rest all may be lost, a part, or nothing: by chance, as on a wire."""
    outcomes = set()
    for seed in range(40):
        wires = Wires(seed=seed)
        pull = wires.pull()
        wires.send(1)
        wires.wait(200 * MS)
        wires.send(2, 3)
        wires.network.cut(wires.network.links()[0])
        with pytest.raises(zmq.Again):
            wires.send(9)
        wires.wait(RECONNECT_NS + 50 * MS)
        wires.send(4)
        wires.wait(200 * MS)
        outcomes.add(tuple(got(pull)))
    assert outcomes == {(1, 4), (1, 2, 4), (1, 2, 3, 4)}


def test_a_closed_socket_takes_nothing_more() -> None:
    """What was on its way to a process that ended is lost, whatever is out on the wire."""
    wires = Wires()
    pull = wires.pull()
    wires.send(1, 2)
    pull.close()
    wires.wait(500 * MS)
    assert got(pull) == []


def test_a_short_silence_delays_and_a_long_one_breaks() -> None:
    """Heartbeats do not notice the first and do notice the second."""
    wires = Wires()
    pull = wires.pull()
    (link,) = wires.network.links()
    wires.network.stall(link, 1_000 * MS)
    wires.send(1)
    wires.wait(900 * MS)
    assert got(pull) == []
    wires.wait(300 * MS)
    assert got(pull) == [1]
    wires.network.stall(link, 3_000 * MS)
    wires.send(2)
    wires.wait(HEARTBEAT_NS + MS)
    assert wires.network.links() == []
    wires.wait(3_000 * MS)
    wires.send(3)
    wires.wait(200 * MS)
    assert got(pull) == [3]


def test_a_process_may_end_before_or_after_each_message() -> None:
    """Before, nobody hears it; after, everybody does."""
    wires, steps = Wires(), []

    def step(what: str) -> None:
        steps.append(what)
        if len(steps) > 1:
            raise KeyboardInterrupt

    dying: Any = VirtualSockets(Component.FILL_PROCESSOR, wires.network, step)
    acks, pull = dying.push(Channel.FILL_ACKS), wires.sockets(Component.EXECUTION_ENGINE).pull(Channel.FILL_ACKS)
    wires.wait(50 * MS)
    with pytest.raises(KeyboardInterrupt):
        acks.send_multipart([b"1"])
    with pytest.raises(KeyboardInterrupt):
        acks.send_multipart([b"2"])
    wires.wait(500 * MS)
    assert got(pull) == [1]
    dying.close()
    assert wires.network.links() == []
