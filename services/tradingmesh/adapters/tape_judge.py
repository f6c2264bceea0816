"""Which rows of a tape file are events: judged column by column, told by line."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tradingmesh.adapters.tape_columns import QUOTE, TICK, TRADE, Ticks
from tradingmesh.core.errors import InputError
from tradingmesh.core.tape.checks import BadRows, Skip, Skipped

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_FAULTS = [skip for skip in Skip if skip.is_fault and skip is not Skip.NONE]


class Judge:
    """The rows of one file: `code` says of each whether, and why, it is left out. The first reason stays."""

    def __init__(self, where: str, rows: int) -> None:
        self.where = where
        self.code = np.zeros(rows, np.uint8)

    def flag(self, where: Mask, skip: Skip) -> None:
        """Leaves these rows out, those that were not left out already."""
        self.code[where & (self.code == Skip.NONE)] = skip

    def flag_backwards(self, times: Ints) -> None:
        """Leaves out the rows that are earlier than one before them."""
        if len(times):
            latest = np.maximum.accumulate(np.where(self.code == Skip.NONE, times, 0))
            self.flag(times < latest, Skip.BACKWARDS)

    @property
    def kept(self) -> Mask:
        """The rows that are not left out."""
        kept: Mask = self.code == Skip.NONE
        return kept

    def settle(self, bad_rows: BadRows, locate: Callable[[int], str]) -> Skipped:
        """How many rows are left out, by why. With `stop` raises `InputError` naming the first faulty row."""
        if bad_rows == "stop":
            faulty = np.isin(self.code, _FAULTS)
            if faulty.any():
                row = int(np.argmax(faulty))
                raise InputError(f"{self.where}:{locate(row)}: {Skip(self.code[row]).words}")
        counts = np.bincount(self.code, minlength=1).tolist()
        found = {Skip(code): count for code, count in enumerate(counts) if code and count}
        return Skipped(found, {skip: self._place(skip, locate) for skip in found if skip.is_fault})

    def _place(self, skip: Skip, locate: Callable[[int], str]) -> str:
        return f"{self.where}:{locate(int(np.argmax(self.code == skip)))}"


def plain_ticks(judge: Judge, quote: Mask, columns: dict[str, Ints]) -> Ticks:
    """The ticks of rows that say everything: judges their prices and times and leaves out what does not hold.

    `columns` are symbol (its number), timestamp_ns, price_e4 and size of a trade, bid_e4, bid_size, ask_e4 and
    ask_size of a quote; `quote` says which a row is.
    """
    judge.flag_backwards(columns["timestamp_ns"])
    bid_e4, ask_e4 = columns["bid_e4"], columns["ask_e4"]
    judge.flag(np.where(quote, (bid_e4 == 0) & (ask_e4 == 0), columns["price_e4"] == 0), Skip.ZERO_PRICE)
    judge.flag(quote & ((bid_e4 == 0) | (ask_e4 == 0)), Skip.ONE_SIDED)
    judge.flag(quote & (bid_e4 > ask_e4), Skip.CROSSED)
    kept = judge.kept
    quote = quote[kept]
    ticks = np.zeros(len(quote), TICK)
    ticks["kind"] = np.where(quote, QUOTE, TRADE)
    for name in ("symbol", "timestamp_ns"):
        ticks[name] = columns[name][kept]
    for name, of_trade, of_quote in (("price_e4", "price_e4", "bid_e4"), ("size", "size", "bid_size")):
        ticks[name] = np.where(quote, columns[of_quote][kept], columns[of_trade][kept])
    for name in ("ask_e4", "ask_size"):
        ticks[name] = np.where(quote, columns[name][kept], 0)
    return ticks
