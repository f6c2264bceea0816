"""The order book cache: deltas against a plain dictionary, and readers in other threads that never see half of one."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Quote
from tradingmesh.core.signals.book import DEPTH_MAX, Book, BookCache, BookDelta, Level

LEVELS = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=8).map(tuple)
DELTAS = st.lists(st.tuples(LEVELS, LEVELS, st.integers(0, 9).map(lambda n: n == 0)), max_size=20)


@given(DELTAS)
def test_deltas_equal_a_dictionary(deltas: list[tuple[tuple[Level, ...], tuple[Level, ...], bool]]) -> None:
    """Whatever the deltas, each side holds what a dictionary of price to size would, best first."""
    cache = BookCache()
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for number, (new_bids, new_asks, reset) in enumerate(deltas):
        if reset:
            bids, asks = {}, {}
        for side, changes in ((bids, new_bids), (asks, new_asks)):
            side.update(changes)
            for price in [price for price, size in side.items() if not size]:
                del side[price]
        cache.apply(BookDelta("IBM", number, new_bids, new_asks, reset))
    book = cache.get("IBM")
    assert book.bids == tuple(sorted(bids.items(), reverse=True))
    assert book.asks == tuple(sorted(asks.items()))


def test_a_quote_is_the_whole_of_what_is_known() -> None:
    """A quote sets the best prices and forgets what lay deeper; a side at price 0 is empty."""
    cache = BookCache()
    cache.apply(BookDelta("IBM", 1, ((100, 1), (99, 2)), ((101, 3),)))
    assert cache.on_quote(Quote("IBM", 98, 103, 5, 15, 2)) == Book("IBM", ((98, 5),), ((103, 15),), 2)
    assert cache.on_quote(Quote("IBM", 98, 0, 5, 0, 3)) == Book("IBM", ((98, 5),), (), 3)


def test_features_of_the_best_prices() -> None:
    """Imbalance, microprice and mid come from the best level a side, and are unknown with one side missing."""
    book = BookCache().apply(BookDelta("IBM", 1, ((98, 30), (97, 9)), ((102, 10), (103, 9))))
    assert (book.imbalance, book.microprice_e4, book.mid_e4) == (0.5, 101.0, 100.0)
    empty = BookCache().get("IBM")
    assert (empty.imbalance, empty.microprice_e4, empty.mid_e4) == (None, None, None)


def test_symbols_are_apart() -> None:
    """A delta of one symbol leaves the others as they were, the same object."""
    cache = BookCache()
    held = cache.apply(BookDelta("BAC", 1, ((14, 1),)))
    cache.apply(BookDelta("IBM", 2, ((180, 1),)))
    assert cache.get("BAC") is held


@pytest.mark.parametrize("level", [(0, 1), (-5, 1), (5, -1)])
def test_a_wrong_level_changes_nothing(level: Level) -> None:
    """A delta with one impossible level is refused as a whole."""
    cache = BookCache()
    before = cache.apply(BookDelta("IBM", 1, ((5, 5),), ((6, 6),)))
    with pytest.raises(InputError, match="book of IBM"):
        cache.apply(BookDelta("IBM", 2, ((4, 4),), (level,)))
    assert cache.get("IBM") is before


def test_the_worst_levels_give_way_at_the_limit() -> None:
    """A side keeps its best `DEPTH_MAX` levels; what is cut is counted."""
    cache = BookCache()
    cache.apply(BookDelta("IBM", 1, tuple((price, 1) for price in range(1, DEPTH_MAX + 4))))
    book = cache.get("IBM")
    assert (len(book.bids), book.bids[-1], cache.levels_cut) == (DEPTH_MAX, (4, 1), 3)


class _Cache(Protocol):
    def apply(self, delta: BookDelta) -> object: ...
    def get(self, symbol: str) -> Book: ...


class _InPlace:
    """The obvious cache, without locks: it changes the lists that readers hold. The test below must catch it."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def apply(self, delta: BookDelta) -> None:
        for price, size in delta.bids:
            self.bids[price] = size
        for price, size in delta.asks:
            self.asks[price] = size

    def get(self, symbol: str) -> Book:
        return Book(symbol, tuple(self.bids.items()), tuple(self.asks.items()))


@contextmanager
def threads_switch_often() -> Iterator[None]:
    """Makes the interpreter change threads at nearly every chance."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def torn_reads(cache: _Cache, books: int, deadline_s: float) -> int:
    """How many reads, with a writer in another thread, mixed two deltas, until one did or `books` different were seen.

    Every delta sets all levels of both sides to its own number, so a book of one number is a whole one.
    """
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            levels = tuple((price, number) for price in range(1, 9))
            cache.apply(BookDelta("IBM", number, levels, levels))

    writer = threading.Thread(target=write)
    seen: set[int] = set()
    torn = 0
    give_up = time.monotonic() + deadline_s
    with threads_switch_often():
        writer.start()
        while len(seen) < books and not torn and time.monotonic() < give_up:
            book = cache.get("IBM")
            numbers = {size for _, size in book.bids + book.asks}
            torn += len(numbers) > 1
            seen |= numbers
        stop.set()
        writer.join()
    assert torn or len(seen) == books, "the threads did not get in each other's way before the deadline"
    return torn


def test_a_reader_never_sees_half_a_delta() -> None:
    """With a writer at full speed in another thread, every book read is one delta's."""
    assert torn_reads(BookCache(), books=500, deadline_s=90) == 0


def test_the_reader_above_would_see_a_torn_book() -> None:
    """The same reading of a cache that changes in place does find half a delta: the test above can fail."""
    assert torn_reads(_InPlace(), books=500, deadline_s=90) == 1
