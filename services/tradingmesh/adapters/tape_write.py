"""Writes a tape to another format: the suffix decides, and none means LEAN's folders."""

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

import tradingmesh.adapters.pyarrow_library  # noqa: F401 - before the first conversion
from tradingmesh.adapters.tape import OpenTape
from tradingmesh.adapters.tape_columns import QUOTE, TICK, Ticks
from tradingmesh.adapters.tape_judge import Ints
from tradingmesh.adapters.tape_lean import LAYOUT, NEW_YORK, NS_PER_MS, QUOTE_COLUMNS, TRADE_COLUMNS, midnight_ns
from tradingmesh.adapters.tape_plain import write_csv, write_parquet
from tradingmesh.adapters.whole_file import whole
from tradingmesh.core.errors import InputError


def write_tape(tape: OpenTape, target: Path) -> None:
    """Writes a `.parquet` or `.csv` file, or, where the name has no suffix, a folder in LEAN's layout.

    A file appears whole or not at all. LEAN keeps milliseconds: what is finer in a time is cut off there.

    Raises:
        InputError: The target exists already, or has another suffix.
    """
    writers = {".parquet": write_parquet, ".csv": write_csv}
    if target.exists():
        raise InputError(f"{target}: exists already")
    if target.suffix and target.suffix not in writers:
        raise InputError(f"{target}: a tape is written as .parquet or .csv, or without suffix as LEAN's folders")
    if not target.suffix:
        _write_lean(tape, target)
        return
    with whole(target) as path:
        writers[target.suffix](path, tape.symbols, tape.batches())


def _write_lean(tape: OpenTape, root: Path) -> None:
    ticks = np.concatenate([np.empty(0, TICK), *tape.batches()])
    for number, symbol in enumerate(tape.symbols):
        if "/" in symbol:
            raise InputError(f"{root}: {symbol} cannot be a folder of LEAN's")
        of_symbol = ticks[ticks["symbol"] == number]
        for kind, table_of in (("trade", _trade_rows), ("quote", _quote_rows)):
            for day, chosen in _days(of_symbol[(of_symbol["kind"] == QUOTE) == (kind == "quote")]):
                text = io.BytesIO()
                ms = (chosen["timestamp_ns"] - midnight_ns(day)) // NS_PER_MS
                csv.write_csv(table_of(chosen, ms), text, csv.WriteOptions(include_header=False, quoting_style="none"))
                path = root / LAYOUT / symbol.lower() / f"{day:%Y%m%d}_{kind}.zip"
                with whole(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr(f"{day:%Y%m%d}_{symbol.lower()}_{kind.capitalize()}_Tick.csv", text.getvalue())


def _days(ticks: Ticks) -> Iterator[tuple[date, Ticks]]:
    """The ticks by their day in New York."""
    while len(ticks):
        day = datetime.fromtimestamp(int(ticks["timestamp_ns"][0]) // 10**9, NEW_YORK).date()
        count = int(np.searchsorted(ticks["timestamp_ns"], midnight_ns(day + timedelta(days=1))))
        yield day, ticks[:count]
        ticks = ticks[count:]


def _trade_rows(ticks: Ticks, ms: Ints) -> Any:
    columns = [ms, ticks["price_e4"], ticks["size"]]
    return _table(columns, TRADE_COLUMNS)


def _quote_rows(ticks: Ticks, ms: Ints) -> Any:
    """Two rows a quote: its bid, then its ask."""
    columns = [np.zeros(2 * len(ticks), np.int64) for _ in range(5)]
    columns[0][:] = np.repeat(ms, 2)
    for column, name, first in ((1, "price_e4", 0), (2, "size", 0), (3, "ask_e4", 1), (4, "ask_size", 1)):
        columns[column][first::2] = ticks[name]
    return _table(columns, QUOTE_COLUMNS)


def _table(columns: list[Any], names: tuple[str, ...]) -> Any:
    """With constants for what a tick of ours does not know: exchange, condition, and that it is not suspicious."""
    count = len(columns[0])
    constants = [pa.repeat(text, count) for text in ("", "0", "0")]
    return pa.table([pa.array(column) for column in columns] + constants, names=list(names))
