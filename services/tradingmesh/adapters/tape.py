"""Opens a tape: `generated`, a LEAN folder or zip, a Parquet file or store, a CSV file. One call for all of them."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tradingmesh.contract import SYMBOL_MAX_BYTES
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Tick
from tradingmesh.core.tape.checks import BadRows, Skipped
from tradingmesh.core.tape.generator import TapeSettings, generate

if TYPE_CHECKING:
    from tradingmesh.adapters.tape_columns import Ticks

GENERATED = "generated"


class OpenTape(Protocol):
    """A `ports.Tape` that also comes as columns and knows what it left out.

    `batches()` gives arrays of `tape_columns.TICK` of at most `tape_columns.BATCH` events, `symbol` being an index
    into `symbols`. Each call of it, or of `iter`, starts from the beginning.
    """

    symbols: tuple[str, ...]
    skipped: Skipped

    @property
    def length(self) -> int:
        """How many events."""

    def __iter__(self) -> Iterator[Tick]: ...

    def batches(self) -> "Iterator[Ticks]":
        """The events as columns, in time order."""


class GeneratedTape:
    """A tape that is made while it is read."""

    def __init__(self, settings: TapeSettings) -> None:
        self.symbols = tuple(settings.symbols)
        self.skipped = Skipped()
        self._settings = settings

    @property
    def length(self) -> int:
        """How many events."""
        return self._settings.length

    def __iter__(self) -> Iterator[Tick]:
        return generate(self._settings)

    def batches(self) -> "Iterator[Ticks]":
        """The events as columns, in time order."""
        from tradingmesh.adapters.tape_columns import BATCH, columns, numbered  # noqa: PLC0415 - numpy only where asked

        numbers = numbered(self.symbols)
        events = iter(self)
        while chunk := list(islice(events, BATCH)):
            yield columns(chunk, numbers)


def open_tape(
    where: str,
    symbols: Sequence[str],
    *,
    bad_rows: BadRows = "skip",
    all_hours: bool = False,
    seed: int = 7,
    duration_ms: int = 60_000,
    ticks_per_second: int = 200,
) -> OpenTape:
    """The tape that `where` names.

    Args:
        where: `generated`; or a path: a folder in LEAN's layout or what the market data store wrote, a LEAN zip, a
            `.parquet` or a `.csv` file. `@20131007` behind a LEAN folder chooses a day; otherwise it is the first day
            that there is for every symbol.
        symbols: Which symbols, none meaning all there are. A generated tape needs them named.
        bad_rows: Whether a row that does not fit is counted in `skipped`, or ends the reading.
        all_hours: Whether LEAN rows before 09:30 and from 16:00 on, New York time, are wanted.
        seed: Of a generated tape, as the next two.
        duration_ms: How much market time to generate.
        ticks_per_second: How many events a second and symbol to generate.

    Raises:
        InputError: Names the file, and the line where one is at fault.
    """
    for symbol in symbols:
        if not 0 < len(symbol.encode()) <= SYMBOL_MAX_BYTES:
            raise InputError(f"symbol {symbol!r} does not have 1 to {SYMBOL_MAX_BYTES} bytes")
    if where == GENERATED:
        return GeneratedTape(TapeSettings(tuple(symbols), seed, duration_ms, ticks_per_second))
    from tradingmesh.adapters.tape_files import read_tape  # noqa: PLC0415 - a generated tape needs no pyarrow

    path, _, day = where.rpartition("@")
    if not (path and len(day) == 8 and day.isdigit()):
        path, day = where, ""
    return read_tape(Path(path), symbols, day=day, bad_rows=bad_rows, all_hours=all_hours)
