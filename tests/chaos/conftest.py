"""What the tests of chaos share: chosen components as real processes against the simulator, to be ended at will.

    def test_it(mesh: Any, seed: int, full: bool) -> None:
        mesh.spec["fillProcessors"] = {"replicas": 3}        # the manifest may be changed before the first start
        mesh.start("alpaca-simulator", "risk-manager", "execution-engine", "fill-processor")
        mesh.play()                                          # the tape runs; until then it stands still
        mesh.order("IBM", "buy", 50_000)                     # a source of fills: see below
        mesh.kill("fill-processor-1")                        # kill -9; `stop` is SIGTERM, `pause` SIGSTOP
        mesh.start("fill-processor-1")
        mesh.wait(lambda: mesh.booked() >= 500)
        mesh.settle()                                        # no open order, all the broker's fills booked and acked
        assert mesh.audit().differences == ()                # ends the risk manager, and reads its journal

Names are those of instances ("fill-processor-2"), or of a component for all its instances. Everything else:

* `hang(name)` deadlocks the work loop for ever, while its I/O threads go on; `pause`/`carry_on` stop the whole process.
* `prelude[name] = "python code"` is run in the process before its main: to patch a fault into it.
* `add(component, name)` plans one more instance, for example a second execution engine with a folder of its own.
* `status(name)`, `counter(name, metric, labels)`, `reasons(name)` and `fetch(port_of(name), path)` read admin HTTP.
* `broker(method, path, body)` is the broker's REST with the right keys; `state()` its own books, the truth.
* `data_dir / name` is an instance's folder, `log(name)` what it logged, `token` opens the control channel.
* `wait(condition)` fails the test with every log's last words when the condition does not come to hold in time.

Where many real fills come from cheaply: `order` is placed straight at the broker, as another client of the account
would. The engine adopts it and its fills are booked. Its limit is far beyond the market, and each quote displays 100 to
1,000 shares only, so that every quote is one partial fill: at `ticksPerSecond` 500 and speed 1 about 400 a second and
symbol. `trade(fills)` keeps such orders working on every symbol, buys and sells, until there were so many more.
"""

import itertools
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from pydantic import SecretStr

from tradingmesh.adapters.journals import Place
from tradingmesh.cli.supervisor import Child
from tradingmesh.cli.up_audit import Audit, audit
from tradingmesh.cli.up_evidence import JOURNAL, broker_account, read_account
from tradingmesh.cli.up_plan import Process, RunPlace, environment, processes
from tradingmesh.cli.up_ports import counted_from
from tradingmesh.cli.up_watch import fetch
from tradingmesh.contract import Channel, Component
from tradingmesh.runtime.settings import Settings, load_manifest

WAIT_S = 60.0
LOOK_EVERY_S = 0.02
ASK_TIMES = 3
"""A process that runs is asked so often before it is said not to answer: one question times out on a busy machine."""
TOKEN = "a-token-of-the-tests"
KEYS = {"APCA-API-KEY-ID": "key-id", "APCA-API-SECRET-KEY": "secret"}
_CASH = "900000000000"
_START = """
import signal, sys, threading
_held = threading.Lock()
_held.acquire()
signal.signal(signal.SIGUSR1, lambda *_: _held.acquire())
sys.argv = ["tradingmesh", "run", sys.argv[1]]
{prelude}
from tradingmesh.cli.main import main
main()
"""


def _spec() -> dict[str, Any]:
    """Limits that nothing comes near, and cash for any order."""
    ports = counted_from(0)
    large = dict.fromkeys(("maxOrderQuantity", "maxOrderNotional", "maxPositionQuantity", "maxDailyLoss"), _CASH)
    return {
        "symbols": ["IBM", "BAC", "KO"],
        "broker": {
            "commissionPerShare": "0.0035",
            "simulator": {"cash": _CASH, "duration": "60m", "ticksPerSecond": 500, "speed": 1},
        },
        "endpoints": {_camel(channel): {"port": next(ports)} for channel in Channel},
        "riskLimits": {
            **large,
            "maxPositionNotional": _CASH,
            "maxGrossNotional": _CASH,
            "maxOpenOrders": 1_000_000,
            "maxOrdersPerMinute": 1_000_000,
            "priceCollarPercent": "50",
            "maxQuoteAge": "60s",
        },
    }


def _camel(channel: Channel) -> str:
    head, *rest = channel.split("-")
    return head + "".join(word.title() for word in rest)


class Mesh:
    """Processes of one TradingSystem in a folder of the test's own. See the head of this file."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.spec = _spec()
        self.chance = random.Random(seed)  # noqa: S311 - replayable is what it must be
        self.prelude: dict[str, str] = {}
        self.token = TOKEN
        self.cash = Decimal(_CASH)
        self._place = RunPlace(folder, folder / "data", folder)
        self._place.data_dir.mkdir()
        self._ports = counted_from(0, [endpoint["port"] for endpoint in self.spec["endpoints"].values()])
        self.simulator_port = next(self._ports)
        self._children: dict[str, Child] = {}
        self._added: list[Process] = []
        self._paused: set[str] = set()
        self._orders = itertools.count(1)

    @property
    def data_dir(self) -> Path:
        """Where each instance has its folder."""
        return self._place.data_dir

    @property
    def system_file(self) -> Path:
        """The manifest, written at the first start."""
        return self._place.system_file

    # Processes

    def plan(self) -> None:
        """Fixes the manifest; the first `start` does it."""
        head = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "chaos"}}
        self.system_file.write_text(yaml.safe_dump({**head, "spec": self.spec}), encoding="utf-8")
        spec = load_manifest(self.system_file).spec
        for process in (*processes(spec, self._ports), *self._added):
            self._children[process.instance] = self._child(process)

    def add(self, component: Component, instance: str) -> None:
        """Plans one more instance."""
        process = Process(component, instance, next(self._ports))
        if self._children:
            self._children[instance] = self._child(process)
        else:
            self._added.append(process)

    def start(self, *names: str, ready: bool = True) -> None:
        """Starts them, all at once but for the broker. With `ready`, each is waited for until it says that it is."""
        if not self._children:
            self.plan()
        started = [instance for name in names for instance in self.instances(name)]
        for instance in started:
            child = self._children[instance] = self._child(self._children[instance].process)
            child.start()
            if ready and instance == Component.ALPACA_SIMULATOR:
                self.wait(partial(self.ready, instance))
        for instance in started if ready else ():
            self.wait(partial(self.ready, instance))

    def instances(self, name: str) -> list[str]:
        """The instances of a component, or the one of that name."""
        if name in self._children:
            return [name]
        return [instance for instance, child in self._children.items() if child.process.component == name]

    def pid(self, name: str) -> int:
        """The process id."""
        pid = self._children[name].pid
        assert pid is not None, f"{name} does not run"
        return pid

    def runs(self, name: str) -> bool:
        """Whether the process is there."""
        return not self._children[name].has_exited()

    def kill(self, name: str) -> None:
        """`kill -9`; returns once it is gone."""
        self._end(name, signal.SIGKILL)

    def stop(self, name: str) -> int | None:
        """SIGTERM; returns its exit code."""
        return self._end(name, signal.SIGTERM)

    def pause(self, name: str) -> None:
        """SIGSTOP: every thread of it stands still."""
        self._paused.add(name)
        os.kill(self.pid(name), signal.SIGSTOP)

    def carry_on(self, name: str) -> None:
        """SIGCONT."""
        os.kill(self.pid(name), signal.SIGCONT)
        self._paused.discard(name)

    def hang(self, name: str) -> None:
        """Its work loop deadlocks, for ever; its other threads go on, ZeroMQ's among them."""
        os.kill(self.pid(name), signal.SIGUSR1)

    def close(self) -> None:
        """No process outlives the test."""
        for child in self._children.values():
            child.signal(signal.SIGKILL)
        for child in self._children.values():
            while not child.has_exited():
                time.sleep(LOOK_EVERY_S)

    def _end(self, name: str, number: signal.Signals) -> int | None:
        child = self._children[name]
        self._paused.discard(name)
        child.signal(number)
        self.wait(child.has_exited)
        return child.exit_code

    def _child(self, process: Process) -> Child:
        command = [sys.executable, "-c", _START.format(prelude=self.prelude.get(process.instance, ""))]
        settings = Settings(
            page_port=0,
            control_token=SecretStr(TOKEN),
            apca_api_key_id="key-id",
            apca_api_secret_key=SecretStr("secret"),
        )
        told = environment(process, self._place, settings, self.simulator_port)
        log_file = self._place.folder / f"{process.instance}.log"
        return Child(process, [*command, process.component.value], told, log_file)

    # What they tell

    def port_of(self, name: str) -> int:
        """Its admin port."""
        return self._children[name].process.port

    def ready(self, name: str) -> bool:
        """Whether it answers that it is ready. Fails the test where it is gone."""
        assert self.runs(name), f"{name} ended with {self._children[name].exit_code}\n{self.log(name)}"
        return self._asked(name, "/readyz", whatever_status=True).get("ready") is True

    def reasons(self, name: str) -> list[str]:
        """Why it is not ready; one sentence where it does not answer at all."""
        return list(self._asked(name, "/readyz", whatever_status=True).get("reasons", ["no answer"]))

    def config(self, name: str) -> dict[str, Any]:
        """Its `/configz`; empty where it does not answer."""
        return self._asked(name, "/configz")

    def _asked(self, name: str, path: str, *, whatever_status: bool = False) -> dict[str, Any]:
        for _ in range(ASK_TIMES):
            body = fetch(self.port_of(name), path, whatever_status=whatever_status)
            if body is not None or not self.runs(name) or name in self._paused:
                break
        return body or {}

    def status(self, name: str) -> dict[str, Any]:
        """What it says of itself; empty where it does not answer."""
        found: dict[str, Any] = self.config(name).get("status", {})
        return found

    def metrics(self, name: str) -> dict[str, Any]:
        """The metrics of its present life, as `/configz` has them; it must answer."""
        answers: list[dict[str, Any]] = []
        self.wait(lambda: answers.append(self.config(name)) or answers[-1])  # type: ignore[func-returns-value]
        found: dict[str, Any] = answers[-1]["metrics"]
        return found

    def counter(self, name: str, metric: str, labels: str | None = None) -> int:
        """A counter of its present life, summed over its labels unless one set of them is named."""
        counters = self.metrics(name)["counters"].get(metric, {})
        return sum(int(value) for key, value in counters.items() if labels in (None, key))

    def log(self, name: str, last: int = 3_000) -> str:
        """The end of its log."""
        path = self._place.folder / f"{name}.log"
        return path.read_text(errors="replace")[-last:] if path.exists() else "it never ran"

    def wait(self, condition: Callable[[], object], deadline_s: float = WAIT_S) -> None:
        """Looks until the condition holds; fails the test after `deadline_s`."""
        give_up_s = time.monotonic() + deadline_s
        while not condition():
            if time.monotonic() > give_up_s:
                words = "\n".join(f"--- {name}: {self.log(name, 600)}" for name in self._children)
                pytest.fail(f"the condition did not come to hold within {deadline_s:g} s\n{words}")
            time.sleep(LOOK_EVERY_S)

    # The broker

    def play(self) -> None:
        """Lets the tape run: the first word takes it off hold, the second has it wait for no subscriber."""
        for _ in range(2):
            self.broker("POST", "/simulator/start")

    def broker(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the broker; what it refuses is returned as {"status": ..., "message": ...}."""
        url = f"http://127.0.0.1:{self.simulator_port}{path}"
        answer = requests.request(method, url, json=body, headers=KEYS, timeout=10)
        if not answer.ok:
            return {"status": answer.status_code, "message": answer.text}
        return answer.json() if answer.content else None

    def state(self) -> dict[str, Any]:
        """The broker's own books, with every fill."""
        state: dict[str, Any] = self.broker("GET", "/simulator/state")
        return state

    def executed(self) -> int:
        """How many fills the broker has made."""
        return int(self.status("alpaca-simulator").get("fills", 0))

    def booked(self) -> int:
        """How many fills the risk manager has booked; 0 while it does not answer."""
        return int(self.status("risk-manager").get("fills_booked", 0))

    def order(self, symbol: str, side: str, quantity: int) -> dict[str, Any]:
        """Places an order as another client, which fills against whatever is displayed. Returns the broker's answer."""
        limit = "2000" if side == "buy" else "0.01"
        wanted = {"symbol": symbol, "side": side, "qty": str(quantity), "type": "limit", "time_in_force": "day"}
        name = f"other-{next(self._orders)}"
        placed: dict[str, Any] = self.broker(
            "POST", "/v2/orders", {**wanted, "limit_price": limit, "client_order_id": name}
        )
        assert "id" in placed, placed
        return placed

    def trade(self, fills: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Keeps one order working on each symbol, buy or sell, until the broker has made that many fills more.

        `meanwhile` is called again and again in between: that is the time to break something.
        """
        wanted = self.executed() + fills
        while self.executed() < wanted:
            busy = {order["symbol"] for order in self.broker("GET", "/v2/orders?status=open")}
            for symbol in self.spec["symbols"]:
                if symbol not in busy:
                    self._flip(symbol)
            meanwhile()
            time.sleep(LOOK_EVERY_S)
        self.broker("DELETE", "/v2/orders")

    def _flip(self, symbol: str) -> None:
        """An order that shrinks what is held, through flat now and then; otherwise either way."""
        held = Decimal(self.status("alpaca-simulator").get("positions", {}).get(symbol, "0"))
        if held:
            self.order(symbol, "sell" if held > 0 else "buy", min(int(abs(held)), self.chance.randint(1, 60_000)))
        else:
            self.order(symbol, self.chance.choice(["buy", "sell"]), self.chance.randint(5_000, 120_000))

    # The end

    def settle(self, deadline_s: float = WAIT_S) -> None:
        """Cancels what is open, and waits until all that the broker did is booked and acknowledged."""
        self.broker("DELETE", "/v2/orders")
        self.wait(self._settled, deadline_s)

    def _settled(self) -> bool:
        engine = self.status("execution-engine")
        risk = self.status("risk-manager")
        orders = self.status("alpaca-simulator").get("orders", {})
        still = not orders.get("open", 1) and not sum(engine.get("orders_open", {"unknown": 1}).values())
        held = {one["symbol"]: Decimal(one["quantity"]) for one in risk.get("positions", ())}
        same = {symbol: quantity for symbol, quantity in held.items() if quantity} == {
            symbol: Decimal(quantity)
            for symbol, quantity in self.status("alpaca-simulator").get("positions", {}).items()
        }
        return still and same and engine.get("backlog") == 0 and self.booked() >= self.executed()

    def audit(self) -> Audit:
        """The broker's account against the journal, fill by fill. Ends the risk manager, which holds the journal."""
        state = self.state()
        if self.runs("risk-manager"):
            self.kill("risk-manager")
        ledger, aside = read_account(Place(self.data_dir / JOURNAL), Decimal(_CASH))
        assert aside == ()
        return audit(broker_account(state), ledger)


@pytest.fixture
def mesh(tmp_path: Path, seed: int) -> Iterator[Mesh]:
    """A system whose processes are the test's to start and to end; none outlives it."""
    made = Mesh(tmp_path, seed)
    yield made
    made.close()
