"""The column reader of LEAN files against a plain one: row by row, as the format is described."""

import zipfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradingmesh.adapters.tape import open_tape
from tradingmesh.adapters.tape_lean import midnight_ns, parse_day
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Quote, Tick, Trade
from tradingmesh.core.tape.checks import Skip

OPEN, CLOSE = 34_200_000, 57_600_000
DAY_MS = 25 * 3_600_000
SIZE_MAX = 2**32 - 1
MIDNIGHT_NS = midnight_ns(parse_day("20131007", Path()))

cells = st.one_of(
    st.integers(0, 12).map(str),
    st.sampled_from(["", "x", "-1", "1.5", "+1", " 1", "1e3", "4294967296", "9" * 18, "9" * 19, "0" * 30, "٣"]),
)
moments = st.one_of(
    st.integers(OPEN, OPEN + 3).map(str), st.sampled_from([str(OPEN - 1), str(CLOSE), str(DAY_MS + 1), "x", ""])
)
prices = st.one_of(st.integers(0, 5).map(str), cells)
suspicious = st.sampled_from(["0"] * 8 + ["1", "2", ""])
trade_rows = st.tuples(moments, prices, cells, st.just("P"), st.just("0"), suspicious).map(",".join)
bid_rows = st.tuples(moments, prices, cells, st.just("0"), st.just("0"), st.just("P,1"), suspicious).map(",".join)
ask_rows = st.tuples(moments, st.just("0"), st.just("0"), prices, cells, st.just("P,1"), suspicious).map(",".join)
both_rows = st.tuples(moments, prices, cells, prices, cells, st.just("P,1"), suspicious).map(",".join)
pairs = st.tuples(st.integers(OPEN, OPEN + 3), st.integers(1, 9), st.integers(1, 9)).map(
    lambda p: f"{p[0]},{p[1]},1,0,0,P,1,0\n{p[0]},0,0,{p[2]},1,P,1,0"
)
short_rows = st.sampled_from(["1,2", "a"])
trade_files = st.lists(st.one_of(trade_rows, trade_rows, short_rows), min_size=1, max_size=14)
quote_files = st.lists(st.one_of(pairs, pairs, bid_rows, ask_rows, both_rows, short_rows), min_size=1, max_size=14)


class Reading(NamedTuple):
    """What a file holds, what was left out, and the line and reason of its first fault."""

    ticks: list[Tick]
    skipped: Counter[Skip]
    fault: tuple[int, Skip] | None


def number(text: str, most: int) -> int | Skip:
    """The number, or why it is none."""
    if not (text.isascii() and text.isdigit()):
        return Skip.NOT_A_NUMBER
    if len(text) > 19 or int(text) > most:
        return Skip.TOO_LARGE
    return int(text)


class Plain:
    """Reads a file one row after the other."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.latest_ms = 0
        self.bid = (0, 0)
        self.ask = (0, 0)
        self.pending: tuple[int, int] | None = None
        self.ticks: list[Tick] = []
        self.skips: dict[int, Skip] = {}

    def read(self, lines: list[str]) -> Reading:
        for line, row in enumerate(lines, 1):
            cells_ = row.split(",")
            if len(cells_) != (8 if self.kind == "quote" else 6):
                self.skips[line] = Skip.COLUMNS
                continue
            skip = self.row(cells_, line)
            if skip:
                self.skips[line] = skip
        self.end_pending()
        faults = sorted((line, skip) for line, skip in self.skips.items() if skip.is_fault)
        return Reading(self.ticks, Counter(self.skips.values()), faults[0] if faults else None)

    def row(self, cells_: list[str], line: int) -> Skip | None:
        numbers = cells_[:5] if self.kind == "quote" else cells_[:3]
        most = [DAY_MS, 2**63 - 1, SIZE_MAX, 2**63 - 1, SIZE_MAX]
        read = [number(text, limit) for text, limit in zip(numbers, most, strict=False)]
        wrong = [value for value in read if isinstance(value, Skip)]
        if wrong:
            # The columns are judged one after the other: moment, prices, sizes.
            order = [0, 1, 3, 2, 4] if self.kind == "quote" else [0, 1, 2]
            return next(value for value in (read[i] for i in order) if isinstance(value, Skip))
        if cells_[-1] == "1":
            return Skip.SUSPICIOUS
        if cells_[-1] != "0":
            return Skip.NOT_A_NUMBER
        ms, *values = (int(value) for value in read)
        if not OPEN <= ms < CLOSE:
            return Skip.OUT_OF_HOURS
        if ms < self.latest_ms:
            return Skip.BACKWARDS
        self.latest_ms = ms
        if self.kind == "trade":
            return self.trade(ms, *values)
        return self.quote(ms, values, line)

    def trade(self, ms: int, price_e4: int, size: int) -> Skip | None:
        if price_e4 == 0:
            return Skip.ZERO_PRICE
        self.ticks.append(Trade("IBM", price_e4, size, MIDNIGHT_NS + ms * 10**6))
        return None

    def quote(self, ms: int, values: list[int], line: int) -> Skip | None:
        bid_e4, bid_size, ask_e4, ask_size = values
        if bid_e4 == 0 and ask_e4 == 0:
            return Skip.ZERO_PRICE
        if self.pending is not None and not (bid_e4 == 0 and self.pending[0] == ms):
            self.end_pending()
        self.pending = None
        if bid_e4:
            self.bid = (bid_e4, bid_size)
        if ask_e4:
            self.ask = (ask_e4, ask_size)
        if ask_e4 == 0:
            self.pending = (ms, line)  # whether it stands alone, the next row tells
            return None
        return self.emit(ms)

    def emit(self, ms: int) -> Skip | None:
        if not (self.bid[0] and self.ask[0]):
            return Skip.ONE_SIDED
        if self.bid[0] > self.ask[0]:
            return Skip.CROSSED
        self.ticks.append(Quote("IBM", self.bid[0], self.ask[0], self.bid[1], self.ask[1], MIDNIGHT_NS + ms * 10**6))
        return None

    def end_pending(self) -> None:
        if self.pending is not None and (skip := self.emit(self.pending[0])):
            self.skips[self.pending[1]] = skip
        self.pending = None


def write(folder: Path, kind: str, rows: list[str]) -> tuple[Path, list[str]]:
    path = folder / "ibm" / f"20131007_{kind}.zip"
    path.parent.mkdir(exist_ok=True)
    text = "\n".join(rows) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tick.csv", text)
    return path, text.splitlines()


def check(folder: Path, kind: str, rows: list[str]) -> None:
    """Reads the file both ways."""
    path, lines = write(folder, kind, rows)
    plain = Plain(kind).read(lines)
    tape = open_tape(str(path), [])
    assert list(tape) == plain.ticks
    assert tape.skipped == plain.skipped
    if plain.fault is None:
        assert open_tape(str(path), [], bad_rows="stop").length == len(plain.ticks)
    else:
        line, skip = plain.fault
        with pytest.raises(InputError) as caught:
            open_tape(str(path), [], bad_rows="stop")
        assert str(caught.value).startswith(f"{path}:{line}: ")
        assert skip.words in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(trade_files)
def test_trades_are_read_as_a_plain_reader_reads_them(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str]
) -> None:
    """Ticks, counts by reason, and the line of the first fault agree."""
    check(tmp_path_factory.mktemp("lean"), "trade", rows)


@settings(max_examples=250, deadline=None)
@given(quote_files)
def test_quotes_are_read_as_a_plain_reader_reads_them(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str]
) -> None:
    """Pairs, sides carried forward, counts by reason, and the line of the first fault agree."""
    check(tmp_path_factory.mktemp("lean"), "quote", rows)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["20131007_trade.zip", "tape.csv", "tape.parquet"]))
def test_random_bytes_are_one_error_or_a_sound_tape(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    """Whatever a file holds, reading it ends in one line that names it, or in ticks that hold."""
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(data)
    said = outcome(path)
    assert said == "" or (str(path) in said and "\n" not in said)


def outcome(path: Path) -> str:
    """Why there is no tape; empty where there is one, whose ticks have been looked at."""
    try:
        tape = open_tape(str(path), [])
    except InputError as error:
        return str(error)
    times = [event.timestamp_ns for event in tape]
    assert times == sorted(times)
    return ""
