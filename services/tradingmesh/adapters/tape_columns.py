"""Ticks as columns: one numpy record an event, in time order. Every file format is read into these.

Reading a file into columns and making structs of them in chunks costs about 0.2 us an event; a benchmark that wants
no structs at all takes `batches()`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Quote, Tick, Trade
from tradingmesh.core.tape.checks import Skipped

TRADE = 0
QUOTE = 1
TICK = np.dtype(
    [
        ("kind", "u1"),  # TRADE or QUOTE
        ("symbol", "u2"),  # index into the tape's `symbols`
        ("timestamp_ns", "i8"),
        ("price_e4", "i8"),  # a trade's price, a quote's bid
        ("ask_e4", "i8"),  # 0 in a trade
        ("size", "u4"),  # a trade's size, a quote's bid size
        ("ask_size", "u4"),  # 0 in a trade
    ],
    align=True,
)
Ticks = npt.NDArray[Any]
"""A one-dimensional array of TICK."""

BATCH = 4096


class TapePart(NamedTuple):
    """What one file holds: ticks in its order, whose symbol is an index into `symbols`, and what was left out."""

    symbols: Sequence[str]
    ticks: Ticks
    skipped: Skipped


class ColumnTape:
    """A tape that is in memory as columns."""

    def __init__(self, symbols: Sequence[str], ticks: Ticks, skipped: Skipped | None = None) -> None:
        self.symbols = tuple(symbols)
        self.skipped = skipped or Skipped()
        self._ticks = ticks

    @property
    def length(self) -> int:
        """How many events."""
        return len(self._ticks)

    @property
    def ticks(self) -> Ticks:
        """All of it as one array of TICK; not to be written to."""
        return self._ticks

    def batches(self) -> Iterator[Ticks]:
        """The events as arrays of TICK of at most BATCH, in time order."""
        for start in range(0, len(self._ticks), BATCH):
            yield self._ticks[start : start + BATCH]

    def __iter__(self) -> Iterator[Tick]:
        return chain.from_iterable(structs(batch, self.symbols) for batch in self.batches())


def structs(ticks: Ticks, symbols: Sequence[str]) -> Iterator[Tick]:
    """The same events as `Trade` and `Quote`."""
    rows = zip(*(ticks[name].tolist() for name in TICK.names or ()), strict=True)
    for kind, symbol, timestamp_ns, price_e4, ask_e4, size, ask_size in rows:
        if kind == QUOTE:
            yield Quote(symbols[symbol], price_e4, ask_e4, size, ask_size, timestamp_ns)
        else:
            yield Trade(symbols[symbol], price_e4, size, timestamp_ns)


def columns(events: Sequence[Tick], numbers: Mapping[str, int]) -> Ticks:
    """Structs as columns; `numbers` says which number a symbol has."""
    rows = [
        (QUOTE, numbers[e.symbol], e.timestamp_ns, e.bid_e4, e.ask_e4, e.bid_size, e.ask_size)
        if type(e) is Quote
        else (TRADE, numbers[e.symbol], e.timestamp_ns, e.price_e4, 0, e.size, 0)  # type: ignore[union-attr]
        for e in events
    ]
    return np.array(rows, dtype=TICK)


def merged(parts: Sequence[TapePart], wanted: Sequence[str]) -> ColumnTape:
    """One tape of all parts, in time order, of the wanted symbols; of all of them, sorted, if none is named.

    Within one time stamp quotes come first, because a trade is judged by the quote of its moment; then the order of
    the parts counts. Raises `InputError` where a symbol has no ticks.
    """
    held = {part.symbols[number] for part in parts for number in np.unique(part.ticks["symbol"])}
    symbols = list(wanted) or sorted(held)
    if missing := [symbol for symbol in symbols if symbol not in held]:
        raise InputError(f"no ticks of {', '.join(missing)}")
    numbers = numbered(symbols)
    chosen = [np.empty(0, TICK)]
    for part in parts:
        new = np.array([numbers.get(symbol, -1) for symbol in part.symbols], np.int64)[part.ticks["symbol"]]
        ticks = part.ticks[new >= 0]
        ticks["symbol"] = new[new >= 0]
        chosen.append(ticks)
    ticks = np.concatenate(chosen)
    ticks = ticks[np.lexsort((ticks["kind"] != QUOTE, ticks["timestamp_ns"]))]
    return ColumnTape(symbols, ticks, Skipped.of_all(part.skipped for part in parts))


def numbered(symbols: Sequence[str]) -> dict[str, int]:
    """Which number each symbol has in the columns. Raises `InputError` for more than the columns can number."""
    if len(symbols) > 2**16:
        raise InputError(f"{len(symbols):,} symbols in one tape; at most 65,536 fit")
    return {symbol: number for number, symbol in enumerate(symbols)}
