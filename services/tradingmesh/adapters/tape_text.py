"""Text rows into columns of integers, fast, and with the line of every row that does not fit.

Everything is read as text first and judged column by column, so a bad row is found by its line without a second,
slower reader.
"""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from tradingmesh.core.errors import InputError
from tradingmesh.core.tape_checks import BadRows, Skip, Skipped

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_BLOCK_BYTES = 4 << 20
_DIGITS_MAX = 18
"""What always fits 64 bits."""


class Rows:
    """The rows of one text file: `code` says of each whether, and why, it is left out."""

    def __init__(self, where: str, data: bytes, names: Sequence[str], *, header: bool) -> None:
        """Raises `InputError` where the file as a whole is not such text."""
        self.where = where
        self._misfits: list[int] = []
        table = _read(where, data, names, header=header, misfits=self._misfits)
        self._text = {name: table.column(name).combine_chunks() for name in names}
        self.code = np.zeros(table.num_rows, np.uint8)
        self._first_line = 2 if header else 1

    def __len__(self) -> int:
        return len(self.code)

    def text(self, name: str) -> Any:
        """A column as a pyarrow array of strings."""
        return self._text[name]

    def equal(self, name: str, value: str) -> Mask:
        """Which rows have that text there."""
        mask: Mask = pc.equal(self._text[name], value).to_numpy(zero_copy_only=False)
        return mask

    def flag(self, where: Mask, skip: Skip) -> None:
        """Leaves these rows out, those that were not left out already."""
        self.code[where & (self.code == Skip.NONE)] = skip

    def integers(self, name: str, *, most: int, applies: Mask | None = None) -> Ints:
        """A column as integers from 0 to `most`; a row where it is none is flagged, if the column `applies` to it."""
        text = self._text[name]
        fits = pc.match_substring_regex(text, f"^[0-9]{{1,{_DIGITS_MAX}}}$")
        values: Ints = pc.cast(pc.if_else(fits, text, "0"), pa.int64()).to_numpy(zero_copy_only=False)
        digits = pc.match_substring_regex(text, "^[0-9]+$").to_numpy(zero_copy_only=False)
        wanted = True if applies is None else applies
        self.flag(~digits & wanted, Skip.NOT_A_NUMBER)
        self.flag((~fits.to_numpy(zero_copy_only=False) | (values > most)) & wanted, Skip.TOO_LARGE)
        return values

    def flag_backwards(self, times: Ints) -> None:
        """Leaves out the rows that are earlier than one before them."""
        latest = np.maximum.accumulate(np.where(self.code == Skip.NONE, times, 0))
        self.flag(times < latest, Skip.BACKWARDS)

    def settle(self, bad_rows: BadRows) -> Skipped:
        """How many rows are left out, by why. With `stop` raises `InputError` naming the first faulty line."""
        skipped = Skipped(
            {Skip(code): int(count) for code, count in enumerate(np.bincount(self.code)) if code and count}
        )
        if self._misfits:
            skipped[Skip.COLUMNS] = len(self._misfits)
        if bad_rows == "stop":
            for line, skip, text in self._faults():
                raise InputError(f"{self.where}:{line}: {skip.words}{text}")
        return skipped

    def _faults(self) -> Iterator[tuple[int, Skip, str]]:
        """The first fault, and perhaps more."""
        faulty = np.isin(self.code, [skip for skip in Skip if skip.is_fault and skip])
        first = int(np.argmax(faulty)) if faulty.any() else None
        line = self._line(first) if first is not None else None
        if self._misfits and (line is None or self._misfits[0] < line):
            yield self._misfits[0], Skip.COLUMNS, ""
        if first is not None and line is not None:
            row = ",".join(column[first].as_py() for column in self._text.values())
            yield line, Skip(self.code[first]), f": {row}"

    def _line(self, row: int) -> int:
        """The line of a row, with the misfits before it counted in."""
        line = row + self._first_line
        for misfit in self._misfits:
            if misfit > line:
                break
            line += 1
        return line


def _read(where: str, data: bytes, names: Sequence[str], *, header: bool, misfits: list[int]) -> Any:
    def misfit(row: Any) -> str:
        misfits.append(row.number)
        return "skip"

    try:
        return csv.read_csv(
            io.BytesIO(data),
            csv.ReadOptions(
                use_threads=False,  # only then are rows numbered
                block_size=_BLOCK_BYTES,
                column_names=None if header else list(names),
            ),
            csv.ParseOptions(quote_char=False, ignore_empty_lines=False, invalid_row_handler=misfit),
            csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                include_columns=list(names),
                check_utf8=False,
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise InputError(f"{where}: {str(error).splitlines()[0]}") from None
