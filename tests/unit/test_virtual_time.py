"""Time, loop, threads and journal of the simulation: what they promise to the services that run on them."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tradingmesh.contract import Channel, Component
from tradingmesh.testing.memory_journal import MemoryDisk, MemoryJournal
from tradingmesh.testing.virtual_loop import Killed, VirtualLoop
from tradingmesh.testing.virtual_network import Network
from tradingmesh.testing.virtual_sockets import VirtualSockets
from tradingmesh.testing.virtual_threads import VirtualCondition, VirtualThread, sleep
from tradingmesh.testing.virtual_time import START_NS, VirtualClock, VirtualTime

MS = 1_000_000


def loop_of(time: VirtualTime, ended: list[str] | None = None, least_s: float = 0.0) -> VirtualLoop:
    def guard(turn: Callable[[], None]) -> None:
        try:
            turn()
        except Killed:
            (ended if ended is not None else []).append("killed")
            loop.stop()

    loop = VirtualLoop(time, lambda: MS, guard, least_s)
    return loop


def after_ms(time: VirtualTime) -> float:
    return (time.now_ns - START_NS) / MS


# Time


def test_what_is_due_at_one_time_is_done_in_the_order_it_was_planned() -> None:
    """Otherwise two runs would differ."""
    time = VirtualTime()
    done: list[str] = []
    for name in "abc":
        time.after(5 * MS, done.append, name)
    time.after(MS, done.append, "first")
    time.run_until(START_NS + 10 * MS)
    assert done == ["first", "a", "b", "c"]
    assert after_ms(time) == 10


def test_time_stops_where_it_is_told_to() -> None:
    """What is due later stays planned."""
    time = VirtualTime()
    done: list[int] = []
    time.after(MS, done.append, 1)
    time.after(2 * MS, done.append, 2)
    time.run_until(START_NS + 9 * MS, lambda: done)
    assert done == [1]
    assert after_ms(time) == 1
    time.run_until(START_NS + 9 * MS)
    assert done == [1, 2]


def test_the_wall_clock_is_set_and_the_other_is_not() -> None:
    """Each machine is wrong by its own amount, too."""
    time = VirtualTime()
    clock = VirtualClock(time, skew_ns=3)
    time.wall_step_ns = -100
    assert clock.now_ns() == START_NS - 97
    assert clock.monotonic_ns() == START_NS


# Loop


def test_a_loop_reads_what_came_and_ends_its_turn() -> None:
    """After a while, and once for all that came meanwhile."""
    time, done = VirtualTime(), []
    network = Network(time, Random(1), delay_ns=10_000, capacity=100)  # noqa: S311 - replayable is what it must be
    pull = VirtualSockets(Component.EXECUTION_ENGINE, network, lambda _: None).pull(Channel.ORDERS)
    push = VirtualSockets(Component.SIGNAL_GENERATOR, network, lambda _: None).push(Channel.ORDERS)
    loop = loop_of(time)
    loop.on_readable(pull, lambda: done.append(pull.recv_multipart()[0]))
    loop.after_turn(lambda: done.append(b"."))
    time.run_until(START_NS + 100 * MS)
    push.send_multipart([b"a"])
    push.send_multipart([b"b"])
    time.run_until(START_NS + 200 * MS)
    assert done == [b"a", b".", b"b", b"."]


def test_timers_come_when_they_are_due_and_no_finer_than_asked() -> None:
    """One that comes again and again, and one that comes once."""
    time = VirtualTime()
    done: list[object] = []
    loop = loop_of(time, least_s=0.05)
    loop.every(0.02, lambda: done.append(after_ms(time)))
    loop.after(0.07, lambda: done.append("once"))
    time.run_until(START_NS + 160 * MS)
    assert done == [50, "once", 100, 150]


def test_a_stalled_loop_does_nothing_until_it_is_over() -> None:
    """As a process under SIGSTOP."""
    time = VirtualTime()
    done: list[object] = []
    loop = loop_of(time)
    loop.every(0.01, lambda: done.append(after_ms(time)))
    time.run_until(START_NS + 15 * MS)
    loop.stall(100 * MS)
    loop.call_soon_threadsafe(lambda: done.append("called"))
    time.run_until(START_NS + 121 * MS)
    assert done == [10, "called", 115]


def test_a_turn_from_inside_lets_the_others_go_on() -> None:
    """A service that drains waits for what only others can bring."""
    time, done = VirtualTime(), []
    loop = loop_of(time)
    time.after(5 * MS, lambda: loop.call_soon_threadsafe(lambda: done.append(after_ms(time))))
    loop.turn(20)
    assert done == [5]
    loop.turn(20)
    assert after_ms(time) == 25


def test_a_killed_loop_does_nothing_more() -> None:
    """Whatever was planned for it."""
    time = VirtualTime()
    ended: list[str] = []
    done: list[int] = []

    def die() -> None:
        raise Killed

    loop = loop_of(time, ended)
    loop.after(0.001, die)
    loop.every(0.002, lambda: done.append(1))
    time.run_until(START_NS + 50 * MS)
    assert (ended, done) == (["killed"], [])
    with pytest.raises(Killed):
        loop.turn(10)


# Threads


def test_a_thread_has_the_word_until_it_waits() -> None:
    """And goes on when its time has come."""
    time = VirtualTime()
    done: list[object] = []

    def work() -> None:
        done.append("begins")
        sleep(0.01)
        done.append(after_ms(time))

    thread = VirtualThread(time, work)
    assert done == ["begins"]
    time.run_until(START_NS + 20 * MS)
    assert done == ["begins", 10]
    assert thread.ended


def test_a_condition_wakes_who_waits() -> None:
    """Before its time is over; the time then ends nothing else."""
    time, done, condition = VirtualTime(), [], VirtualCondition()

    def work() -> None:
        with condition:
            condition.wait(1.0)
        done.append(after_ms(time))
        sleep(2.0)
        done.append(after_ms(time))

    VirtualThread(time, work)
    time.after(10 * MS, condition.notify_all)
    time.run_until(START_NS + 5_000 * MS)
    assert done == [10, 2_010]


def test_a_thread_of_a_dead_process_unwinds() -> None:
    """What it holds is let go of, and it never goes on."""
    time, done = VirtualTime(), []

    def work() -> None:
        try:
            sleep(1.0)
            done.append("never")
        finally:
            done.append("unwound")

    thread = VirtualThread(time, work)
    thread.kill()
    time.run_until(START_NS + 2_000 * MS)
    assert done == ["unwound"]
    assert thread.ended


# Journal


def records(disk: MemoryDisk) -> list[bytes]:
    return [entry.record for entry in MemoryJournal(disk, lambda _: None).recover()]


def test_a_kill_leaves_what_was_flushed_and_a_power_cut_what_was_committed() -> None:
    """The two are not the same, and neither has what was only appended."""
    disk = MemoryDisk()
    journal = MemoryJournal(disk, lambda _: None)
    journal.append(b"committed")
    journal.commit()
    journal.append(b"flushed")
    journal.flush()
    journal.append(b"appended")
    assert records(disk) == [b"committed", b"flushed"]
    disk.cut_power()
    assert records(disk) == [b"committed"]


@pytest.mark.parametrize(("at", "left"), [(1, []), (2, [b"a", b"b"])])
def test_a_kill_in_a_write_leaves_all_of_it_or_nothing(at: int, left: list[bytes]) -> None:
    """Before the step nothing is there, after it everything."""
    steps: list[Any] = []

    def step(what: str) -> None:
        steps.append(what)
        if len(steps) == at:
            raise Killed

    disk = MemoryDisk()
    journal = MemoryJournal(disk, step)
    journal.append(b"a")
    journal.append(b"b")
    with pytest.raises(Killed):
        journal.commit()
    assert records(disk) == left
