"""Sockets as the factory makes them, against peers that break the rules: what is refused, counted, and made good."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from tradingmesh.adapters.zmq_links import Loss
from tradingmesh.adapters.zmq_sockets import MAX_FRAME_BYTES, SocketFactory
from tradingmesh.cli.up_ports import counted_from
from tradingmesh.contract import CHANNELS, Channel, Component, EndpointsSpec
from tradingmesh.core.errors import ConfigError
from tradingmesh.telemetry.metrics import Metrics

DEADLINE_S = 10
DEADLINE_MS = 10_000
HUGE = bytes(100 << 20)


def endpoints(transport: str = "tcp") -> EndpointsSpec:
    """Every channel on a port that is free now."""
    ports = counted_from(0)
    return EndpointsSpec.model_validate(
        {"transport": transport} | {channel.value.replace("-", "_"): {"port": next(ports)} for channel in CHANNELS}
    )


class Processes:
    """Socket factories of several components, as if each were a process of its own."""

    def __init__(self, spec: EndpointsSpec, folder: Path) -> None:
        self._made: list[SocketFactory] = []
        self._folder = folder
        self.spec = spec
        self.metrics = Metrics()
        self.losses: list[Loss] = []
        self._bare: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._peers: list[zmq.Socket[bytes]] = []

    def of(self, component: Component) -> SocketFactory:
        self._made.append(SocketFactory(component, self.spec, ipc_dir=self._folder))
        return self._made[-1]

    def peer(self, kind: int, channel: Channel, *, bind: bool = False) -> "zmq.Socket[bytes]":
        """A socket without any limit, as an attacker would have."""
        made = self._bare.socket(kind)
        if kind == zmq.XPUB:
            made.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._peers.append(made)
        address = f"tcp://127.0.0.1:{self.spec.of(channel).port}"
        if bind:
            _bind(made, address)
        else:
            made.connect(address)
        return made

    def tend_until(self, done: Callable[[], Any]) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while not done():
            assert time.monotonic() < deadline_s, self.metrics.snapshot()["counters"]
            for factory in self._made:
                self.losses += factory.links.tend(self.metrics)

    def count(self, name: str, channel: Channel) -> int:
        value: int = self.metrics.snapshot()["counters"].get(name, {}).get(f"channel={channel}", 0)
        return value

    def close(self) -> None:
        for peer in self._peers:
            peer.close(linger=0)
        self._bare.term()
        for factory in self._made:
            factory.close()


def _bind(made: "zmq.Socket[bytes]", address: str) -> None:
    """What libzmq closes, it closes in the background: who was bound there may be on its way out still."""
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            made.bind(address)
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE or time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
        else:
            return


@pytest.fixture(params=["tcp", "ipc"])
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    made = Processes(endpoints(request.param), tmp_path)
    yield made
    made.close()


@pytest.fixture
def tcp(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(endpoints(), tmp_path)
    yield made
    made.close()


def received(from_: "zmq.Socket[bytes]") -> list[bytes]:
    assert from_.poll(DEADLINE_MS), "nothing came"
    return from_.recv_multipart()


def test_an_address_that_does_not_answer_is_tried_anew(tcp: Processes) -> None:
    """The address of a pod that is gone swallows everything for two minutes; only a new try asks for the name again.

    Here a listener with no room for one more stands for it.
    """
    port = tcp.spec.of(Channel.POSITIONS).port
    with socket.create_server(("127.0.0.1", port), backlog=0), socket.create_connection(("127.0.0.1", port)):
        dealer = tcp.of(Component.FILL_PROCESSOR).dealer(Channel.POSITIONS)
        monitor = dealer.get_monitor_socket(zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED)
        try:
            assert monitor.poll(DEADLINE_MS), "it goes on waiting for an answer"
        finally:
            dealer.disable_monitor()


def test_every_pattern_carries_its_frames(processes: Processes) -> None:
    """REQ and REP, PUSH and PULL, DEALER and ROUTER, PUB and SUB, over both transports; frames of any number."""
    risk, engine = processes.of(Component.RISK_MANAGER), processes.of(Component.EXECUTION_ENGINE)
    processor, collector = processes.of(Component.FILL_PROCESSOR), processes.of(Component.METRICS_COLLECTOR)
    asking, answering = engine.req(Channel.RISK_CHECK), risk.rep(Channel.RISK_CHECK)
    asking.send_multipart([b"a", b"", b"c"])
    assert received(answering) == [b"a", b"", b"c"]
    answering.send_multipart([b"yes"])
    assert received(asking) == [b"yes"]
    pushing, pulling = engine.push(Channel.FILLS), processor.pull(Channel.FILLS)
    assert pushing.poll(DEADLINE_MS, zmq.POLLOUT)
    pushing.send_multipart([b"header", b"payload"], zmq.NOBLOCK)
    assert received(pulling) == [b"header", b"payload"]
    dealing, routing = processor.dealer(Channel.POSITIONS), risk.router(Channel.POSITIONS)
    dealing.send_multipart([b"report"])
    identity, frame = received(routing)
    routing.send_multipart([identity, frame, b"done"])
    assert received(dealing) == [b"report", b"done"]
    hearing, telling = collector.sub(Channel.EVENTS), risk.pub(Channel.EVENTS)
    deadline_s = time.monotonic() + DEADLINE_S
    while not hearing.poll(20):
        assert time.monotonic() < deadline_s
        telling.send_multipart([b"", b"event"])
    assert received(hearing) == [b"", b"event"]


def test_a_huge_frame_ends_the_link_that_brought_it(tcp: Processes) -> None:
    """100 MB to a bound socket: cut off and counted, while another peer goes on; nothing of it is received."""
    pulling = tcp.of(Component.EXECUTION_ENGINE).pull(Channel.ORDERS)
    good = tcp.of(Component.SIGNAL_GENERATOR).push(Channel.ORDERS)
    bad = tcp.peer(zmq.PUSH, Channel.ORDERS)
    bad.send(HUGE)
    tcp.tend_until(lambda: tcp.count("links_lost", Channel.ORDERS))
    assert good.poll(DEADLINE_MS, zmq.POLLOUT)
    good.send_multipart([b"header", b"payload"])
    assert received(pulling) == [b"header", b"payload"]


def test_a_huge_frame_does_not_end_a_subscription(tcp: Processes) -> None:
    """100 MB from the publisher: libzmq gives that link up for good, so it is made again, and counted."""
    publisher = tcp.peer(zmq.XPUB, Channel.MARKET_DATA, bind=True)
    hearing = tcp.of(Component.SIGNAL_GENERATOR).sub(Channel.MARKET_DATA, ["IBM"])
    assert received(publisher) == [b"\x01IBM\0"]
    publisher.send_multipart([b"IBM\0", HUGE])
    tcp.tend_until(lambda: tcp.count("links_renewed", Channel.MARKET_DATA))
    while received(publisher) != [b"\x01IBM\0"]:
        pass
    publisher.send_multipart([b"IBM\0", b"good"])
    assert received(hearing) == [b"IBM\0", b"good"]
    assert tcp.count("links_lost", Channel.MARKET_DATA) == 1


def test_a_peer_that_goes_and_comes_is_libzmqs_own_affair(tcp: Processes) -> None:
    """A publisher that restarts is found again without our doing."""
    publisher = tcp.peer(zmq.XPUB, Channel.MARKET_DATA, bind=True)
    hearing = tcp.of(Component.SIGNAL_GENERATOR).sub(Channel.MARKET_DATA, ["IBM"])
    received(publisher)
    publisher.close(linger=0)
    tcp.tend_until(lambda: tcp.count("links_lost", Channel.MARKET_DATA))
    again = tcp.peer(zmq.XPUB, Channel.MARKET_DATA, bind=True)
    tcp.tend_until(lambda: hearing.poll(0) or again.poll(0))  # a SUB subscribes anew when it is next looked at
    again.recv()
    again.send_multipart([b"IBM\0", b"good"])
    assert received(hearing) == [b"IBM\0", b"good"]
    assert tcp.count("links_renewed", Channel.MARKET_DATA) == 0


def test_a_lost_link_is_told_with_its_peer(tcp: Processes) -> None:
    """Where this side connects, which component it was, and where; where it binds, who had come from which address."""
    pulling = tcp.of(Component.EXECUTION_ENGINE)
    bound = pulling.pull(Channel.ORDERS)
    pushing = tcp.of(Component.SIGNAL_GENERATOR)
    lost = pushing.push(Channel.ORDERS)
    assert lost.poll(DEADLINE_MS, zmq.POLLOUT)
    tcp.tend_until(lambda: tcp.count("links_made", Channel.ORDERS) == 2)
    lost.close()
    tcp.tend_until(lambda: tcp.losses)
    [loss] = tcp.losses
    assert (loss.channel, loss.lost) == (Channel.ORDERS, 1)
    assert loss.peer.startswith("127.0.0.1:")
    again = pushing.push(Channel.ORDERS)
    assert again.poll(DEADLINE_MS, zmq.POLLOUT)
    tcp.losses.clear()
    bound.close(linger=0)
    tcp.tend_until(lambda: tcp.losses)
    assert tcp.losses[-1] == Loss(Channel.ORDERS, f"execution-engine at tcp://127.0.0.1:{tcp.spec.orders.port}", 1)


def test_who_does_not_speak_zeromq_right_is_counted(tcp: Processes) -> None:
    """A greeting with an unknown mechanism, and one that is no greeting: both end, and the service hears others."""
    pulling = tcp.of(Component.EXECUTION_ENGINE).pull(Channel.ORDERS)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"BOGUS".ljust(20, b"\0") + bytes(32)
    with socket.create_connection(("127.0.0.1", tcp.spec.orders.port)) as stranger:
        stranger.sendall(greeting)
        tcp.tend_until(lambda: tcp.count("handshakes_failed", Channel.ORDERS))
    with socket.create_connection(("127.0.0.1", tcp.spec.orders.port)) as stranger:
        stranger.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    tcp.tend_until(lambda: tcp.count("links_lost", Channel.ORDERS))
    good = tcp.of(Component.SIGNAL_GENERATOR).push(Channel.ORDERS)
    assert good.poll(DEADLINE_MS, zmq.POLLOUT)
    good.send(b"x")
    assert received(pulling) == [b"x"]


def test_every_socket_has_its_limits(tcp: Processes) -> None:
    """Marks, linger, largest frame and heartbeats, whichever kind of socket it is."""
    factory = tcp.of(Component.RISK_MANAGER)
    made = [
        factory.rep(Channel.RISK_CHECK),
        factory.router(Channel.POSITIONS),
        factory.sub(Channel.MARKET_DATA),
        factory.pub(Channel.EVENTS),
    ]
    wanted = {
        zmq.SNDHWM: 1000,
        zmq.RCVHWM: 1000,
        zmq.LINGER: 100,
        zmq.MAXMSGSIZE: MAX_FRAME_BYTES,
        zmq.HEARTBEAT_IVL: 250,
        zmq.HEARTBEAT_TIMEOUT: 1500,
        zmq.HEARTBEAT_TTL: 2000,
    }
    for one in made:
        assert {option: one.getsockopt(option) for option in wanted} == wanted


def test_a_late_answer_is_not_taken_for_a_new_one(tcp: Processes) -> None:
    """REQ asks again after a timeout, and the first answer, when it comes at last, is dropped."""
    asking = tcp.of(Component.EXECUTION_ENGINE).req(Channel.RISK_CHECK)
    answering = tcp.peer(zmq.ROUTER, Channel.RISK_CHECK, bind=True)
    asking.send(b"first")
    *first, _ = received(answering)
    asking.send(b"second")
    *second, _ = received(answering)
    answering.send_multipart([*first, b"answer to the first"])
    answering.send_multipart([*second, b"answer to the second"])
    assert received(asking) == [b"answer to the second"]


def test_a_push_does_not_queue_for_nobody(tcp: Processes) -> None:
    """Without a connected peer it says so at once."""
    pushing = tcp.of(Component.SIGNAL_GENERATOR).push(Channel.ORDERS)
    with pytest.raises(zmq.Again):
        pushing.send(b"order", zmq.NOBLOCK)


def test_a_taken_port_is_told_with_its_holder(tcp: Processes) -> None:
    """Which channel, which port, and by whom it is held."""
    port = tcp.spec.risk_check.port
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(ConfigError, match=f"risk-check: port {port} is in use by"),
    ):
        tcp.of(Component.RISK_MANAGER).rep(Channel.RISK_CHECK)


def test_ipc_needs_its_folder() -> None:
    """And the error names the setting."""
    factory = SocketFactory(Component.RISK_MANAGER, endpoints("ipc"))
    with pytest.raises(ConfigError, match="TRADINGMESH_IPC_DIR"):
        factory.rep(Channel.RISK_CHECK)
    factory.close()
