"""Ticks, bars and features as Parquet, one folder a kind, symbol and UTC day: `KIND/SYMBOL/YYYY-MM-DD/*.parquet`.

A file is one flush: it appears whole or not at all, and is named after the spool file it is made of, so making it
twice changes nothing. Within a file times ascend. Read it as a tape (`open_tape(folder)`), or with DuckDB (`query`).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tradingmesh.adapters.tape_columns import ColumnTape
from tradingmesh.adapters.tape_files import folder_name, read_tape
from tradingmesh.adapters.tape_write import whole
from tradingmesh.adapters.tick_store_spool import Spool, read_spool, spooled
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import MarketEvent
from tradingmesh.core.tape_checks import TIME_MAX_NS
from tradingmesh.wire.batch import BAR_DTYPE, QUOTE_DTYPE, TRADE_DTYPE
from tradingmesh.wire.market import encode

SPOOL = "spool"
"""The folder of the spool, within the store's."""
ROW_GROUP_ROWS = 65_536
_DAY_NS = 86_400 * 10**9
_FEATURE_NAMES = ("ema_fast_e4", "ema_slow_e4", "vwap_e4", "volatility", "imbalance", "microprice_e4")
FEATURE_DTYPE = np.dtype([("symbol", "S8"), ("timestamp_ns", "<i8"), *((name, "<f8") for name in _FEATURE_NAMES)])
_DTYPES = {"trade": TRADE_DTYPE, "quote": QUOTE_DTYPE, "bar": BAR_DTYPE, "feature": FEATURE_DTYPE}


class ParquetTickStore:
    """A `ports.TickStore` in one process, in a folder that it makes."""

    def __init__(self, root: Path, epoch: int) -> None:
        self._root = root
        self._spool = Spool(root / SPOOL, epoch)

    def append(self, events: Iterable[MarketEvent]) -> None:
        """Takes the events; they are durable after the next `flush`. Raises `InputError` where one does not fit."""
        for event in events:
            if not 0 <= event.timestamp_ns <= TIME_MAX_NS:
                raise InputError(f"{event.symbol}: {event.timestamp_ns} is not a time between 1970 and 2100")
            self._spool.add(*encode(event))
            if self._spool.full:
                self._spool.write()

    def flush(self) -> None:
        """Everything appended is readable by others from now on. Raises `InputError` naming a damaged spool file."""
        self._spool.write()
        write_spooled(self._root)

    def tape(self, symbols: Sequence[str]) -> ColumnTape:
        """The trades and quotes of these symbols, in time order. Raises `InputError` where there are none.

        Bars are not in it: whoever plays the tape makes them of its trades.
        """
        return read_tape(self._root, symbols, day="", bad_rows="skip", all_hours=True)


def write_spooled(root: Path) -> int:
    """Makes Parquet of every spool file and removes it; returns how many rows.

    Raises:
        InputError: Names the spool files that are damaged; they are set aside as `*.damaged`, the others are done.
    """
    rows, damaged = 0, []
    for path in spooled(root / SPOOL):
        try:
            records = read_spool(path)
        except FileNotFoundError:
            continue  # another writer was faster
        except InputError as error:
            path.replace(path.with_name(f"{path.name}.damaged"))
            damaged.append(str(error))
            continue
        rows += _write(root, path, np.frombuffer(records, _DTYPES[path.suffix[1:]]))
        path.unlink(missing_ok=True)
    if damaged:
        raise InputError("; ".join(damaged))
    return rows


def query(root: Path, sql: str) -> list[tuple[Any, ...]]:
    """Answers SQL over the views trade, quote, bar and feature, those that have rows. Raises `InputError`."""
    import duckdb  # noqa: PLC0415 - only who asks needs it

    with duckdb.connect() as connection:
        for name in _DTYPES:
            if any((root / name).glob("*/*/*.parquet")):
                connection.read_parquet(str(root / name / "*" / "*" / "*.parquet")).create_view(name)
        try:
            return connection.execute(sql).fetchall()
        except duckdb.Error as error:
            raise InputError(f"{root}: {str(error).splitlines()[0]}") from None


def _write(root: Path, spool: Path, records: Any) -> int:
    """Writes the records of one spool file, a Parquet file for each symbol and day in it."""
    day = records["timestamp_ns"] // _DAY_NS
    for raw in np.unique(records["symbol"]):
        of_symbol = records["symbol"] == raw
        for number in np.unique(day[of_symbol]):
            chosen = records[of_symbol & (day == number)]
            chosen = chosen[np.argsort(chosen["timestamp_ns"], kind="stable")]
            symbol = raw.decode()
            date = datetime.fromtimestamp(int(number) * 86_400, UTC)
            folder = root / spool.suffix[1:] / folder_name(symbol) / f"{date:%Y-%m-%d}"
            with whole(folder / f"{spool.stem}.parquet") as path:
                pq.write_table(
                    _table(symbol, chosen),
                    path,
                    compression="zstd",
                    row_group_size=ROW_GROUP_ROWS,
                    write_page_checksum=True,
                )
    return len(records)


def _table(symbol: str, records: Any) -> Any:
    """The records as a pyarrow table; what is NaN in them is null in it."""
    symbols = pa.DictionaryArray.from_arrays(np.zeros(len(records), np.int8), [symbol])
    columns = {"symbol": symbols}
    for name in records.dtype.names[1:]:
        values = np.ascontiguousarray(records[name])
        kind = pa.float64() if values.dtype.kind == "f" else pa.int64()
        columns[name] = pa.array(values, from_pandas=True).cast(kind)
    return pa.table(columns)
