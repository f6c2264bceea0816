"""Which files make up a tape, and their ticks merged."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tradingmesh.adapters.tape_columns import ColumnTape, Ticks, merged, numbered
from tradingmesh.adapters.tape_lean import LAYOUT, LeanFile, lean_file, read_lean
from tradingmesh.core.errors import InputError
from tradingmesh.core.tape_checks import BadRows, Skipped


def read_tape(path: Path, symbols: Sequence[str], *, date: str, bad_rows: BadRows, all_hours: bool) -> ColumnTape:
    """Reads a whole tape from a file or folder. Raises `InputError` naming what is missing or wrong."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    files = [lean_file(path)] if path.suffix == ".zip" else _lean_day(path, symbols, date)
    return _lean(files, symbols, bad_rows=bad_rows, all_hours=all_hours)


def _lean(files: Sequence[LeanFile], symbols: Sequence[str], *, bad_rows: BadRows, all_hours: bool) -> ColumnTape:
    names = list(dict.fromkeys(file.symbol for file in files))
    missing = [symbol for symbol in symbols if symbol not in names]
    if missing:
        raise InputError(f"{files[0].path}: holds no {', '.join(missing)}")
    numbers = numbered(names)
    parts: list[Ticks] = []
    skipped = Skipped()
    for file in files:
        ticks, left_out = read_lean(file, numbers[file.symbol], bad_rows=bad_rows, all_hours=all_hours)
        parts.append(ticks)
        skipped += left_out
    return ColumnTape(names, merged(parts), skipped)


def _lean_day(root: Path, symbols: Sequence[str], date: str) -> list[LeanFile]:
    """The files of these symbols of one day: the given one, or the first that all of them have."""
    folder = root / LAYOUT if (root / LAYOUT).is_dir() else root
    wanted = symbols or sorted(found.name.upper() for found in folder.iterdir() if found.is_dir())
    by_day: dict[str, list[LeanFile]] = defaultdict(list)
    for symbol in wanted:
        if not (folder / symbol.lower()).is_dir():
            raise InputError(f"{folder}: no folder {symbol.lower()} with ticks of {symbol}")
        for path in sorted((folder / symbol.lower()).glob("*_*.zip")):
            file = lean_file(path)
            by_day[file.date].append(file)
    days = [day for day, files in sorted(by_day.items()) if len({file.symbol for file in files}) == len(wanted)]
    day = date or (days[0] if days else "")
    if day not in days:
        raise InputError(f"{folder}: no day {date or 'at all'} with ticks of every one of {', '.join(wanted)}")
    return by_day[day]
