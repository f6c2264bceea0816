"""Ticks, bars and features as Parquet, one folder a kind, symbol and UTC day: `KIND/SYMBOL/YYYY-MM-DD/*.parquet`.

A file is one flush, and appears whole or not at all. Read the folder as a tape (`open_tape`), or with DuckDB (`query`).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tradingmesh.adapters.tape_columns import ColumnTape
from tradingmesh.adapters.tape_files import read_tape
from tradingmesh.adapters.tick_store_files import KINDS, SPOOL
from tradingmesh.adapters.tick_store_spool import Spool
from tradingmesh.adapters.tick_store_write import write_spooled
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import MarketEvent
from tradingmesh.core.tape.checks import TIME_MAX_NS
from tradingmesh.wire.market import encode


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


def query(root: Path, sql: str) -> list[tuple[Any, ...]]:
    """Answers SQL over the views trade, quote, bar and feature, those that have rows. Raises `InputError`."""
    import duckdb  # noqa: PLC0415 - only who asks needs it

    with duckdb.connect() as connection:
        for name in KINDS:
            if any((root / name).glob("*/*/*.parquet")):
                connection.read_parquet(str(root / name / "*" / "*" / "*.parquet")).create_view(name)
        try:
            return connection.execute(sql).fetchall()
        except duckdb.Error as error:
            raise InputError(f"{root}: {str(error).splitlines()[0]}") from None
