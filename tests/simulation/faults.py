"""What goes wrong: each fault is one function of the world."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.simulation.model_broker import RefusedError
from tests.simulation.plan import MS, SYMBOLS, S
from tests.simulation.strategy import QUANTITY_MAX
from tests.simulation.watch import MANUAL
from tradingmesh.contract import Channel, Component

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

FUSE_MAX = 4
STEPS = {
    Component.RISK_MANAGER: ("commit", "flush", Channel.POSITIONS, Channel.RISK_CHECK, ""),
    Component.EXECUTION_ENGINE: ("commit", "submit", "rest", Channel.FILLS, Channel.RISK_CHECK, ""),
    Component.FILL_PROCESSOR: (Channel.POSITIONS, Channel.FILL_ACKS),
    Component.SIGNAL_GENERATOR: (Channel.RISK_CHECK, Channel.ORDERS),
}
"""Where a process may end; an empty word is any of its steps."""
OFTEN = ("risk-manager", "execution-engine")
"""What has a disk is killed more often than what has none."""
CLOCK_STEPS_NS = (50 * MS, 2 * S, 20 * S, 300 * S)


def _some_process(world: "World") -> "Process":
    name = world.random.choice([*OFTEN, *OFTEN, *world.processes])
    return world.processes[name]


def kill(world: "World") -> None:
    """A process ends: now, or in the middle of one of the next things it does."""
    if world.plan.aim is not None:
        name, step = world.plan.aim
        world.processes[name].end_at(step, world.random.randint(1, FUSE_MAX))
        return
    process = _some_process(world)
    if world.random.random() < 0.15:
        process.kill()
    else:
        process.end_at(world.random.choice(STEPS[process.component]), world.random.randint(1, FUSE_MAX))


def restart(world: "World") -> None:
    """A process is told to stop, as in an upgrade."""
    _some_process(world).stop()


def freeze(world: "World") -> None:
    """A process does nothing for a while."""
    _some_process(world).freeze(world.random.choice([50, 500, 3_000]) * MS)


def cut(world: "World") -> None:
    """A link breaks."""
    links = world.network.links()
    if links:
        link = world.random.choice(links)
        world.tell("network", "cut", link.connector.channel)
        world.network.cut(link)


def stall(world: "World") -> None:
    """A link passes nothing for a while."""
    links = world.network.links()
    if links:
        link = world.random.choice(links)
        world.tell("network", "stall", link.connector.channel)
        world.network.stall(link, world.random.choice([20, 300, 3_000]) * MS)


def stream(world: "World") -> None:
    """The broker's order stream breaks, and it may take a while until that is seen."""
    if world.stream is not None:
        world.tell("broker", "cuts the stream")
        world.stream.cut(world.random.choice([0, 50, 2_000]) * MS, world.random.choice([200, 3_000]) * MS)


def outage(world: "World") -> None:
    """The broker cannot be reached for a while, or only now and then: neither its REST nor its stream."""
    world.tell("broker", "is out of reach")
    world.broker.out_until_ns = world.time.now_ns + world.random.choice([100, 1_000, 4_000]) * MS
    stream(world)


def clock(world: "World") -> None:
    """Somebody sets the wall clock, forward or back."""
    step_ns = world.random.choice(CLOCK_STEPS_NS) * world.random.choice([1, -1])
    world.tell("clock", "set by ms", step_ns // MS)
    world.time.wall_step_ns += step_ns
    world.watch.set_back_ns += max(0, -step_ns)


def halt(world: "World") -> None:
    """A person halts, reduces, resumes, closes all positions or the breaker."""
    world.person.command(world.random.choice(["halt", "reduce", "resume", "resume", "flatten", "reset-breaker"]))


def limits(world: "World") -> None:
    """The manifest gets another position limit."""
    position_limit = world.random.choice([100, 200, 400])
    world.manifest.set_limit(position_limit)
    world.watch.position_limit = max(world.watch.position_limit, position_limit)


def manual(world: "World") -> None:
    """Somebody trades by hand on the same account."""
    engine = world.processes["execution-engine"].service
    if engine is None or not engine._outbox.number("first_contact_ns"):
        return  # what was traded before the first contact is not this mesh's to book
    body = {
        "client_order_id": f"{MANUAL}{len(world.broker.orders)}",
        "symbol": world.random.choice(SYMBOLS),
        "side": world.random.choice(["buy", "sell"]),
        "qty": str(world.random.randint(1, QUANTITY_MAX)),
    }
    try:
        world.broker.submit(body)
    except RefusedError as error:
        world.tell("manual", error)


def power(world: "World") -> None:
    """The machine loses its power: every process ends, and of the disks only what was synced is left."""
    world.tell("world", "loses its power")
    for process in world.processes.values():
        process.kill()
        process.lose_power()


def disk(world: "World") -> None:
    """A process's disk is full for a while."""
    process = world.processes[world.random.choice(["risk-manager", "execution-engine"])]
    world.tell(process.name, "disk full")
    process.fill_disk()
    world.time.after(world.random.randrange(10, 2_000) * MS, process.clear_disk)


def prices(world: "World") -> None:
    """The market jumps."""
    world.feed.shock(world.random.choice(SYMBOLS), Decimal(world.random.randrange(-400, 401)).scaleb(-2))


FAULTS: dict[str, Callable[["World"], None]] = {
    fault.__name__: fault
    for fault in (kill, restart, freeze, cut, stall, stream, outage, clock, halt, limits, manual, disk, power, prices)
}
