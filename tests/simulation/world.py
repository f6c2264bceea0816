"""The simulated mesh in its world: processes, network, broker, a person with a keyboard, and what goes wrong."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any

from tests.simulation.broker_stream import VirtualStream
from tests.simulation.faults import FAULTS
from tests.simulation.model_broker import COMMISSION, Json, ModelBroker
from tests.simulation.outside import Feed, Person
from tests.simulation.plan import MS, SYMBOLS, Focus, Plan, S, drawn
from tests.simulation.process import Process
from tests.simulation.settle import settle
from tests.simulation.stand_ins import JITTER
from tests.simulation.strategy import QUANTITY_MAX, Whims
from tests.simulation.trace import Trace
from tests.simulation.watch import Watch
from tradingmesh.contract import Channel, Component, TradingSystemSpec
from tradingmesh.core.signals.roster import Running
from tradingmesh.execution_engine import main as execution_engine
from tradingmesh.fill_processor import main as fill_processor
from tradingmesh.risk_manager import main as risk_manager
from tradingmesh.runtime.component import Context, Service
from tradingmesh.signal_generator.main import SignalGenerator
from tradingmesh.testing.virtual_network import Network
from tradingmesh.testing.virtual_sockets import VirtualSocket
from tradingmesh.testing.virtual_time import VirtualTime

WARM_UP_NS = 5 * S


class Manifest:
    """The mounted manifest: what it says now, and a stamp that changes with it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.version = 0
        self.metadata = SimpleNamespace(generation=None)
        self.spec = self._with_limit(plan.position_limit)

    def set_limit(self, position_limit: int) -> None:
        """Somebody edits it."""
        self.version += 1
        self.spec = self._with_limit(position_limit)

    def stat(self) -> Any:
        """As a path's."""
        return SimpleNamespace(st_mtime_ns=self.version, st_ino=1, st_size=1)

    def _with_limit(self, position_limit: int) -> TradingSystemSpec:
        limits = {
            "maxOrderQuantity": QUANTITY_MAX,
            "maxOrderNotional": "100000000",
            "maxPositionQuantity": max(position_limit, QUANTITY_MAX),
            "maxPositionNotional": "100000000",
            "maxGrossNotional": "100000000",
            "maxDailyLoss": str(self._plan.daily_loss),
            "maxOpenOrders": 30,
            "maxOrdersPerMinute": 1_000,
            "priceCollarPercent": "50",
            "maxQuoteAge": "2s",
            "duplicateWindow": "10ms",
        }
        broker = {
            "kind": "simulator" if self._plan.tape_time else "alpaca",
            "commissionPerShare": str(COMMISSION),
            "apiCircuitBreaker": {"recoveryTimeout": "1s"},
        }
        content = {
            "mode": "simulated" if self._plan.tape_time else "paper",
            "symbols": list(SYMBOLS),
            "broker": broker,
            "riskLimits": limits,
            "circuitBreaker": {"recoveryPeriod": "1s", "stableFor": "500ms"},
        }
        return TradingSystemSpec.model_validate(content)


class World:
    """One seed. `run` lives it through; `violations` is what must be empty afterwards."""

    def __init__(self, seed: int, *, tracing: bool = False, focus: Focus | None = None) -> None:
        """`focus` are fields of the plan that are not drawn."""
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - replayable is what it must be
        self.plan = replace(drawn(self.random), **(focus or {}))
        self.time = VirtualTime()
        self.trace = Trace(self.time) if tracing else None
        self.trouble = not self.plan.warm_up
        self.least_s = 0.1
        self.quote_every_ns = self.plan.quote_every_ns
        self.violations: list[tuple[str, str]] = []
        self.manifest = Manifest(self.plan)
        self.network = Network(self.time, self.random, delay_ns=self.plan.delay_ns, capacity=self.plan.capacity)
        self.broker = ModelBroker(self.time, self.random, self.plan.unique_client_ids, self.plan.fill_ids_agree)
        self.watch = Watch(self)
        self.stream: VirtualStream | None = None
        self.whims = Whims(self.random)
        self.feed = Feed(self)
        self.person = Person(self)
        self.processes: dict[str, Process] = {}
        self._wire()

    def _wire(self) -> None:
        self.broker.on_update = self._on_update
        self.broker.on_accepted = self.watch.on_accepted
        self.network.on_send = self._on_send
        self.watch.position_limit = max(self.plan.position_limit, QUANTITY_MAX)
        self._add("risk-manager", Component.RISK_MANAGER, risk_manager.build)
        self._add("execution-engine", Component.EXECUTION_ENGINE, execution_engine.build)
        self._add("signal-generator", Component.SIGNAL_GENERATOR, self._generator)
        for number in range(self.plan.fill_processors):
            self._add(f"fill-processor-{number}", Component.FILL_PROCESSOR, fill_processor.build)

    def _add(self, name: str, component: Component, build: Callable[[Context], Service]) -> None:
        self.processes[name] = Process(self, name, component, build)

    def _generator(self, context: Context) -> Service:
        return SignalGenerator(context, [Running("whims", frozenset(SYMBOLS), self.whims)])

    # What the parts ask of the world

    def tell(self, who: str, *told: object) -> None:
        """A line of the trace."""
        if self.trace is not None:
            self.trace.line(who, *told)

    def violation(self, rule: str, detail: str) -> None:
        """A rule was broken."""
        self.tell("VIOLATION", rule, detail)
        self.violations.append((rule, detail))

    def turn_latency_ns(self) -> int:
        """How long a process takes to get to what came."""
        return int(self.plan.turn_ns * self.random.random())

    def skew_of(self, name: str) -> int:
        """How wrong the clock of a process's machine is."""
        return zlib.crc32(f"{self.seed}{name}".encode()) % 5 * MS

    def on_end(self, process: Process) -> None:
        """A process ended: something will start it again."""
        self.time.after(int(self.random.random() ** 3 * 2 * S), process.start)

    def slow_down(self) -> None:
        """Nobody need look often any more: a world that only comes to rest is lived through faster."""
        self.least_s = 0.4
        self.quote_every_ns = 500 * MS
        for process in self.processes.values():
            if process.loop is not None:
                process.loop.least_s = self.least_s

    def _on_send(self, sender: VirtualSocket, frames: list[bytes]) -> None:
        if self.trace is not None:
            self.trace.message(sender, frames)
        if sender.channel is Channel.RISK_CHECK:
            self.watch.on_risk_message(frames)

    def _on_update(self, data: Json) -> None:
        self.tell("broker does", data)
        if self.stream is not None:
            self.stream.hear(data)

    # Life

    def run(self) -> "World":
        """Starts, lets things go wrong for a while, heals, and waits until all is settled."""
        try:
            self._live()
        finally:
            for process in self.processes.values():
                process.let_go()
        return self

    def _live(self) -> None:
        JITTER.seed(self.seed)
        for process in self.processes.values():
            self.time.after(self.random.randrange(100) * MS, process.start)
        self.feed.begin()
        self.watch.look_again_and_again()
        self.time.run_until(self.time.now_ns + WARM_UP_NS, self._warm)
        self.trouble = True
        self.whims.chance = self.plan.wishes_per_s * self.plan.quote_every_ns / S / len(SYMBOLS)
        for fault, rate in self.plan.rates.items():
            self._next_fault(fault, rate)
        self.let_go_on(self.plan.run_ns)
        self.trouble = False
        if not self.violations:
            settle(self)

    def _warm(self) -> bool:
        engine = self.processes["execution-engine"].service
        return bool(self.violations) or not self.plan.warm_up or (engine is not None and not engine.ready())

    def let_go_on(self, for_ns: int) -> None:
        """Time passes; less, where a rule is broken."""
        self.time.run_until(self.time.now_ns + for_ns, lambda: self.violations)

    def _next_fault(self, fault: str, rate: float) -> None:
        self.time.after(int(self.random.expovariate(rate) * S), self._fault, fault, rate)

    def _fault(self, fault: str, rate: float) -> None:
        if self.trouble:
            FAULTS[fault](self)
            self._next_fault(fault, rate)
