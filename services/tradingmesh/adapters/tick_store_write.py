"""Makes Parquet of a tick store's spool: one file a spool file, symbol and UTC day, times ascending.

A file is named after the spool file it is made of, so making it twice changes nothing.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import tradingmesh.adapters.pyarrow_library  # noqa: F401 - before the first conversion
from tradingmesh.adapters.tick_store_files import KINDS, SPOOL, folder_name, read_spool, spooled
from tradingmesh.adapters.whole_file import whole
from tradingmesh.core.errors import InputError
from tradingmesh.wire.batch import BAR_DTYPE, QUOTE_DTYPE, TRADE_DTYPE

ROW_GROUP_ROWS = 65_536
_DAY_NS = 86_400 * 10**9
_FEATURES = ("ema_fast_e4", "ema_slow_e4", "vwap_e4", "volatility", "imbalance", "microprice_e4")
FEATURE_DTYPE = np.dtype([("symbol", "S8"), ("timestamp_ns", "<i8"), *((name, "<f8") for name in _FEATURES)])
DTYPES = dict(zip(KINDS, (TRADE_DTYPE, QUOTE_DTYPE, BAR_DTYPE, FEATURE_DTYPE), strict=True))


def write_spooled(root: Path) -> int:
    """Makes Parquet of every spool file and removes it; returns how many rows.

    Raises:
        InputError: Names the spool files that are damaged; they are set aside as `*.damaged`, the others are done.
        OSError: A file cannot be written; its spool file stays.
    """
    rows, damaged = 0, []
    for path in spooled(root / SPOOL):
        try:
            records = np.frombuffer(read_spool(path), DTYPES[path.suffix[1:]])
        except FileNotFoundError:
            continue  # another writer was faster
        except InputError as error:
            path.replace(path.with_name(f"{path.name}.damaged"))
            damaged.append(str(error))
            continue
        _write(root, path, records)
        path.unlink(missing_ok=True)
        rows += len(records)
    if damaged:
        raise InputError("; ".join(damaged))
    return rows


def _write(root: Path, spool: Path, records: Any) -> None:
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
                _write_file(path, symbol, chosen)


def _write_file(path: Path, symbol: str, records: Any) -> None:
    names = records.dtype.names
    encoding = {name: "DELTA_BINARY_PACKED" for name in names if records[name].dtype.kind in "iu"}
    symbols = pa.DictionaryArray.from_arrays(np.zeros(len(records), np.int8), [symbol])
    pq.write_table(
        pa.Table.from_arrays([symbols, *(_array(records[name]) for name in names[1:])], names=names),
        path,
        compression="zstd",
        use_dictionary=["symbol"],
        column_encoding=encoding,
        row_group_size=ROW_GROUP_ROWS,
        write_page_checksum=True,
    )


def _array(values: Any) -> Any:
    """Integers as 64 bits; floats with null for what is not a number."""
    if values.dtype.kind == "f":
        return pa.array(np.ascontiguousarray(values), from_pandas=True)
    return pa.array(values.astype(np.int64))
