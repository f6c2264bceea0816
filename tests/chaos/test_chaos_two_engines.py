"""Two execution engines on one account, each with an outbox of its own: only the newer one sends orders.

Both hear of every execution of the account, and tell it under their own numbers: it counts once.
"""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.cli.up_ports import counted_from
from tradingmesh.contract import Channel, Component
from tradingmesh.core.checks import Approved, ApprovedSignal, RiskCheckRequest, Stage
from tradingmesh.core.signal import Side, Signal
from tradingmesh.runtime.settings import load_manifest
from tradingmesh.wire.messages import APPROVED_SIGNAL, RISK_CHECK_REQUEST, RISK_CHECK_RESPONSE

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]
OLD, NEW = "execution-engine", "execution-engine-2"
PROCESSORS = "fill-processor-of-the-old", "fill-processor-of-the-new"
SIGNALS, SIGNALS_SHORT = 100, 5
_ELSEWHERE = "import os\nos.environ['TRADINGMESH_SYSTEM_FILE'] = {path!r}\n"


class Generator:
    """In the place of the signal generator: has signals approved, and hands each to the engine of its choice."""

    def __init__(self, mesh: Any, manifests: dict[str, Path]) -> None:
        self._mesh = mesh
        endpoints = {engine: load_manifest(path).spec.endpoints for engine, path in manifests.items()}
        self._factories = {engine: SocketFactory(Component.SIGNAL_GENERATOR, e) for engine, e in endpoints.items()}
        self._orders = {engine: factory.push(Channel.ORDERS) for engine, factory in self._factories.items()}
        self._risk = self._factories[OLD].req(Channel.RISK_CHECK)
        self._asks = Sender(RISK_CHECK_REQUEST, "generator", 5)
        self._signals = Sender(APPROVED_SIGNAL, "generator", 5)
        self._count = 0

    def approved(self) -> ApprovedSignal:
        """A signal that the risk manager approves, as soon as there are quotes to check it by."""
        while True:
            self._count += 1
            now_ns = time.time_ns()
            name = f"s-{self._count}"
            signal = Signal(name, "s", "IBM", Side.BUY, Decimal(1), Decimal(100), now_ns, now_ns + 20 * 10**9)
            request = RiskCheckRequest(f"{name}/signal", Stage.SIGNAL, signal, Decimal(100), now_ns)
            self._risk.send_multipart(self._asks.frames(request, now_ns))
            assert self._risk.poll(10_000)
            result = read(RISK_CHECK_RESPONSE, self._risk.recv_multipart())[1].result
            if isinstance(result, Approved):
                return ApprovedSignal(signal, result)
            time.sleep(0.05)

    def send(self, engine: str) -> str:
        """Hands an approved signal to that engine; returns its id."""
        approved = self.approved()
        self._mesh.wait(lambda: self._orders[engine].poll(0, zmq.POLLOUT))
        self._orders[engine].send_multipart(self._signals.frames(approved, time.time_ns()))
        return approved.signal.signal_id

    def close(self) -> None:
        """Goes away."""
        for factory in self._factories.values():
            factory.close()


@pytest.fixture
def generator(mesh: Any, tmp_path: Path) -> Iterator[Generator]:
    """A mesh without strategies, and a second engine that listens elsewhere; each has its fill processor."""
    mesh.spec["riskLimits"]["duplicateWindow"] = "0s"
    mesh.add(Component.EXECUTION_ENGINE, NEW)
    for processor in PROCESSORS:
        mesh.add(Component.FILL_PROCESSOR, processor)
    mesh.plan()
    taken = [endpoint["port"] for endpoint in mesh.spec["endpoints"].values()]
    ports = counted_from(0, taken)
    other = yaml.safe_load(mesh.system_file.read_text())
    for channel in ("orders", "fills", "fillAcks"):
        other["spec"]["endpoints"][channel] = {"port": next(ports)}
    path = tmp_path / "elsewhere.yaml"
    path.write_text(yaml.safe_dump(other))
    for name in (NEW, PROCESSORS[1]):
        mesh.prelude[name] = _ELSEWHERE.format(path=str(path))
    made = Generator(mesh, {OLD: mesh.system_file, NEW: path})
    yield made
    made.close()


def sent_by(mesh: Any, engine: str) -> set[str]:
    """The signals of which the broker has an order of that engine."""
    epoch = mesh.status(engine)["outbox_epoch"]
    orders = mesh.broker("GET", "/v2/orders?status=all&limit=500")
    mark = f"-e{epoch}"
    return {o["client_order_id"].removeprefix("tm-").removesuffix(mark) for o in orders if mark in o["client_order_id"]}


def test_the_older_of_two_engines_sends_nothing(mesh: Any, generator: Generator, full: bool) -> None:  # noqa: FBT001
    """The first check of the newer one fences the older one off: no order of it leaves, and it says so."""
    mesh.start("alpaca-simulator", "market-data-feed", "risk-manager", OLD, *PROCESSORS)
    mesh.play()
    first = generator.send(OLD)
    mesh.wait(lambda: sent_by(mesh, OLD) == {first})
    mesh.wait(lambda: mesh.booked() >= mesh.executed() > 0)
    mesh.start(NEW)
    mesh.wait(lambda: mesh.counter(NEW, "reports_acked") > 0)  # what it found is the ledger's, while nothing fills
    assert mesh.ready(OLD)
    taken_over = generator.send(NEW)
    mesh.wait(lambda: sent_by(mesh, NEW) == {taken_over})
    for _ in range(SIGNALS if full else SIGNALS_SHORT):
        generator.send(OLD)
    mesh.wait(lambda: mesh.status(OLD)["signals"] == 1 + (SIGNALS if full else SIGNALS_SHORT))
    mesh.wait(lambda: not mesh.status(OLD)["orders_posting"])
    assert sent_by(mesh, OLD) == {first}
    (reason,) = mesh.reasons(OLD)
    assert "has taken over" in reason
    assert mesh.config(OLD)["metrics"]["gauges"]["engine_fenced"] == {"": 1}
    assert mesh.ready(NEW)
    last = generator.send(NEW)
    mesh.wait(lambda: sent_by(mesh, NEW) == {taken_over, last})
    mesh.settle()
    for engine in (OLD, NEW):  # both have told of all, and of none is there a word outstanding
        mesh.wait(lambda name=engine: mesh.status(name).get("backlog") == 0)
        assert mesh.counter(engine, "reports_acked") >= mesh.executed()
    risk, broker = mesh.status("risk-manager"), mesh.state()
    assert (risk["reports_kept"], Decimal(risk["cash"])) == (0, Decimal(broker["cash"]))
    found = mesh.audit()
    assert (found.lost, found.doubled, found.differences) == (0, 0, ())
