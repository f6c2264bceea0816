"""Which files make up a tape, and their ticks merged."""

import ctypes
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa

from tradingmesh.adapters.tape_columns import ColumnTape, TapePart, merged
from tradingmesh.adapters.tape_lean import LAYOUT, LeanFile, lean_file, parse_day, read_lean
from tradingmesh.adapters.tape_plain import read_csv, read_parquet
from tradingmesh.adapters.tick_store_files import folder_name
from tradingmesh.core.errors import InputError
from tradingmesh.core.tape.checks import BadRows

STORE_KINDS = ("trade", "quote")
"""The folders of the market data store that hold ticks: KIND/SYMBOL/DAY/*.parquet."""


def read_tape(path: Path, symbols: Sequence[str], *, day: str, bad_rows: BadRows, all_hours: bool) -> ColumnTape:
    """Reads a whole tape from a file or folder. Raises `InputError` naming what is missing or wrong."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    readers: dict[str, Callable[[Path], TapePart]] = {
        ".zip": lambda file: read_lean(lean_file(file), bad_rows=bad_rows, all_hours=all_hours),
        ".csv": lambda file: read_csv(file, bad_rows),
        ".parquet": lambda file: read_parquet(file, bad_rows),
    }
    files = _files(path, symbols, day)
    unknown = [file for file in files if file.suffix not in readers]
    if unknown:
        raise InputError(f"{unknown[0]}: a tape is a .zip of LEAN's, a .csv or a .parquet file, or a folder")
    try:
        return merged([readers[file.suffix](file) for file in files], symbols)
    except InputError as error:
        raise error if str(error).startswith(str(path)) else InputError(f"{path}: {error}") from None
    finally:
        _give_back()


def _give_back() -> None:
    """Returns what the text of the files took, several times the size of the tape, to the machine."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's: it keeps what numpy no longer uses
    if trim is not None:
        trim(0)


def _files(path: Path, symbols: Sequence[str], day: str) -> list[Path]:
    if not path.is_dir():
        return [path]
    stored = [folder for kind in STORE_KINDS if (folder := path / kind).is_dir()]
    if stored:
        files = [file for folder in stored for file in sorted(folder.glob("*/*/*.parquet"))]
        return [file for file in files if not symbols or file.parts[-3] in {folder_name(s) for s in symbols}]
    return [file.path for file in _lean_day(path, symbols, day)]


def _lean_day(root: Path, symbols: Sequence[str], chosen: str) -> list[LeanFile]:
    """The files of these symbols of one day: the given one, or the first that all of them have."""
    folder = root / LAYOUT if (root / LAYOUT).is_dir() else root
    wanted = symbols or sorted({found.parent.name.upper() for found in folder.glob("*/*_*.zip")})
    if not wanted:
        raise InputError(f"{root}: no ticks in it: give the folder that holds {LAYOUT}/SYMBOL/, or a file")
    by_day: dict[date, list[LeanFile]] = defaultdict(list)
    for symbol in wanted:
        if not (folder / symbol.lower()).is_dir():
            raise InputError(f"{folder}: no folder {symbol.lower()} with ticks of {symbol}")
        for path in sorted((folder / symbol.lower()).glob("*_*.zip")):
            file = lean_file(path)
            by_day[file.day].append(file)
    days = [day for day, files in sorted(by_day.items()) if len({file.symbol for file in files}) == len(wanted)]
    day = parse_day(chosen, root) if chosen else next(iter(days), None)
    if day not in days:
        raise InputError(f"{folder}: no day {chosen or 'at all'} with ticks of every one of {', '.join(wanted)}")
    return by_day[day]
