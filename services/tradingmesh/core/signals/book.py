"""The order book cache: one immutable book a symbol, replaced as a whole by each delta.

A reader in any thread takes the book with `get` and holds a consistent one for as long as it likes: nothing ever
changes in it. A delta builds the next book aside and puts it in place with a single assignment, so there is no lock at
all, and no symbol waits for another. Each symbol has one writer (the loop that hears its market data).
"""

from collections.abc import Iterable

import msgspec

from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Quote
from tradingmesh.core.signals.features import imbalance, microprice_e4, mid_e4

Level = tuple[int, int]
"""Price x 10,000, and the size displayed there."""

DEPTH_MAX = 100


class BookDelta(msgspec.Struct, frozen=True, gc=False):
    """Changes of one symbol's levels that belong together: size 0 deletes a level, any other sets it.

    With `reset` the book begins anew from these levels, as Alpaca's order book messages do (`r`).
    """

    symbol: str
    timestamp_ns: int
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    reset: bool = False


class Book(msgspec.Struct, frozen=True, gc=False):
    """The bids and asks of one symbol, best first."""

    symbol: str
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    timestamp_ns: int = 0

    @property
    def imbalance(self) -> float | None:
        """Which side of the best prices displays more, from -1 (ask) to +1 (bid); None without both sides."""
        return imbalance(self.bids[0][1], self.asks[0][1]) if self.bids and self.asks else None

    @property
    def microprice_e4(self) -> float | None:
        """The mid of the best prices weighted by the size on the other side, x 10,000; None without both sides."""
        if not (self.bids and self.asks):
            return None
        (bid_e4, bid_size), (ask_e4, ask_size) = self.bids[0], self.asks[0]
        return microprice_e4(bid_e4, ask_e4, bid_size, ask_size)

    @property
    def mid_e4(self) -> float | None:
        """Halfway between the best prices, x 10,000; None without both sides."""
        return mid_e4(self.bids[0][0], self.asks[0][0]) if self.bids and self.asks else None


class BookCache:
    """The books of all symbols. `levels_cut` counts levels let go because a side held more than `DEPTH_MAX`."""

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}
        self.levels_cut = 0

    def get(self, symbol: str) -> Book:
        """The symbol's book as of now; an empty one where nothing was heard."""
        return self._books.get(symbol) or Book(symbol)

    def apply(self, delta: BookDelta) -> Book:
        """The book after the delta. Raises `InputError` for a level that cannot be; the book is then unchanged."""
        book = Book(delta.symbol) if delta.reset else self.get(delta.symbol)
        bids = self._side(book.bids, delta, delta.bids, best_is_highest=True)
        asks = self._side(book.asks, delta, delta.asks, best_is_highest=False)
        return self._put(Book(delta.symbol, bids, asks, delta.timestamp_ns))

    def on_quote(self, quote: Quote) -> Book:
        """The book after a quote. A quote knows the best prices only: what lay deeper is forgotten, not kept stale."""
        bids = ((quote.bid_e4, quote.bid_size),) if quote.bid_e4 else ()
        asks = ((quote.ask_e4, quote.ask_size),) if quote.ask_e4 else ()
        return self._put(Book(quote.symbol, bids, asks, quote.timestamp_ns))

    def _put(self, book: Book) -> Book:
        self._books[book.symbol] = book
        return book

    def _side(
        self, old: tuple[Level, ...], delta: BookDelta, changes: Iterable[Level], *, best_is_highest: bool
    ) -> tuple[Level, ...]:
        if not changes:
            return old
        levels = dict(old)
        for price_e4, size in changes:
            if price_e4 <= 0 or size < 0:
                raise InputError(f"book of {delta.symbol}: {size} at {price_e4} is not a level")
            if size:
                levels[price_e4] = size
            else:
                levels.pop(price_e4, None)
        self.levels_cut += max(0, len(levels) - DEPTH_MAX)
        return tuple(sorted(levels.items(), reverse=best_is_highest)[:DEPTH_MAX])
