"""Tapes as plain tables, one row an event: CSV with a header, and Parquet with the same columns.

Columns: kind (`trade` or `quote`), symbol, timestamp_ns (since 1970 UTC), price_e4 and size of a trade, bid_e4,
bid_size, ask_e4 and ask_size of a quote; prices x 10,000, and empty what the other kind has. Rows are in time order.
A Parquet file without `kind` holds only what its columns say; that is how the market data store writes.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

import tradingmesh.adapters.pyarrow_library  # noqa: F401 - before the first conversion
from tradingmesh.adapters.tape_columns import QUOTE, TapePart, Ticks, numbered
from tradingmesh.adapters.tape_judge import Ints, Judge, Mask, plain_ticks
from tradingmesh.adapters.tape_text import TextRows
from tradingmesh.contract import SYMBOL_MAX_BYTES
from tradingmesh.core.errors import InputError
from tradingmesh.core.money import PRICE_E4_MAX, SIZE_MAX
from tradingmesh.core.tape.checks import TIME_MAX_NS, BadRows, Skip

TRADE_COLUMNS = ("price_e4", "size")
QUOTE_COLUMNS = ("bid_e4", "bid_size", "ask_e4", "ask_size")
COLUMNS = ("kind", "symbol", "timestamp_ns", *TRADE_COLUMNS, *QUOTE_COLUMNS)
ROW_GROUP_ROWS = 65_536

_MOST = {"timestamp_ns": TIME_MAX_NS, "price_e4": PRICE_E4_MAX, "bid_e4": PRICE_E4_MAX, "ask_e4": PRICE_E4_MAX}


def read_csv(path: Path, bad_rows: BadRows) -> TapePart:
    """Reads a CSV file. Raises `InputError` naming file, line and what is wrong."""
    rows = TextRows(str(path), path.read_bytes(), COLUMNS, header=True)
    quote, trade = rows.equal("kind", "quote"), rows.equal("kind", "trade")
    rows.judge.flag(~quote & ~trade, Skip.NOT_A_NUMBER)
    symbols, number = _symbols(rows.judge, rows.text("symbol"))
    columns = {"symbol": number, "timestamp_ns": rows.integers("timestamp_ns", most=TIME_MAX_NS)}
    for names, applies in ((TRADE_COLUMNS, trade), (QUOTE_COLUMNS, quote)):
        for name in names:
            columns[name] = rows.integers(name, most=_MOST.get(name, SIZE_MAX), applies=applies)
    ticks = plain_ticks(rows.judge, quote, columns)
    return TapePart(symbols, ticks, rows.settle(bad_rows))


def read_parquet(path: Path, bad_rows: BadRows) -> TapePart:
    """Reads a Parquet file. Raises `InputError` naming file, row (from 1) and what is wrong."""
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read().combine_chunks()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a whole Parquet file: {str(error).splitlines()[0]}") from None
    judge = Judge(str(path), table.num_rows)
    quote = _quotes(path, table)
    symbols, number = _symbols(judge, _column(path, table, "symbol", pa.string()))
    columns = {"symbol": number, "timestamp_ns": _integers(path, table, "timestamp_ns", judge, None)}
    for names, applies in ((TRADE_COLUMNS, ~quote), (QUOTE_COLUMNS, quote)):
        for name in names:
            present = name in table.column_names or applies.any()
            zeros = np.zeros(table.num_rows, np.int64)
            columns[name] = _integers(path, table, name, judge, applies) if present else zeros
    ticks = plain_ticks(judge, quote, columns)
    return TapePart(symbols, ticks, judge.settle(bad_rows, lambda row: f"row {row + 1}"))


def write_csv(path: Path, symbols: Sequence[str], batches: Iterable[Ticks]) -> None:
    """Writes ticks as CSV."""
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file, csv.CSVWriter(file, plain_schema(), write_options=options) as writer:
        file.write(",".join(COLUMNS).encode() + b"\n")  # pyarrow would quote the names
        for batch in batches:
            writer.write_table(plain_table(batch, symbols))


def write_parquet(path: Path, symbols: Sequence[str], batches: Iterable[Ticks]) -> None:
    """Writes ticks as one Parquet file."""
    with pq.ParquetWriter(path, plain_schema(), compression="zstd", write_page_checksum=True) as writer:
        for batch in batches:
            writer.write_table(plain_table(batch, symbols), row_group_size=ROW_GROUP_ROWS)


def plain_schema() -> Any:
    """The columns and their types."""
    texts = [(name, pa.string()) for name in ("kind", "symbol")]
    return pa.schema(texts + [(name, pa.int64()) for name in COLUMNS[2:]])


def plain_table(ticks: Ticks, symbols: Sequence[str]) -> Any:
    """Ticks as a pyarrow table."""
    quote = ticks["kind"] == QUOTE
    names = pa.array(symbols, pa.string())
    columns = [
        pc.if_else(pa.array(quote), "quote", "trade"),
        names.take(pa.array(ticks["symbol"])),
        pa.array(ticks["timestamp_ns"]),
    ]
    columns += [pa.array(ticks[name].astype(np.int64), mask=quote) for name in TRADE_COLUMNS]
    of_quote = ("price_e4", "size", "ask_e4", "ask_size")
    columns += [pa.array(ticks[name].astype(np.int64), mask=~quote) for name in of_quote]
    return pa.table(columns, schema=plain_schema())


def _symbols(judge: Judge, text: Any) -> tuple[list[str], Ints]:
    """The different symbols, and each row's number among them. A row whose symbol is none is left out."""
    encoded = text.dictionary_encode()
    if encoded.null_count:
        encoded = encoded.fill_null("")
    names = [_name(raw) for raw in encoded.dictionary.cast(pa.binary()).to_pylist()]
    numbered(names)
    number: Ints = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    bad = np.array([not 0 < len(name.encode()) <= SYMBOL_MAX_BYTES for name in names], np.bool_)
    if names:
        judge.flag(bad[number], Skip.TOO_LARGE)
    return names, number


def _name(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _quotes(path: Path, table: Any) -> Mask:
    """Which rows are quotes."""
    if "kind" in table.column_names:
        kind = _column(path, table, "kind", pa.string())
        mask: Mask = pc.equal(kind, "quote").fill_null(False).to_numpy(zero_copy_only=False)  # noqa: FBT003
        return mask
    return np.full(table.num_rows, "price_e4" not in table.column_names, np.bool_)


def _integers(path: Path, table: Any, name: str, judge: Judge, applies: Mask | None) -> Ints:
    column = _column(path, table, name, pa.int64())
    wanted = np.ones(len(column), np.bool_) if applies is None else applies
    judge.flag(column.is_null().to_numpy(zero_copy_only=False) & wanted, Skip.NOT_A_NUMBER)
    values: Ints = column.fill_null(0).to_numpy(zero_copy_only=False)
    judge.flag(((values > _MOST.get(name, SIZE_MAX)) | (values < 0)) & wanted, Skip.TOO_LARGE)
    return values


def _column(path: Path, table: Any, name: str, kind: Any) -> Any:
    if name not in table.column_names:
        raise InputError(f"{path}: has no column {name}")
    try:
        return table.column(name).cast(kind).combine_chunks()
    except pa.ArrowException:
        raise InputError(f"{path}: column {name} is not of type {kind}") from None
