"""The board between loop and browsers: the newest of each section, only what is new to who asks, and nobody waits."""

import threading

from tradingmesh.metrics_collector.page_board import WATCHERS_MAX, Board

WAIT_S = 10.0


def test_who_asks_is_given_what_is_new_to_him() -> None:
    """Every section the first time; then those that changed, whoever else has seen them."""
    board = Board()
    board.pin({"ledger": b"1", "orders": b"a"})
    first, sections = board.newer(0, 0.0)
    assert sections == {"ledger": b"1", "orders": b"a"}
    board.pin({"ledger": b"2", "orders": b"a"})
    second, sections = board.newer(first, 0.0)
    assert sections == {"ledger": b"2"}
    assert board.newer(second, 0.0) == (second, {})
    assert board.newer(0, 0.0) == (second, {"ledger": b"2", "orders": b"a"})


def test_what_is_pinned_wakes_who_waits() -> None:
    """At once, not when his time is over."""
    board, found = Board(), []
    waiting = threading.Thread(target=lambda: found.append(board.newer(0, WAIT_S)[1]))
    waiting.start()
    board.pin({"clock": b"1"})
    waiting.join(WAIT_S / 2)
    assert found == [{"clock": b"1"}]


def test_nothing_new_is_told_in_time() -> None:
    """A watcher writes now and then whatever happens: so he finds out that his browser is gone."""
    assert Board().newer(0, 0.01) == (0, {})


def test_a_closed_board_lets_everybody_go() -> None:
    """Who waits, and who comes after."""
    board, done = Board(), threading.Event()

    def wait() -> None:
        board.newer(0, WAIT_S)
        done.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    board.close()
    assert done.wait(WAIT_S / 2)
    waiting.join(WAIT_S)
    assert board.closed
    assert not board.join()


def test_there_is_room_for_so_many() -> None:
    """One more when one has gone."""
    board = Board()
    assert [board.join() for _ in range(WATCHERS_MAX + 1)] == [True] * WATCHERS_MAX + [False]
    board.leave()
    assert board.join()
    assert board.watchers == WATCHERS_MAX


def test_who_comes_to_a_cleared_board_waits_for_what_is_new() -> None:
    """What hung there while nobody watched is of another time."""
    board = Board()
    board.pin({"ledger": b"1", "orders": b"a"})
    board.clear()
    version, sections = board.newer(0, 0.0)
    assert sections == {}
    board.pin({"ledger": b"1", "orders": b"a"})
    assert board.newer(version, 0.0)[1] == {"ledger": b"1", "orders": b"a"}
