"""A risk manager that is dead, slow, or answers garbage: nothing is ordered without its approval, and in time.

Between the real risk manager and those who ask it sits the test, which passes answers on or spoils them. The truth is
the broker's: its orders must be exactly those whose both checks were answered with untouched approvals in time.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.cli.up_ports import counted_from
from tradingmesh.contract import Channel, Component, EndpointsSpec
from tradingmesh.core.checks import Approved, Check, RiskCheckResponse, Stage
from tradingmesh.core.errors import WireError
from tradingmesh.core.events import OrderRejected, SignalRejected
from tradingmesh.wire.messages import (
    CONTROL_RESPONSE,
    RISK_CHECK_REQUEST,
    RISK_CHECK_RESPONSE,
    SYSTEM_EVENT,
    ControlResponse,
)

pytestmark = pytest.mark.processes
TIMEOUT_MS = 300
PROMISED_MS = TIMEOUT_MS + 50
SLACK_MS = 1_000
"""What a machine may be late that runs everything else of this test, too."""
HUGE = bytes(100 << 20)
STRATEGY = '''
from decimal import Decimal
from tradingmesh.core.signal import Side
from tradingmesh.core.strategy import NONE, Strategy, Wish

class Eager(Strategy):
    """Wishes whenever its last wish was answered, and some market time has passed since."""

    def __init__(self):
        self.count, self.pending, self.next_ns = 0, False, 0

    def on_trade(self, trade):
        if self.pending or trade.timestamp_ns < self.next_ns:
            return NONE
        self.count, self.pending, self.next_ns = self.count + 1, True, trade.timestamp_ns + 150_000_000
        return [Wish("IBM", Side.BUY, Decimal(self.count % 900 + 1), trade.price_e4)]

    def on_approved(self, wish):
        self.pending = False

    def on_refused(self, wish):
        self.pending = False
'''
_THROUGH = """
import os
os.environ["TRADINGMESH_STRATEGY_PATH"] = {folder!r}
from tradingmesh.adapters.zmq_sockets import SocketFactory
_direct = SocketFactory.address
def _address(self, channel, *, bind):
    return {address!r} if channel == "risk-check" else _direct(self, channel, bind=bind)
SocketFactory.address = _address
"""


class Meddler:
    """A thread between the askers and the risk manager.

    `spoils` says by stage what it does to answers: each of its ways once, in an order left to chance, then again; "" is
    nothing. `spoiled` has what it did, `approved` the requests whose answer was an untouched approval.
    """

    def __init__(self, port: int, target_port: int, seed: int) -> None:
        self.address = f"tcp://127.0.0.1:{port}"
        self.spoils: dict[Stage, list[str]] = {}
        self.asked_ns: dict[str, int] = {}
        self.approved: set[str] = set()
        self.spoiled: list[tuple[Stage, str]] = []
        self._to_do: dict[Stage, list[str]] = {stage: [] for stage in Stage}
        self._chance = random.Random(seed)  # noqa: S311 - replayable is what it must be
        self._delayed: list[tuple[float, list[bytes]]] = []
        self._garbler = Sender(RISK_CHECK_RESPONSE, "meddler", 1)
        self._foreign = Sender(CONTROL_RESPONSE, "meddler", 1)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._askers = self._context.socket(zmq.ROUTER)
        self._risk = self._context.socket(zmq.DEALER)
        self._risk.setsockopt(zmq.IMMEDIATE, 1)
        self._askers.bind(self.address)
        self._risk.connect(f"tcp://127.0.0.1:{target_port}")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        poller = zmq.Poller()
        for socket in (self._askers, self._risk):
            poller.register(socket, zmq.POLLIN)
        while not self._stopping.is_set():
            ready = dict(poller.poll(10))
            if self._askers in ready:
                self._pass_on(self._askers.recv_multipart())
            if self._risk in ready:
                self._answer(self._risk.recv_multipart())
            while self._delayed and self._delayed[0][0] <= time.monotonic():
                self._askers.send_multipart(self._delayed.pop(0)[1])

    def _pass_on(self, frames: list[bytes]) -> None:
        request = read(RISK_CHECK_REQUEST, frames[-2:])[1]
        self.asked_ns[request.request_id] = request.timestamp_ns
        with suppress(zmq.Again):  # the risk manager is dead: nobody answers
            self._risk.send_multipart(frames, zmq.NOBLOCK)

    def _answer(self, frames: list[bytes]) -> None:
        *envelope, header, body = frames
        response = read(RISK_CHECK_RESPONSE, [header, body])[1]
        stage = stage_of(response.request_id)
        way = self._way(stage)
        if not way:
            self._approve(response)
            self._askers.send_multipart(frames)
            return
        self.spoiled.append((stage, way))
        if way == "slow":
            self._delayed.append((time.monotonic() + 1.5 * TIMEOUT_MS / 1_000, frames))
        elif way != "silent":
            self._askers.send_multipart([*envelope, *getattr(self, f"_{way}")(response, header, body)])

    def _way(self, stage: Stage) -> str:
        spoils = self.spoils.get(stage, [])
        if not self._to_do[stage] or not spoils:
            self._to_do[stage] = self._chance.sample(spoils, len(spoils))
        return self._to_do[stage].pop() if spoils else ""

    def _approve(self, response: RiskCheckResponse) -> None:
        if isinstance(response.result, Approved):
            self.approved.add(response.request_id)

    # What becomes of an answer. Each says yes, as far as it says anything.

    def _bytes(self, *_: object) -> list[bytes]:
        return [self._chance.randbytes(72), self._chance.randbytes(self._chance.randrange(200))]

    def _flipped(self, _: RiskCheckResponse, header: bytes, body: bytes) -> list[bytes]:
        """The request id differs in one letter."""
        decoded = msgspec.msgpack.decode(body)
        decoded["request_id"] = decoded["request_id"][:-1] + "~"
        return [header, msgspec.msgpack.encode(decoded)]

    def _earlier(self, response: RiskCheckResponse, *_: object) -> list[bytes]:
        """An approval, of another request."""
        other = self._chance.choice(sorted(self.asked_ns))
        return self._yes(response, other + "-x" if other == response.request_id else other, "")

    def _reservation(self, response: RiskCheckResponse, *_: object) -> list[bytes]:
        """An approval of the right request, for another reservation."""
        return self._yes(response, response.request_id, "r-eager-1-1")

    def _yes(self, response: RiskCheckResponse, request_id: str, reservation_id: str) -> list[bytes]:
        result = response.result
        if reservation_id or not isinstance(result, Approved):
            result = Approved(reservation_id or "r-x", time.time_ns() + 10**12, (Check.REQUEST,))
        return self._garbler.frames(msgspec.structs.replace(response, request_id=request_id, result=result), 1)

    def _kind(self, *_: object) -> list[bytes]:
        return self._foreign.frames(ControlResponse(ok=True, message="yes"), 1)

    def _frames(self, _: RiskCheckResponse, header: bytes, body: bytes) -> list[bytes]:
        return [header, body] * self._chance.randint(2, 40)

    def _lone(self, _: RiskCheckResponse, header: bytes, __: bytes) -> list[bytes]:
        return [header]

    def _huge(self, _: RiskCheckResponse, header: bytes, __: bytes) -> list[bytes]:
        return [header, HUGE]


WAYS = ["silent", "slow", "bytes", "flipped", "earlier", "reservation", "kind", "frames", "lone"]


def stage_of(request_id: str) -> Stage:
    """The generator asks by the signal's id, the engine by that of its order."""
    return Stage.SIGNAL if request_id.endswith("/signal") else Stage.ORDER


class Refusals:
    """What was refused, and when, by the events of those who asked."""

    def __init__(self, endpoints: EndpointsSpec) -> None:
        self._factory = SocketFactory(Component.METRICS_COLLECTOR, endpoints)
        self._events = self._factory.sub(Channel.EVENTS)
        self.refused_ns: dict[str, int] = {}
        self.reasons: dict[str, str] = {}

    def hear(self) -> None:
        """Takes what has come. A refusal is known by the request that it answers."""
        while self._events.poll(0):
            try:
                event = read(SYSTEM_EVENT, self._events.recv_multipart())[1]
            except WireError:
                continue
            if isinstance(event, SignalRejected):
                self._note(f"{event.signal.signal_id}/signal", event.metadata.timestamp_ns, event.reason)
            elif isinstance(event, OrderRejected):
                self._note(event.client_order_id, event.metadata.timestamp_ns, event.reason)

    def _note(self, request_id: str, at_ns: int, reason: str) -> None:
        self.refused_ns.setdefault(request_id, at_ns)
        self.reasons.setdefault(request_id, reason)

    def close(self) -> None:
        self._factory.close()


@pytest.fixture
def meddler(mesh: Any, seed: int, tmp_path: Path) -> Iterator[Meddler]:
    """All of the mesh that trades, but the events' end, and whoever asks the risk manager asks the test."""
    mesh.spec["symbols"] = ["IBM"]
    mesh.spec["fillProcessors"] = {"replicas": 1}
    mesh.spec["strategies"] = [{"name": "eager", "uses": "eager_of_the_test:Eager", "symbols": ["IBM"]}]
    mesh.spec["endpoints"]["riskCheck"]["timeout"] = f"{TIMEOUT_MS}ms"
    mesh.spec["riskLimits"]["duplicateWindow"] = "0s"
    (tmp_path / "eager_of_the_test.py").write_text(STRATEGY, encoding="utf-8")
    made = Meddler(next(counted_from(0)), mesh.spec["endpoints"]["riskCheck"]["port"], seed)
    for asker in ("signal-generator", "execution-engine"):
        mesh.prelude[asker] = _THROUGH.format(folder=str(tmp_path), address=made.address)
    yield made
    made.close()


@pytest.fixture
def refusals(mesh: Any) -> Iterator[Refusals]:
    made = Refusals(EndpointsSpec.model_validate(mesh.spec["endpoints"]))
    yield made
    made.close()


class Trial:
    """A mesh under a meddler, and what the broker and the events say of it."""

    def __init__(self, mesh: Any, meddler: Meddler, refusals: Refusals) -> None:
        self.mesh, self.meddler, self.refusals = mesh, meddler, refusals
        mesh.start("alpaca-simulator")
        rest = ("risk-manager", "execution-engine", "fill-processor", "market-data-feed", "signal-generator")
        mesh.start(*rest, ready=False)
        mesh.wait(lambda: all(mesh.ready(name) for part in rest for name in mesh.instances(part)), deadline_s=60)
        mesh.play()

    def until(self, done: Callable[[], object]) -> None:
        """Lets it run."""

        def look() -> object:
            self.refusals.hear()
            return done()

        self.mesh.wait(look, deadline_s=120)

    def orders(self) -> set[str]:
        """The broker's orders, by the id of their second check."""
        return {order["client_order_id"] for order in self.mesh.broker("GET", "/v2/orders?status=all&limit=500")}

    def orders_on(self, more: int) -> None:
        """Until that many more orders came about."""
        wanted = len(self.orders()) + more
        self.until(lambda: len(self.orders()) >= wanted)

    def refused_on(self, more: int, stage: Stage) -> None:
        """Until that many more were refused at that stage."""

        def count() -> int:
            return sum(stage_of(name) is stage for name in self.refusals.refused_ns)

        wanted = count() + more
        self.until(lambda: count() >= wanted)

    def in_time(self, began: int) -> None:
        """Whatever was refused since then was refused within what is promised: mostly to the letter, always nearly."""
        late_ms = sorted(
            (at_ns - self.meddler.asked_ns[name]) / 1e6
            for name, at_ns in list(self.refusals.refused_ns.items())[began:]
            if name in self.meddler.asked_ns
        )
        assert late_ms, "nothing was refused"
        assert late_ms[len(late_ms) // 2] <= PROMISED_MS
        assert late_ms[-1] <= PROMISED_MS + SLACK_MS


@pytest.fixture
def trial(mesh: Any, meddler: Meddler, refusals: Refusals) -> Trial:
    return Trial(mesh, meddler, refusals)


def spoil(trial: Trial, rounds: int) -> None:
    """Garbage, silence and slowness at both askers: the broker has what was approved untouched, and no more."""
    trial.meddler.spoils = {Stage.SIGNAL: [*WAYS, *[""] * len(WAYS)], Stage.ORDER: [*WAYS, "", ""]}
    began = len(trial.refusals.refused_ns)
    every = Counter({(stage, way): rounds for stage in Stage for way in WAYS})
    trial.until(lambda: not every - Counter(trial.meddler.spoiled))
    trial.meddler.spoils = {}
    trial.in_time(began)


def send_huge(trial: Trial) -> None:
    """100 MB end the link that brought them: it is made again, and the next questions are answered."""
    trial.meddler.spoiled.clear()
    trial.meddler.spoils = {stage: ["huge", ""] for stage in Stage}
    trial.until(lambda: {stage for stage, _ in trial.meddler.spoiled} == set(Stage))
    trial.meddler.spoils = {}
    trial.orders_on(1)


def kill(trial: Trial) -> None:
    """Each signal is refused in time, nothing reaches the broker. Back again: trading goes on."""
    trial.mesh.kill("risk-manager")
    trial.refused_on(1, Stage.SIGNAL)
    orders, began = trial.orders(), len(trial.refusals.refused_ns)
    trial.refused_on(5, Stage.SIGNAL)
    trial.in_time(began)
    assert trial.orders() == orders
    trial.mesh.start("risk-manager")
    trial.orders_on(1)


@pytest.mark.timeout(600)
def test_nothing_is_ordered_without_approval(trial: Trial, full: bool) -> None:  # noqa: FBT001 - the fixture is one
    """Whatever the risk manager does; and once it is well again, so is trading."""
    trial.orders_on(1)
    for _ in range(5 if full else 1):
        spoil(trial, rounds=4 if full else 1)
        send_huge(trial)
        kill(trial)
    trial.mesh.stop("signal-generator")
    trial.mesh.settle()
    approved, orders = trial.meddler.approved, trial.orders()
    seconds = {name for name in approved if stage_of(name) is Stage.ORDER}
    assert orders <= seconds
    late = [trial.refusals.reasons[name] for name in seconds - orders]  # approved, but heard after its time
    assert all(reason.startswith("risk-check-timeout") for reason in late), late
    assert all(f"{name.removeprefix('tm-').rpartition('-e')[0]}/signal" in approved for name in orders)
