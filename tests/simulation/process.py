"""One process of the simulated mesh: a real service with a loop, sockets, a clock and a disk that are none.

It can end at every step that leaves it: a message sent, a record written, a request made; before the step or after it.
"""

import sqlite3
import traceback
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import SecretStr

from tests.simulation.plan import MS
from tests.simulation.quiet import QuietEvents, QuietLog, QuietMetrics
from tradingmesh.contract import Component
from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.head import Head
from tradingmesh.runtime.component import Context, Service
from tradingmesh.runtime.manifest_file import LOOK_EVERY_S, ManifestFile
from tradingmesh.runtime.settings import Settings
from tradingmesh.telemetry.tracing import NoTracer
from tradingmesh.testing.memory_journal import MemoryDisk
from tradingmesh.testing.virtual_loop import Killed, VirtualLoop
from tradingmesh.testing.virtual_sockets import VirtualSockets
from tradingmesh.testing.virtual_threads import VirtualThread
from tradingmesh.testing.virtual_time import VirtualClock

if TYPE_CHECKING:
    from tests.simulation.world import World

TOKEN = "token"
WRITES = ("commit", "flush")
SLOW_NS = 8 * MS
Build = Callable[[Context], Service]


class Database:
    """A SQLite connection that outlives the process: what a kill leaves of a file, without the file."""

    def __init__(self) -> None:
        self._real = sqlite3.connect(":memory:", isolation_level=None)
        self.step: Callable[[str], object] = lambda _: None
        self.full = False

    def execute(self, statement: str, row: Any = ()) -> sqlite3.Cursor:
        """Runs a statement; a process may end before or after it commits."""
        if statement != "COMMIT":
            return self._real.execute(statement, row)
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        self.step("commit")
        cursor = self._real.execute(statement)
        self.step("commit")
        return cursor

    def reopened(self, step: Callable[[str], object]) -> "Database":
        """The file as the next process finds it: what was not committed is gone."""
        self.close()
        self.step = step
        return self

    def close(self) -> None:
        """What was not committed is gone."""
        if self._real.in_transaction:
            self._real.execute("ROLLBACK")

    def discard(self) -> None:
        """Nobody opens it any more."""
        self._real.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class DiskPath:
    """A place on the process's disk, as its service sees it."""

    def __init__(self, process: "Process", path: PurePath) -> None:
        self._process = process
        self._path = path

    def __truediv__(self, name: str) -> "DiskPath":
        return DiskPath(self._process, self._path / name)

    def __str__(self) -> str:
        return str(self._path)

    @property
    def name(self) -> str:
        """The last part of it."""
        return self._path.name

    def with_name(self, name: str) -> "DiskPath":
        """A place beside it."""
        return DiskPath(self._process, self._path.with_name(name))

    @property
    def heads(self) -> dict[str, Head]:
        """What the heads say that are on the disk."""
        return self._process.heads

    @property
    def step(self) -> Callable[[str], object]:
        """Where the process may end."""
        return self._process.step

    def database(self) -> Database:
        """The SQLite file here, opened."""
        name, databases = str(self._path), self._process.databases
        if name not in databases:
            databases[name] = Database()
        return databases[name].reopened(self._process.step)

    def journal_disk(self) -> MemoryDisk:
        """The journal here."""
        return self._process.journals.setdefault(str(self._path), MemoryDisk())


class SimContext(Context):
    """The context of a simulated process."""

    @property
    def data_dir(self) -> Any:
        """A folder that is nowhere."""
        return DiskPath(cast("Process", self.settings.__dict__["process"]), PurePath(self.settings.instance))


class Process:
    """A component under a name, through all its lives. `starting` is the one that was started last."""

    starting: ClassVar["Process"]

    def __init__(self, world: "World", name: str, component: Component, build: Build) -> None:
        self.world = world
        self.name = name
        self.component = component
        self.service: Any = None
        self.loop: VirtualLoop | None = None
        self.databases: dict[str, Database] = {}
        self.journals: dict[str, MemoryDisk] = {}
        self.heads: dict[str, Head] = {}
        self.threads: list[VirtualThread] = []
        self.fuse = 0
        self._fuse_at = ""
        self.lives = 0
        self._begins = False
        self._dying = False
        self._build = build
        self._sockets: VirtualSockets | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.service is not None

    def step(self, what: str) -> None:
        """Something is about to leave the process, or has just left it. A disk takes its time at that."""
        if what in WRITES and self.world.trouble and self._disk_is_slow():
            self._wait_for_disk()
        if self.fuse and self._fuse_at in ("", what):
            self.fuse -= 1
            if not self.fuse:
                self.world.tell(self.name, "killed at a step", what)
                self._dying = True
                raise Killed

    def end_at(self, what: str, number: int) -> None:
        """It ends at so many steps of that kind from now; any kind where nothing is said."""
        if self.alive:
            self.fuse, self._fuse_at = number, what

    def _disk_is_slow(self) -> bool:
        return self.world.random.random() < self.world.plan.slow_disk_chance

    def _wait_for_disk(self) -> None:
        starting = Process.starting
        if self.loop is not None:
            self.loop.block(int(self.world.random.expovariate(1 / SLOW_NS)))
        Process.starting = starting  # others may have started meanwhile

    def guard(self, act: Callable[[], object]) -> bool:
        """Does it as the process: an end in the middle of it is the end of the process. Whether it still lives."""
        try:
            act()
        except Killed:
            if self._dying:  # otherwise it has ended already, while this was waiting
                self._end(between_turns=False)
            return False
        except JournalError as error:
            self.world.tell(self.name, "gives up", error)
            if not self.disk_full:
                self.world.violation(f"{self.name} gave up with room on its disk", traceback.format_exc())
            self._end(between_turns=False)
            return False
        except Exception as error:  # noqa: BLE001 - whatever a service raises would end its process: that is a finding
            self.world.violation(f"{self.name} raised {error!r}", traceback.format_exc())
            self._end(between_turns=False)
            return False
        return True

    def spawn(self, run: Callable[[], object]) -> None:
        """Runs it in a thread of the process."""
        self.threads.append(VirtualThread(self.world.time, lambda: self.guard(run)))

    def start(self) -> None:
        """Begins a life."""
        if self.alive or self._begins:
            return
        self._begins = True
        self.lives += 1
        self.world.tell(self.name, "starts")
        Process.starting = self
        context = self._context()
        built: list[Service] = []
        if self.guard(lambda: built.append(self._build(context))):
            self.service = built[0]
            if self.component is Component.RISK_MANAGER:  # nobody else takes anything while it runs
                context.loop.every(LOOK_EVERY_S, context.manifest.look)
            self.world.watch.on_start(self)
        self._begins = False

    def kill(self) -> None:
        """Ends it between two turns."""
        if self.alive:
            self.world.tell(self.name, "killed")
            self._end(between_turns=self.loop is not None and not self.loop.busy)

    def stop(self) -> None:
        """Ends it as SIGTERM does: it drains first."""
        if self.alive:
            self.world.tell(self.name, "stops")
            if self.guard(self.service.drain):
                self._end(between_turns=True)

    @property
    def disk_full(self) -> bool:
        """Whether its disk takes nothing."""
        return any(disk.full for disk in self._disks())

    def lose_power(self) -> None:
        """What was not synced is gone, and what comes back is not what it was."""
        for disk in self.journals.values():
            if disk.cut_power():
                self.world.watch.forget(self)

    def let_go(self) -> None:
        """The world is over: threads go back to where they are taken from, and files are closed."""
        self._end_threads()
        for database in self.databases.values():
            database.discard()

    def fill_disk(self) -> None:
        """Its disk takes nothing any more."""
        for disk in self._disks():
            disk.full = True

    def clear_disk(self) -> None:
        """Its disk has room again."""
        for disk in self._disks():
            disk.full = False

    def _disks(self) -> list[Database | MemoryDisk]:
        return [*self.databases.values(), *self.journals.values()]

    def freeze(self, for_ns: int) -> None:
        """It does nothing for so long; its links hold if that is short."""
        if self.loop is not None and self._sockets is not None:
            self.world.tell(self.name, "freezes", for_ns // MS)
            self.loop.stall(for_ns)
            for link in self._sockets.links():
                self.world.network.stall(link, for_ns)

    def go_on(self) -> None:
        """It is frozen no more."""
        if self.loop is not None:
            self.loop.go_on()

    def _end(self, *, between_turns: bool) -> None:
        self.world.watch.on_end(self, between_turns=between_turns)
        self.service = None
        self.fuse = 0
        self._dying = False
        if self.loop is not None:
            self.loop.stop()
        if self._sockets is not None:
            self._sockets.close()
        self._end_threads()
        self.world.on_end(self)

    def _end_threads(self) -> None:
        threads, self.threads = self.threads, []
        for thread in threads:
            thread.kill()

    def _context(self) -> Context:
        world = self.world
        clock = VirtualClock(world.time, world.skew_of(self.name))
        self.loop = VirtualLoop(world.time, world.turn_latency_ns, self.guard, world.least_s)
        self._sockets = VirtualSockets(self.component, world.network, self.step)
        settings = Settings.model_construct(
            instance=self.name, control_token=SecretStr(TOKEN), system_file=world.manifest
        )
        settings.__dict__["process"] = self

        def tell(*told: object) -> None:
            world.tell(self.name, *told)

        spec, metrics, log = world.manifest.spec, QuietMetrics(), cast("Any", QuietLog(tell))
        return SimContext(
            self.component,
            settings,
            spec,
            clock.now_ns() // MS,
            cast("Any", self.loop),
            cast("Any", self._sockets),
            metrics,
            cast("Any", QuietEvents(tell)),
            NoTracer(),
            log,
            clock,
            ManifestFile(settings.system_file, self.component, spec, None, metrics, log),
        )
