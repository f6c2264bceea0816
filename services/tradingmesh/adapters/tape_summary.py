"""What a tape holds, by symbol."""

from typing import NamedTuple

import numpy as np

from tradingmesh.adapters.tape import OpenTape
from tradingmesh.adapters.tape_columns import QUOTE


class SymbolSummary(NamedTuple):
    """One symbol's part of a tape; the times are of its first and last tick, 0 where it has none."""

    symbol: str
    trades: int
    quotes: int
    first_ns: int
    last_ns: int


def summarise(tape: OpenTape) -> list[SymbolSummary]:
    """One summary a symbol, in the tape's order. Reads the tape once."""
    count = len(tape.symbols)
    trades, quotes = np.zeros(count, np.int64), np.zeros(count, np.int64)
    first_ns, last_ns = [0] * count, [0] * count
    for batch in tape.batches():
        is_quote = batch["kind"] == QUOTE
        quotes += np.bincount(batch["symbol"][is_quote], minlength=count)
        trades += np.bincount(batch["symbol"][~is_quote], minlength=count)
        for number in np.unique(batch["symbol"]):
            times = batch["timestamp_ns"][batch["symbol"] == number]
            first_ns[number] = first_ns[number] or int(times[0])
            last_ns[number] = int(times[-1])
    rows = zip(tape.symbols, trades.tolist(), quotes.tolist(), first_ns, last_ns, strict=True)
    return [SymbolSummary(*row) for row in rows]
