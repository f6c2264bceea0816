"""The end of a run: everything heals, and then all must come to rest, agree, and work again."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.simulation.plan import MS, S
from tests.simulation.watch import MANUAL, picture, signal_of
from tradingmesh.core.journal.chain import Kind
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.risk.records import decode
from tradingmesh.risk_manager.main import core_of

if TYPE_CHECKING:
    from tests.simulation.world import World

LOOK_NS = 200 * MS
SETTLE_NS = 50 * S
PROBE_NS = 15 * S
CASH_OF_A_TAPE = Decimal(1_000_000)


def settle(world: "World") -> None:
    """Heals the world, waits until nothing moves any more, and looks whether everything is as it must be."""
    _heal(world)
    if not _wait(world, SETTLE_NS + _clock_debt_ns(world)):
        return
    judge(world)
    if not world.violations:
        _probe(world)


def _heal(world: "World") -> None:
    world.tell("world", "heals")
    world.whims.chance = 0.0
    world.slow_down()
    for link in world.network.links():
        link.stalled_until_ns = 0
    for process in world.processes.values():
        process.fuse = 0
        process.clear_disk()
        process.go_on()
        process.start()
    world.person.command("resume")
    world.broker.end_all()


def _clock_debt_ns(world: "World") -> int:
    """Where the clock was set back, what was to expire before expires so much later."""
    return world.watch.set_back_ns


def _wait(world: "World", at_most_ns: int) -> bool:
    deadline_ns = world.time.now_ns + at_most_ns
    unsettled = "nothing was looked at"
    while unsettled and world.time.now_ns < deadline_ns and not world.violations:
        world.let_go_on(LOOK_NS)
        world.broker.end_all()
        unsettled = why_unsettled(world)
    if unsettled and not world.violations:
        world.violation("it does not come to rest", unsettled)
    return not world.violations


def why_unsettled(world: "World") -> str:
    """What still moves; empty where nothing does."""
    dead = [process.name for process in world.processes.values() if not process.alive]
    if dead:
        return f"{dead} are dead"
    engine, manager = world.processes["execution-engine"].service, world.processes["risk-manager"].service
    stream = world.stream
    reasons: dict[str, Any] = {
        "stream": "" if stream is not None and stream.listens and stream.quiet else "speaks, or is down",
        "engine not ready": engine.ready(),
        "backlog": engine._delivery.backlog,
        "open orders": engine._table.open_orders(),
        "asking": engine._table.asking,
        "posting": engine._table.posting,
        "reservations": list(manager._core.state.reservations),
        "command": world.person.waits_for,
    }
    return "; ".join(f"{what}: {value}" for what, value in reasons.items() if value)


def judge(world: "World") -> None:
    """The ledger is the broker's account, and the journal gives the state again."""
    state = world.processes["risk-manager"].service._core.state
    broker = world.broker
    held = {position.symbol: int(position.quantity) for position in state.ledger.positions() if position.quantity}
    true = {symbol: quantity for symbol, quantity in broker.positions.items() if quantity}
    if held != true:
        world.violation("positions are not the broker's", f"{held} here, {true} there")
    began = CASH_OF_A_TAPE if world.plan.tape_time else Decimal(0)
    if state.ledger.cash - began != broker.cash:
        world.violation("cash is not the broker's", f"{state.ledger.cash - began} here, {broker.cash} there")
    if state.reports.fills_booked != len(broker.fills):
        world.violation("fills lost or doubled", f"{state.reports.fills_booked} here, {len(broker.fills)} there")
    if state.reports.kept_count:
        world.violation("reports set aside", str(state.reports.kept_count))
    if any(book.buying_e9 or book.selling_e9 for book in state.books.values()):
        world.violation("working orders are counted where there are none", repr(picture(state)["working"]))
    _judge_orders(world)
    _judge_replay(world)


def _judge_orders(world: "World") -> None:
    clients = [order.client_order_id for order in world.broker.orders if not order.client_order_id.startswith(MANUAL)]
    signals = [signal_of(client) for client in clients]
    if len(set(signals)) != len(signals):
        world.violation("two orders for one signal", repr(signals))


def _judge_replay(world: "World") -> None:
    manager = world.processes["risk-manager"]
    core = core_of(world.manifest.spec)
    for disk in manager.journals.values():
        core.restore(decode(entry.record) for entry in disk.entries if entry.kind == Kind.RECORD)
    told, now = picture(core.state), picture(manager.service._core.state)
    if told != now:
        world.violation(
            "the journal does not give the state", repr({n: (told[n], now[n]) for n in now if told[n] != now[n]})
        )


def _probe(world: "World") -> None:
    """One more order must go all the way, unless the breaker is open: nothing is stuck for good."""
    state = world.processes["risk-manager"].service._core.state
    if state.breaker.state is not BreakerState.CLOSED:
        return
    world.tell("world", "probes")
    before = len(world.broker.orders)
    world.whims.chance = 0.5
    deadline_ns = world.time.now_ns + PROBE_NS
    while len(world.broker.orders) == before and world.time.now_ns < deadline_ns and not world.violations:
        world.let_go_on(LOOK_NS)
    world.whims.chance = 0.0
    tripped = state.breaker.state is not BreakerState.CLOSED
    if len(world.broker.orders) == before and not tripped and not world.violations:
        world.violation("no order goes through any more", "")
    if _wait(world, SETTLE_NS):
        judge(world)
