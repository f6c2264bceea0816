"""Text rows into columns of integers, fast, and with the line of every row that does not fit.

Everything is read as text first and judged column by column, so a bad row is found by its line without a second,
slower reader.
"""

import io
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

import tradingmesh.adapters.pyarrow_library  # noqa: F401 - before the first conversion
from tradingmesh.adapters.tape_judge import Ints, Judge, Mask
from tradingmesh.core.errors import InputError
from tradingmesh.core.tape.checks import BadRows, Skip, Skipped

_BLOCK_BYTES = 4 << 20
_FITS_64_BITS = "^([0-9]{1,18}|[0-8][0-9]{18})$"


class TextRows:
    """The rows of one CSV text. What has the wrong number of columns is left out from the start, and counted."""

    def __init__(self, where: str, data: bytes, names: Sequence[str], *, header: bool) -> None:
        """Raises `InputError` where the file as a whole is not such text."""
        self._misfits: list[int] = []
        table = _read(where, data, names, header=header, misfits=self._misfits)
        self._text = {name: table.column(name).combine_chunks() for name in names}
        self._first_line = 2 if header else 1
        self.judge = Judge(where, table.num_rows)

    def text(self, name: str) -> Any:
        """A column as a pyarrow array of strings."""
        return self._text[name]

    def equal(self, name: str, value: str) -> Mask:
        """Which rows have that text there."""
        mask: Mask = pc.equal(self._text[name], value).to_numpy(zero_copy_only=False)
        return mask

    def integers(self, name: str, *, most: int, applies: Mask | None = None) -> Ints:
        """A column as integers from 0 to `most`. A row where it is none is left out, if the column `applies` to it."""
        text = self._text[name]
        fits = pc.match_substring_regex(text, _FITS_64_BITS)
        values: Ints = pc.cast(pc.if_else(fits, text, "0"), pa.int64()).to_numpy(zero_copy_only=False)
        digits = pc.match_substring_regex(text, "^[0-9]+$").to_numpy(zero_copy_only=False)
        large = ~fits.to_numpy(zero_copy_only=False) | (values > most)
        if applies is not None:
            digits, large = digits | ~applies, large & applies
        self.judge.flag(~digits, Skip.NOT_A_NUMBER)
        self.judge.flag(large, Skip.TOO_LARGE)
        return values

    def settle(self, bad_rows: BadRows) -> Skipped:
        """How many rows are left out, by why. With `stop` raises `InputError` naming the first faulty line."""
        if bad_rows == "stop" and self._misfits:
            misfit = self._misfits[0]
            before = Judge(self.judge.where, 0)
            before.code = self.judge.code[: misfit - self._first_line]
            before.settle(bad_rows, self._locate)
            raise InputError(f"{self.judge.where}:{misfit}: {Skip.COLUMNS.words}")
        skipped = self.judge.settle(bad_rows, self._locate)
        if self._misfits:
            skipped[Skip.COLUMNS] = len(self._misfits)
            skipped.first[Skip.COLUMNS] = f"{self.judge.where}:{self._misfits[0]}"
        return skipped

    def _locate(self, row: int) -> str:
        """The line of a row, with the misfits before it counted in, and its text."""
        line = row + self._first_line
        while (shifted := row + self._first_line + bisect_right(self._misfits, line)) != line:
            line = shifted
        return f"{line}: {','.join(column[row].as_py() for column in self._text.values())}"


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
