"""LEAN's tick files: pairs of quote rows, what is left out, and what is wrong with a file."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.adapters.tape import open_tape
from tradingmesh.adapters.tape_lean import LAYOUT, midnight_ns, parse_day
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.tape.checks import Skip

MIDNIGHT_NS = 1_381_118_400 * 10**9
"""2013-10-07 00:00 in New York, which is 04:00 UTC."""
OPEN = 34_200_000
SHARED = Path(__file__).parents[3] / "shared" / "data"

WriteRows = Callable[..., Path]


def at(ms: int) -> int:
    return MIDNIGHT_NS + ms * 10**6


@pytest.fixture
def lean(tmp_path: Path) -> WriteRows:
    """`lean("IBM", "trade", row, ...)`: writes a file in LEAN's layout and returns its path."""

    def write(symbol: str, kind: str, *rows: str, day: str = "20131007") -> Path:
        path = tmp_path / LAYOUT / symbol.lower() / f"{day}_{kind}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{day}_{symbol.lower()}_{kind.capitalize()}_Tick.csv", "\r\n".join(rows) + "\r\n")
        return path

    return write


def test_a_bid_row_and_an_ask_row_of_one_millisecond_are_one_update(lean: WriteRows) -> None:
    """Pairs combine; where one side comes alone the other stays what it was, also across a suspicious row."""
    path = lean(
        "IBM",
        "quote",
        f"{OPEN},1000000,2,0,0,P,1,0",
        f"{OPEN},0,0,1000200,3,Q,1,0",
        f"{OPEN + 1},1000100,4,0,0,P,1,0",
        f"{OPEN + 2},0,0,1000300,5,P,1,0",
        f"{OPEN + 3},1000200,6,0,0,P,1,1",
        f"{OPEN + 3},0,0,1000400,7,P,1,0",
        f"{OPEN + 4},1000300,8,1000500,9,P,1,0",
        f"{OPEN + 5},1000300,1,0,0,P,1,0",
        f"{OPEN + 5},1000400,1,0,0,P,1,0",
    )
    tape = open_tape(str(path), ["IBM"])
    assert list(tape) == [
        Quote("IBM", 1_000_000, 1_000_200, 2, 3, at(OPEN)),
        Quote("IBM", 1_000_100, 1_000_200, 4, 3, at(OPEN + 1)),
        Quote("IBM", 1_000_100, 1_000_300, 4, 5, at(OPEN + 2)),
        Quote("IBM", 1_000_100, 1_000_400, 4, 7, at(OPEN + 3)),
        Quote("IBM", 1_000_300, 1_000_500, 8, 9, at(OPEN + 4)),
        Quote("IBM", 1_000_300, 1_000_500, 1, 9, at(OPEN + 5)),
        Quote("IBM", 1_000_400, 1_000_500, 1, 9, at(OPEN + 5)),
    ]
    assert tape.skipped == {Skip.SUSPICIOUS: 1}


def test_a_side_that_was_never_told_makes_no_quote(lean: WriteRows) -> None:
    """Before both sides are known there is no quote; the rows are counted."""
    path = lean("IBM", "quote", f"{OPEN},0,0,11,1,P,1,0", f"{OPEN + 1},0,0,12,1,P,1,0", f"{OPEN + 2},9,1,0,0,P,1,0")
    tape = open_tape(str(path), ["IBM"])
    assert list(tape) == [Quote("IBM", 9, 12, 1, 1, at(OPEN + 2))]
    assert tape.skipped == {Skip.ONE_SIDED: 2}


def test_symbols_and_kinds_are_merged_by_time(lean: WriteRows, tmp_path: Path) -> None:
    """In one millisecond quotes come before trades, and symbols in the order asked for."""
    for symbol in ("IBM", "BAC"):
        lean(symbol, "trade", f"{OPEN},5,1,P,0,0", f"{OPEN + 2},6,1,P,0,0")
        lean(symbol, "quote", f"{OPEN},4,1,6,1,P,1,0")
    told = [(type(e).__name__, e.symbol, e.timestamp_ns - at(OPEN)) for e in open_tape(str(tmp_path), ["IBM", "BAC"])]
    assert told == [
        ("Quote", "IBM", 0),
        ("Quote", "BAC", 0),
        ("Trade", "IBM", 0),
        ("Trade", "BAC", 0),
        ("Trade", "IBM", 2_000_000),
        ("Trade", "BAC", 2_000_000),
    ]


def test_out_of_hours_rows_come_only_when_asked_for(lean: WriteRows) -> None:
    """Before 09:30 and from 16:00 on rows are left out and counted."""
    rows = [f"{ms},5,1,P,0,0" for ms in (OPEN - 1, OPEN, 57_599_999, 57_600_000)]
    path = str(lean("IBM", "trade", *rows))
    tape = open_tape(path, ["IBM"])
    assert [e.timestamp_ns for e in tape] == [at(OPEN), at(57_599_999)]
    assert tape.skipped == {Skip.OUT_OF_HOURS: 2}
    assert open_tape(path, ["IBM"], all_hours=True).length == 4


BAD_TRADES = {
    "x,5,1,P,0,0": Skip.NOT_A_NUMBER,
    f"{OPEN},5.5,1,P,0,0": Skip.NOT_A_NUMBER,
    f"{OPEN},-5,1,P,0,0": Skip.NOT_A_NUMBER,
    f"{OPEN},5,,P,0,0": Skip.NOT_A_NUMBER,
    f"{OPEN},5,1,P,0,maybe": Skip.NOT_A_NUMBER,
    f"{OPEN},5,4294967296,P,0,0": Skip.TOO_LARGE,
    f"{OPEN},99999999999999999999,1,P,0,0": Skip.TOO_LARGE,
    "99999999,5,1,P,0,0": Skip.TOO_LARGE,
    f"{OPEN},0,1,P,0,0": Skip.ZERO_PRICE,
    f"{OPEN - 60_000},5,1,P,0,0": Skip.BACKWARDS,
    f"{OPEN},5,1": Skip.COLUMNS,
    "": Skip.NOT_A_NUMBER,
    "\xff,5,1,P,0,0": Skip.NOT_A_NUMBER,
}


@pytest.mark.parametrize(("row", "skip"), BAD_TRADES.items())
def test_a_bad_trade_is_counted_or_ends_the_reading_by_line(lean: WriteRows, row: str, skip: Skip) -> None:
    """`skip` counts it, names file and line, and keeps the rest; `stop` names file, line and reason."""
    before = [f"{OPEN},5,1,P,0,0"] * 3
    path = lean("IBM", "trade", *before, row, f"{OPEN},7,1,P,0,0")
    tape = open_tape(str(path), ["IBM"], all_hours=True)
    assert tape.skipped == {skip: 1}
    assert f"{path}:4" in f"{tape.skipped.first[skip]}:"
    assert [e.price_e4 for e in tape if isinstance(e, Trade)] == [5, 5, 5, 7]
    with pytest.raises(InputError, match=rf"20131007_trade\.zip:4: {'' if skip is Skip.COLUMNS else '.*'}{skip.words}"):
        open_tape(str(path), ["IBM"], all_hours=True, bad_rows="stop")


def test_a_crossed_or_zero_quote_is_counted_or_ends_the_reading_by_line(lean: WriteRows) -> None:
    """A quote is judged as the update it makes, and told by the row that completes it."""
    good = f"{OPEN},10,1,12,1,P,1,0"
    crossed = lean("IBM", "quote", good, f"{OPEN + 1},15,1,0,0,P,1,0", f"{OPEN + 1},0,0,14,1,P,1,0")
    zero = lean("BAC", "quote", good, f"{OPEN},0,0,0,0,P,1,0")
    for path, skip, line in ((crossed, Skip.CROSSED, 3), (zero, Skip.ZERO_PRICE, 2)):
        tape = open_tape(str(path), [])
        assert (tape.length, tape.skipped) == (1, {skip: 1})
        with pytest.raises(InputError, match=rf"20131007_quote\.zip:{line}: .*{skip.words}"):
            open_tape(str(path), [], bad_rows="stop")


def test_of_several_files_the_first_place_of_each_fault_is_kept(lean: WriteRows) -> None:
    """Counts add up over the files of a tape; a fault is named where it came first."""
    good, bad = f"{OPEN},5,1,P,0,0", f"{OPEN},0,1,P,0,0"
    first, second = lean("BAC", "trade", good, bad), lean("IBM", "trade", bad, good)
    tape = open_tape(str(first.parents[4]), ["BAC", "IBM"])
    assert tape.skipped == {Skip.ZERO_PRICE: 2}
    assert tape.skipped.first[Skip.ZERO_PRICE].startswith(f"{first}:2"), second


def test_the_first_bad_line_is_named_behind_rows_of_wrong_width(lean: WriteRows) -> None:
    """Lines are counted as in the file, also those that were no rows."""
    path = lean("IBM", "trade", "1,2", f"{OPEN},5,1,P,0,0", "3,4", f"{OPEN},x,1,P,0,0")
    tape = open_tape(str(path), [])
    assert tape.skipped == {Skip.COLUMNS: 2, Skip.NOT_A_NUMBER: 1}
    assert tape.skipped.first == {
        Skip.COLUMNS: f"{path}:1",
        Skip.NOT_A_NUMBER: f"{path}:4: {OPEN},x,1,P,0,0",
    }
    with pytest.raises(InputError, match=r"_trade\.zip:1: wrong number of columns"):
        open_tape(str(path), [], bad_rows="stop")
    path = lean("BAC", "trade", f"{OPEN},x,1,P,0,0", "1,2")
    with pytest.raises(InputError, match=r"_trade\.zip:1: .*,x,.*: text where a number belongs"):
        open_tape(str(path), [], bad_rows="stop")


@given(st.lists(st.sampled_from(["good", "short", "bad"]), min_size=1, max_size=12))
def test_a_bad_row_is_found_by_its_line_wherever_it_stands(kinds: list[str]) -> None:
    """The locator of rows agrees with counting the lines of the file."""
    from tradingmesh.adapters.tape_text import TextRows  # noqa: PLC0415 - the one test of an inner part

    text = {"good": "1,2", "short": "1", "bad": "1,x"}
    rows = TextRows("here", "\n".join(text[kind] for kind in kinds).encode() + b"\n", ("a", "b"), header=False)
    rows.integers("b", most=9)
    located = [rows._locate(row).split(":")[0] for row in range(len(rows.judge.code)) if rows.judge.code[row]]
    assert located == [str(number) for number, kind in enumerate(kinds, 1) if kind == "bad"]


def test_days_are_chosen_and_the_default_is_the_first_of_all(lean: WriteRows, tmp_path: Path) -> None:
    """Without a day it is the first that every symbol has; `@DAY` names one; one that is not there is said."""
    row = f"{OPEN},5,1,P,0,0"
    lean("IBM", "trade", row, day="20131004")
    for symbol in ("IBM", "BAC"):
        lean(symbol, "trade", row, day="20131007")
        lean(symbol, "trade", row, day="20131008")
    assert {e.timestamp_ns for e in open_tape(str(tmp_path), ["IBM", "BAC"])} == {at(OPEN)}
    assert {e.timestamp_ns for e in open_tape(f"{tmp_path}@20131008", [])} == {at(OPEN + 86_400_000)}
    for missing in ("20131004", "20131399"):
        with pytest.raises(InputError, match=missing):
            open_tape(f"{tmp_path}@{missing}", ["IBM", "BAC"])


def test_midnight_follows_new_yorks_clocks() -> None:
    """It is 04:00 UTC in summer time and 05:00 in winter."""
    assert midnight_ns(parse_day("20131007", Path())) == MIDNIGHT_NS
    assert midnight_ns(parse_day("20240304", Path())) % (86_400 * 10**9) == 5 * 3_600 * 10**9


def test_files_that_are_no_lean_zips_are_named(lean: WriteRows, tmp_path: Path) -> None:
    """A missing, cut, wrong or wrongly named file is one line that begins with its path."""
    whole = lean("IBM", "trade", *[f"{OPEN},5,1,P,0,0"] * 100)
    cut = whole.with_name("20131008_trade.zip")
    cut.write_bytes(whole.read_bytes()[:-30])
    flipped = whole.with_name("20131009_trade.zip")
    flipped.write_bytes(whole.read_bytes().replace(b"34200000,5", b"34200000,6", 1))
    text = whole.with_name("20131010_trade.zip")
    text.write_text("hello")
    two = whole.with_name("20131011_trade.zip")
    with zipfile.ZipFile(two, "w") as archive:
        archive.writestr("a.csv", "")
        archive.writestr("b.csv", "")
    named = whole.with_name("trades.zip")
    named.write_bytes(whole.read_bytes())
    other = tmp_path / "tape.txt"
    other.write_text("")
    for path, said in (
        (tmp_path / "nowhere", "no such file"),
        (cut, "damaged or cut off"),
        (flipped, "damaged or cut off"),
        (text, "damaged or cut off"),
        (two, "one CSV file and nothing else"),
        (named, "the name is not like"),
        (other, "a tape is a"),
    ):
        with pytest.raises(InputError, match=f"^{path}: .*{said}") as caught:
            open_tape(str(path), [])
        assert "\n" not in str(caught.value)


def test_symbols_without_ticks_are_named(lean: WriteRows, tmp_path: Path) -> None:
    """A symbol that the tape does not hold is an error, not an empty tape."""
    path = lean("IBM", "trade", f"{OPEN},5,1,P,0,0")
    for where in (tmp_path, path):
        with pytest.raises(InputError, match="BAC"):
            open_tape(str(where), ["IBM", "BAC"])
    with pytest.raises(InputError, match="1 to 8 bytes"):
        open_tape(str(path), ["MUCHTOOLONG"])


@pytest.mark.skipif(not SHARED.exists(), reason="the shared real tape is not on this machine")
def test_the_real_tape_reads_as_its_readme_says() -> None:
    """IBM's quotes cross in 42 updates, and 99 % of the trades lie within the quotes give or take a cent."""
    tape = open_tape(str(SHARED), ["IBM"])
    assert (tape.skipped[Skip.CROSSED], tape.skipped[Skip.SUSPICIOUS]) == (42, 1)
    within = trades = 0
    quote = None
    for event in tape:
        if isinstance(event, Quote):
            quote = event
        elif quote is not None:
            trades += 1
            within += quote.bid_e4 - 100 <= event.price_e4 <= quote.ask_e4 + 100
    assert trades > 20_000
    assert within / trades > 0.985
