"""Fills a second from the broker's word to the acknowledgement on disk, beside the same where nothing is durable.

Four processes of the real services: the execution engine (its broker says fills of orders placed elsewhere), two fill
processors, the risk manager. Each fill is in the outbox before it is pushed, and in the risk manager's journal before
it is acknowledged; both sync to disk. The yardstick has the same files in memory, where a sync costs nothing.
"""

import tempfile
import time
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path

from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.bench.figures import ROUNDS, Goal, Report, Row, medians, row
from tradingmesh.bench.mesh import Mesh
from tradingmesh.bench.peers import BenchError, Peer, Pipe, start
from tradingmesh.contract import Component
from tradingmesh.core.orders.record import Execution, OrderEvent, OrderUpdate
from tradingmesh.core.signal import Side
from tradingmesh.execution_engine.engine import ExecutionEngine
from tradingmesh.runtime.component import Context, Service, run_component
from tradingmesh.runtime.settings import Settings
from tradingmesh.testing.recording_broker import RecordingBroker

FILLS = 15_000
PROCESSORS = 2
SYMBOLS = ["IBM", "BAC", "KO", "GE"]
DISK = "on disk"
MEMORY = "in memory"
SHM = Path("/dev/shm")  # noqa: S108 - the folder made there is of a random name
FILLS_AN_ORDER = 25
AT_ONCE = 250
BACKLOG_MAX = 2_000
_BOOKED_WITHIN_S = 5.0


def run(*, rounds: int = ROUNDS, count: int = FILLS) -> Report:
    """Measures both in turn. Raises `BenchError` where the ledger has not each fill once."""
    with ExitStack() as stack:
        chains = {MEMORY: Chain(stack, SHM)} if SHM.is_dir() else {}
        chains[DISK] = Chain(stack, None)
        measured = medians({name: partial(chain.per_s, count) for name, chain in chains.items()}, rounds)
        again = chains[DISK].pushed_again
    return Report("fills", rounds, _rows(measured, f"{again} pushed again" if again else ""))


def _rows(measured: dict[str, float], note: str) -> list[Row]:
    figure, durable = f"fills, {PROCESSORS} processors, synced to disk", measured[DISK]
    in_memory = measured.get(MEMORY)
    return [
        row(figure, "fills/s", durable, goal=Goal("value", 5_000), note=note),
        row(figure, "fills/s", durable, beside=(MEMORY, in_memory), note="" if in_memory else f"there is no {SHM}"),
    ]


class Chain:
    """The four processes, with their files below `parent` (None: the usual place for temporary files)."""

    def __init__(self, stack: ExitStack, parent: Path | None) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=parent)))
        self._mesh = mesh = Mesh(folder, symbols=SYMBOLS)
        mesh.start(stack, Component.RISK_MANAGER)
        self._engine: Peer = start(stack, engine, mesh.settings(Component.EXECUTION_ENGINE))
        mesh.wait_ready(Component.EXECUTION_ENGINE)
        for number in range(PROCESSORS):
            mesh.start(stack, Component.FILL_PROCESSOR, f"{Component.FILL_PROCESSOR}-{number + 1}")
        self._booked = 0
        self.pushed_again = 0

    def per_s(self, count: int) -> float:
        """Fills a second, from the first one told to the last one acknowledged and noted."""
        self._engine.put(count)
        elapsed_ns, again = self._engine.get()
        self.pushed_again += again
        self._booked += count
        deadline_s = time.monotonic() + _BOOKED_WITHIN_S
        while (found := self._mesh.status(Component.RISK_MANAGER)["fills_booked"]) != self._booked:
            if time.monotonic() > deadline_s:
                raise BenchError(f"the ledger has {found} fills of {self._booked}")
            time.sleep(0.1)
        return count * 1e9 / float(elapsed_ns)


def engine(pipe: Pipe, settings: Settings) -> None:
    """The execution engine. For each number that it is told, its broker says so many fills."""
    broker = RecordingBroker()

    def build(context: Context) -> Service:
        outbox = Outbox(context.data_dir / "outbox.db", context.clock.now_ns())
        service = ExecutionEngine(context, broker, outbox)
        source = _Source(context, broker, service, outbox, pipe)
        context.loop.on_readable(pipe.fileno(), source.begin)
        context.loop.after_turn(source.go_on)
        return service

    run_component(Component.EXECUTION_ENGINE, build, settings)


class _Source:
    """Says fills as fast as the engine takes them, and tells how long it took until the last was acknowledged."""

    def __init__(
        self, context: Context, broker: RecordingBroker, service: ExecutionEngine, outbox: Outbox, pipe: Pipe
    ) -> None:
        self._clock = context.clock
        self._broker = broker
        self._service = service
        self._outbox = outbox
        self._pipe = pipe
        self._updates: list[OrderUpdate] = []
        self._began_ns = 0
        self._orders = 0
        self._again = 0

    def begin(self) -> None:
        """Makes ready what will be said, then begins."""
        count = int(self._pipe.recv())
        self._updates = [self._told(number, count) for number in reversed(range(count))]
        self._orders += count
        self._again = self._service.status()["redelivered"]
        self._began_ns = self._clock.monotonic_ns()

    def go_on(self) -> None:
        """Says some more, or notices that all is done."""
        if not self._began_ns:
            return
        backlog = self._service.status()["backlog"]
        if self._updates and backlog < BACKLOG_MAX:
            for _ in range(min(AT_ONCE, len(self._updates))):
                self._broker.deliver(self._updates.pop())
        elif not self._updates and not backlog and not self._outbox.waiting:
            elapsed_ns, self._began_ns = self._clock.monotonic_ns() - self._began_ns, 0
            self._pipe.send((elapsed_ns, self._service.status()["redelivered"] - self._again))

    def _told(self, number: int, count: int) -> OrderUpdate:
        """The fill of that number: each order has some, and the symbols take turns."""
        symbol = SYMBOLS[number % len(SYMBOLS)]
        of_symbol = number // len(SYMBOLS)
        order, nth = divmod(of_symbol, FILLS_AN_ORDER)
        name = f"{self._orders}-{symbol}-{order}"
        last = nth == FILLS_AN_ORDER - 1 or number + len(SYMBOLS) >= count
        now_ns = self._clock.now_ns()
        return OrderUpdate(
            event=OrderEvent.FILL if last else OrderEvent.PARTIAL_FILL,
            order_id=f"b-{name}",
            client_order_id=f"bench-{name}",
            symbol=symbol,
            side=Side.SELL if order & 1 else Side.BUY,
            cumulative_quantity=Decimal(100 * (nth + 1)),
            timestamp_ns=now_ns,
            quantity=Decimal(100 * (nth + 1)) if last else Decimal(100 * FILLS_AN_ORDER),
            execution=Execution(f"x-{name}-{nth}", Decimal(100), Decimal(18_200 + number % 50) / 100),
            created_ns=now_ns,
        )
