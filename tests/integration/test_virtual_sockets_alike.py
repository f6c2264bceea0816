"""The sockets of the simulation beside ZeroMQ's own: each script must go alike on both.

A simulation on sockets that are kinder than the real ones would prove nothing.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import zmq

from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.contract import Channel, Component, EndpointsSpec
from tradingmesh.testing.virtual_network import Network
from tradingmesh.testing.virtual_sockets import VirtualSockets
from tradingmesh.testing.virtual_time import VirtualTime

DEADLINE_S = 10.0
QUIET_S = 0.1
QUIET_PARTS = 20


class Real:
    """Processes that talk over libzmq."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[SocketFactory] = []

    def process(self, component: Component | None) -> Any:
        """The sockets of a process."""
        factory = SocketFactory(component, EndpointsSpec(transport="ipc"), ipc_dir=self._folder)
        self._made.append(factory)
        return factory

    def until(self, condition: Callable[[], object]) -> None:
        """Waits."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline_s
            time.sleep(0.002)

    def quiet(self) -> None:
        """Time for what will not come, in parts: of a stop of the whole machine only one of them is taken up."""
        for _ in range(QUIET_PARTS):
            time.sleep(QUIET_S / QUIET_PARTS)

    def close(self) -> None:
        """Lets go."""
        for factory in self._made:
            factory.close()


class Virtual:
    """Processes that talk over the simulation's network."""

    def __init__(self) -> None:
        self._time = VirtualTime()
        self._network = Network(self._time, Random(7), delay_ns=1_000_000, capacity=1_000)  # noqa: S311 - replayable

    def process(self, component: Component | None) -> Any:
        """The sockets of a process."""
        return VirtualSockets(component, self._network, lambda _: None)

    def until(self, condition: Callable[[], object]) -> None:
        """Waits."""
        self._time.run_until(self._time.now_ns + int(DEADLINE_S * 1e9), condition)
        assert condition()

    def quiet(self) -> None:
        """Time for what will not come."""
        self._time.run_until(self._time.now_ns + int(QUIET_S * 1e9))

    def close(self) -> None:
        """Has nothing to let go."""


Wires = Real | Virtual


@pytest.fixture(params=["zeromq", "virtual"])
def wires(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wires]:
    made: Wires = Real(tmp_path) if request.param == "zeromq" else Virtual()
    yield made
    made.close()


def readable(socket: Any) -> Callable[[], object]:
    return lambda: socket.poll(0, zmq.POLLIN)


def writable(socket: Any) -> Callable[[], object]:
    return lambda: socket.poll(0, zmq.POLLOUT)


def test_push_takes_nothing_while_nobody_is_there(wires: Wires) -> None:
    """`IMMEDIATE`: no queue for a peer that may never come."""
    push = wires.process(Component.EXECUTION_ENGINE).push(Channel.FILLS)
    wires.quiet()
    with pytest.raises(zmq.Again):
        push.send_multipart([b"lost?"], zmq.NOBLOCK)
    pull = wires.process(Component.FILL_PROCESSOR).pull(Channel.FILLS)
    wires.until(writable(push))
    push.send_multipart([b"a", b"b"], zmq.NOBLOCK)
    wires.until(readable(pull))
    assert pull.recv_multipart(zmq.NOBLOCK) == [b"a", b"b"]
    with pytest.raises(zmq.Again):
        pull.recv_multipart(zmq.NOBLOCK)


def test_push_takes_turns(wires: Wires) -> None:
    """Four messages for two peers are two for each, in order."""
    push = wires.process(Component.EXECUTION_ENGINE).push(Channel.FILLS)
    pulls = [wires.process(Component.FILL_PROCESSOR).pull(Channel.FILLS) for _ in range(2)]
    wires.until(writable(push))
    wires.quiet()
    for number in range(4):
        push.send_multipart([b"%d" % number], zmq.NOBLOCK)
    for pull in pulls:
        wires.until(readable(pull))
    wires.quiet()
    got = sorted([pull.recv_multipart(zmq.NOBLOCK)[0], pull.recv_multipart(zmq.NOBLOCK)[0]] for pull in pulls)
    assert got == [[b"0", b"2"], [b"1", b"3"]]


def test_push_forgets_who_is_gone(wires: Wires) -> None:
    """What goes out after a peer's end goes to the other."""
    push = wires.process(Component.EXECUTION_ENGINE).push(Channel.FILLS)
    dying, living = wires.process(Component.FILL_PROCESSOR), wires.process(Component.FILL_PROCESSOR)
    dying.pull(Channel.FILLS)
    pull = living.pull(Channel.FILLS)
    wires.until(writable(push))
    wires.quiet()
    dying.close()
    wires.quiet()
    for number in range(3):
        push.send_multipart([b"%d" % number], zmq.NOBLOCK)
    got = []
    for _ in range(3):
        wires.until(readable(pull))
        got.append(pull.recv_multipart(zmq.NOBLOCK)[0])
    assert got == [b"0", b"1", b"2"]


def test_req_never_takes_an_answer_to_an_earlier_question(wires: Wires) -> None:
    """Asked again after a timeout, the late first answer is dropped and the second taken."""
    rep = wires.process(Component.RISK_MANAGER).rep(Channel.RISK_CHECK)
    req = wires.process(Component.SIGNAL_GENERATOR).req(Channel.RISK_CHECK)
    req.send_multipart([b"first"], zmq.NOBLOCK)
    wires.until(readable(rep))
    assert rep.recv_multipart(zmq.NOBLOCK) == [b"first"]
    req.send_multipart([b"second"], zmq.NOBLOCK)
    rep.send_multipart([b"to the first"])
    wires.until(readable(rep))
    assert rep.recv_multipart(zmq.NOBLOCK) == [b"second"]
    wires.quiet()
    with pytest.raises(zmq.Again):
        req.recv_multipart(zmq.NOBLOCK)
    rep.send_multipart([b"to the second"])
    wires.until(readable(req))
    assert req.recv_multipart(zmq.NOBLOCK) == [b"to the second"]


def test_req_keeps_its_question_until_somebody_is_there(wires: Wires) -> None:
    """It was asked before there was anybody to ask."""
    req = wires.process(Component.SIGNAL_GENERATOR).req(Channel.RISK_CHECK)
    req.send_multipart([b"anybody?"], zmq.NOBLOCK)
    wires.quiet()
    rep = wires.process(Component.RISK_MANAGER).rep(Channel.RISK_CHECK)
    wires.until(readable(rep))
    assert rep.recv_multipart(zmq.NOBLOCK) == [b"anybody?"]


def test_rep_reads_and_answers_in_turn(wires: Wires) -> None:
    """Neither two questions without an answer, nor an answer without a question; one to who is gone goes nowhere."""
    rep = wires.process(Component.RISK_MANAGER).rep(Channel.RISK_CHECK)
    asker = wires.process(Component.SIGNAL_GENERATOR)
    with pytest.raises(zmq.ZMQError):
        rep.send_multipart([b"unasked"])
    asker.req(Channel.RISK_CHECK).send_multipart([b"question"], zmq.NOBLOCK)
    wires.until(readable(rep))
    rep.recv_multipart(zmq.NOBLOCK)
    with pytest.raises(zmq.ZMQError):
        rep.recv_multipart(zmq.NOBLOCK)
    asker.close()
    wires.quiet()
    rep.send_multipart([b"to nobody"])


def test_router_answers_its_asker_and_raises_for_one_that_is_gone(wires: Wires) -> None:
    """Identities are the router's; each life of a peer has its own."""
    router = wires.process(Component.RISK_MANAGER).router(Channel.POSITIONS)
    process = wires.process(Component.FILL_PROCESSOR)
    dealer = process.dealer(Channel.POSITIONS)
    wires.until(writable(dealer))
    dealer.send_multipart([b"report"], zmq.NOBLOCK)
    wires.until(readable(router))
    identity, *frames = router.recv_multipart(zmq.NOBLOCK)
    assert frames == [b"report"]
    router.send_multipart([identity, b"booked"], zmq.NOBLOCK)
    wires.until(readable(dealer))
    assert dealer.recv_multipart(zmq.NOBLOCK) == [b"booked"]
    process.close()
    wires.quiet()
    with pytest.raises(zmq.ZMQError):
        router.send_multipart([identity, b"again"], zmq.NOBLOCK)


def test_sub_hears_its_topics_only_and_pub_waits_for_nobody(wires: Wires) -> None:
    """By message and frame by frame; what was said before it joined is gone."""
    pub = wires.process(Component.MARKET_DATA_FEED).pub(Channel.MARKET_DATA)
    pub.send_multipart([b"IBM\0", b"early", b"-"])
    sub = wires.process(Component.SIGNAL_GENERATOR).sub(Channel.MARKET_DATA, ["IBM"])
    wires.quiet()
    for topic in (b"BAC\0", b"IBM\0", b"IBMX\0", b"IBM\0"):
        pub.send_multipart([topic, b"head", b"body"])
    wires.until(readable(sub))
    wires.quiet()
    assert sub.recv_multipart(zmq.NOBLOCK) == [b"IBM\0", b"head", b"body"]
    assert sub.recv(zmq.NOBLOCK) == b"IBM\0"
    assert sub.recv(zmq.NOBLOCK) == b"head"
    last = sub.recv(zmq.NOBLOCK, copy=False)
    assert (last.bytes, last.more) == (b"body", False)
    with pytest.raises(zmq.Again):
        sub.recv(zmq.NOBLOCK)
