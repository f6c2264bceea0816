"""The poll loop: handlers, timers, calls from other threads, and the order in which a turn does them."""

import os
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tradingmesh.runtime.loop import Loop

DEADLINE_S = 5.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_a_handler_is_called_while_there_is_something_to_read(pipe: tuple[int, int]) -> None:
    """What a handler leaves is offered again in the next turn; nothing to read, no call."""
    loop, taken = Loop(), []
    reader, writer = pipe
    loop.on_readable(reader, lambda: taken.append(os.read(reader, 1)))
    loop.turn(0)
    assert taken == []
    os.write(writer, b"ab")
    loop.turn(0)
    assert taken == [b"a"]
    loop.turn(0)
    assert taken == [b"a", b"b"]
    loop.turn(0)
    assert len(taken) == 2


def test_a_turn_ends_with_what_was_asked_for(pipe: tuple[int, int]) -> None:
    """Handlers, then timers that are due, then what ends a turn: every turn, also an idle one."""
    loop, done = Loop(), []
    reader, writer = pipe
    loop.after_turn(lambda: done.append("end"))
    loop.after(0.0, lambda: done.append("timer"))
    loop.on_readable(reader, lambda: done.append(os.read(reader, 9).decode()))
    os.write(writer, b"read")
    loop.turn(0)
    loop.turn(0)
    assert done == ["read", "timer", "end", "end"]


def test_timers_come_when_they_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, or again and again; one that was missed for long comes once, not as often as it was missed."""
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    loop, rung = Loop(), []
    loop.every(1.0, lambda: rung.append("every"))
    loop.after(2.5, lambda: rung.append("once"))
    loop.turn(0)
    assert rung == []
    now_s = 101.0
    loop.turn(0)
    loop.turn(0)
    assert rung == ["every"]
    now_s = 107.0
    loop.turn(0)
    loop.turn(0)
    assert rung == ["every", "every", "once"]
    now_s = 108.0
    loop.turn(0)
    assert rung[3:] == ["every"]


def test_timers_of_one_time_come_in_the_order_they_were_set() -> None:
    """Handlers need not be comparable for that."""
    loop = Loop()
    rung: list[int] = []
    for number in range(5):
        loop.after(0.0, partial(rung.append, number))
    loop.turn(0)
    assert rung == [0, 1, 2, 3, 4]


def test_a_timer_may_set_another() -> None:
    """And one that is due at once waits for the next turn at the latest."""
    loop, rung = Loop(), []
    loop.after(0.0, lambda: loop.after(0.0, lambda: rung.append("second")))
    loop.turn(0)
    loop.turn(5)
    assert rung == ["second"]


def test_a_turn_waits_for_the_next_timer_only() -> None:
    """An idle turn ends when a timer is due, though it might have waited longer."""
    loop, rung = Loop(), []
    loop.after(0.02, lambda: rung.append(1))
    began_s = time.monotonic()
    loop.turn(60_000)
    assert rung == [1]
    assert 0.02 <= time.monotonic() - began_s < DEADLINE_S


def test_other_threads_are_heard_at_once() -> None:
    """A call from another thread wakes a waiting loop, runs in the loop's thread, and calls keep their order."""
    loop = Loop()
    ran: list[tuple[int, threading.Thread]] = []

    def call() -> None:
        for number in range(3):
            loop.call_soon_threadsafe(partial(lambda n: ran.append((n, threading.current_thread())), number))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=call)
    began_s = time.monotonic()
    thread.start()
    loop.run()
    thread.join()
    assert [number for number, _ in ran] == [0, 1, 2]
    assert {thread for _, thread in ran} == {threading.main_thread()}
    assert time.monotonic() - began_s < DEADLINE_S


def test_more_wake_ups_than_a_pipe_holds_are_one() -> None:
    """Nobody who calls is blocked, and every call is made, however many there are before the loop turns."""
    loop = Loop()
    ran: list[None] = []
    for _ in range(100_000):
        loop.call_soon_threadsafe(lambda: ran.append(None))
    loop.turn(0)
    assert len(ran) == 100_000


def test_what_a_call_asks_for_waits_for_the_next_turn() -> None:
    """So that a handler that always asks again starves nobody."""
    loop = Loop()
    ran: list[None] = []

    def again() -> None:
        ran.append(None)
        loop.call_soon_threadsafe(again)

    loop.call_soon_threadsafe(again)
    for turns in range(1, 4):
        loop.turn(0)
        assert len(ran) == turns


def test_the_last_turn_is_known() -> None:
    """A handler that hangs shows as a last turn that gets old; a turn makes it new."""
    loop = Loop()
    loop.last_turn_s = 0.0
    loop.turn(0)
    assert 0 <= time.monotonic() - loop.last_turn_s < DEADLINE_S


def test_a_stopped_loop_can_run_again() -> None:
    """As a drain does after the end of a run."""
    loop = Loop()
    ran: list[str] = []
    for name in ("first", "second"):
        loop.call_soon_threadsafe(partial(ran.append, name))
        loop.call_soon_threadsafe(loop.stop)
        loop.run()
    assert ran == ["first", "second"]


def test_what_a_handler_raises_ends_the_run(pipe: tuple[int, int]) -> None:
    """It is not swallowed: the component ends with it."""
    loop = Loop()
    reader, writer = pipe

    def fail() -> None:
        raise RuntimeError("broken")

    loop.on_readable(reader, fail)
    os.write(writer, b"x")
    with pytest.raises(RuntimeError, match="broken"):
        loop.run()
