"""Tapes as CSV and Parquet, conversion between all formats, and the columns they are read into."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradingmesh.adapters.tape import GeneratedTape, open_tape
from tradingmesh.adapters.tape_columns import BATCH, TICK, ColumnTape, TapePart, columns, merged, numbered, structs
from tradingmesh.adapters.tape_plain import COLUMNS
from tradingmesh.adapters.tape_summary import SymbolSummary, summarise
from tradingmesh.adapters.tape_write import write_tape
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Quote, Tick, Trade
from tradingmesh.core.tape.checks import Skip, Skipped
from tradingmesh.core.tape.generator import OPEN_NS, TapeSettings
from tradingmesh.ports import Tape

HEADER = ",".join(COLUMNS)
SETTINGS = TapeSettings(("IBM", "BAC"), duration_ms=20_000)
SYMBOLS = ("A", "BRK.B", "BTC/USD")
prices = st.integers(1, 2**62)
sizes = st.integers(0, 2**32 - 1)
times = st.integers(0, 4_102_444_800 * 10**9)


@st.composite
def tapes(draw: st.DrawFn) -> list[Tick]:
    """Ticks in canonical order: by time, quotes before trades, then by symbol."""
    names = st.sampled_from(SYMBOLS)
    trades = draw(st.lists(st.builds(Trade, names, prices, sizes, times), min_size=1, max_size=15))
    ends = st.lists(st.tuples(names, prices, prices, sizes, sizes, times), max_size=15)
    quotes = [Quote(s, min(a, b), max(a, b), m, n, t) for s, a, b, m, n, t in draw(ends)]
    return sorted([*trades, *quotes], key=lambda e: (e.timestamp_ns, isinstance(e, Trade)))


@settings(max_examples=40, deadline=None)
@given(tapes(), st.sampled_from([".csv", ".parquet"]))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, events: list[Tick], suffix: str) -> None:
    """Any ticks go to CSV or Parquet and back unchanged, the largest numbers included."""
    target = tmp_path_factory.mktemp("tape") / f"tape{suffix}"
    symbols = sorted({e.symbol for e in events})
    write_tape(ColumnTape(symbols, columns(events, numbered(symbols))), target)
    tape = open_tape(str(target), [])
    assert list(tape) == events
    assert not tape.skipped


@pytest.mark.parametrize("name", ["tape.csv", "tape.parquet", "lean"])
def test_a_generated_tape_survives_every_format(tmp_path: Path, name: str) -> None:
    """CSV and Parquet keep it exactly; LEAN cuts times to milliseconds and keeps the rest."""
    write_tape(GeneratedTape(SETTINGS), tmp_path / name)
    tape = open_tape(str(tmp_path / name), ["IBM", "BAC"])
    generated = list(GeneratedTape(SETTINGS))
    assert not tape.skipped
    if name == "lean":
        for symbol in ("IBM", "BAC"):
            for kind in (Trade, Quote):
                back = [e for e in tape if isinstance(e, kind) and e.symbol == symbol]
                expected = [cut(e) for e in generated if isinstance(e, kind) and e.symbol == symbol]
                assert back == expected
    else:
        assert list(tape) == generated


def cut(event: Tick) -> Tick:
    """The event with its time cut to milliseconds."""
    at_ns = event.timestamp_ns // 10**6 * 10**6
    if isinstance(event, Trade):
        return Trade(event.symbol, event.price_e4, event.size, at_ns)
    return Quote(event.symbol, event.bid_e4, event.ask_e4, event.bid_size, event.ask_size, at_ns)


GOOD_CSV = "trade,IBM,5,100,3,,,,"
BAD_CSV = {
    "trade,IBM,five,100,3,,,,": Skip.NOT_A_NUMBER,
    "trade,IBM,5,,3,,,,": Skip.NOT_A_NUMBER,
    "quote,IBM,5,,,100,1,,1": Skip.NOT_A_NUMBER,
    "rumour,IBM,5,100,3,,,,": Skip.NOT_A_NUMBER,
    "trade,MUCHTOOLONG,5,100,3,,,,": Skip.TOO_LARGE,
    "trade,,5,100,3,,,,": Skip.TOO_LARGE,
    "trade,IBM,9102444800000000000,100,3,,,,": Skip.TOO_LARGE,
    "trade,IBM,5,100,4294967296,,,,": Skip.TOO_LARGE,
    "trade,IBM,4,100,3,,,,": Skip.BACKWARDS,
    "trade,IBM,5,0,3,,,,": Skip.ZERO_PRICE,
    "quote,IBM,5,,,0,1,0,1": Skip.ZERO_PRICE,
    "quote,IBM,5,,,101,1,100,1": Skip.CROSSED,
    "trade,IBM,5,100": Skip.COLUMNS,
}


@pytest.mark.parametrize(("row", "skip"), BAD_CSV.items())
def test_a_bad_csv_row_is_counted_or_ends_the_reading_by_line(tmp_path: Path, row: str, skip: Skip) -> None:
    """`skip` counts it and keeps the rest; `stop` names file, line and reason."""
    path = tmp_path / "tape.csv"
    path.write_text(f"{HEADER}\n{GOOD_CSV}\n{row}\n{GOOD_CSV}\n")
    tape = open_tape(str(path), ["IBM"])
    assert (list(tape), tape.skipped) == ([Trade("IBM", 100, 3, 5)] * 2, {skip: 1})
    with pytest.raises(InputError, match=rf"^{path}:3: .*{skip.words}"):
        open_tape(str(path), ["IBM"], bad_rows="stop")


def test_a_quote_with_one_side_is_no_fault(tmp_path: Path) -> None:
    """It is left out and counted, and does not end a strict reading: markets have them."""
    path = tmp_path / "tape.csv"
    path.write_text(f"{HEADER}\n{GOOD_CSV}\nquote,IBM,5,,,100,1,0,0\n")
    assert open_tape(str(path), [], bad_rows="stop").skipped == {Skip.ONE_SIDED: 1}


def test_csv_files_that_are_none_are_named(tmp_path: Path) -> None:
    """An empty file, another header and binary data are one line each."""
    path = tmp_path / "tape.csv"
    for content in (b"", b"a,b\n1,2\n", b"\x00\x01\x02"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"^{path}: ") as caught:
            open_tape(str(path), [])
        assert "\n" not in str(caught.value)


def test_parquet_rows_are_judged_as_csv_rows_are(tmp_path: Path) -> None:
    """Nulls, negative and huge numbers, wrong times and prices: counted, or named by row."""
    path = tmp_path / "tape.parquet"
    good = {"kind": "trade", "symbol": "IBM", "timestamp_ns": 5, "price_e4": 100, "size": 3}
    quote = {"kind": "quote", "symbol": "IBM", "timestamp_ns": 5, "bid_size": 1, "ask_size": 1}
    rows = [
        good,
        good | {"price_e4": None},
        good | {"size": -1},
        good | {"symbol": None},
        good | {"timestamp_ns": 4},
        good | {"price_e4": 0},
        quote | {"bid_e4": 9, "ask_e4": 8},
        quote | {"bid_e4": 8, "ask_e4": 9},
    ]
    pq.write_table(pa.Table.from_pylist([dict.fromkeys(COLUMNS) | row for row in rows]), path)
    tape = open_tape(str(path), [])
    assert list(tape) == [Quote("IBM", 8, 9, 1, 1, 5), Trade("IBM", 100, 3, 5)]
    assert tape.skipped == {
        Skip.NOT_A_NUMBER: 1,
        Skip.TOO_LARGE: 2,
        Skip.BACKWARDS: 1,
        Skip.ZERO_PRICE: 1,
        Skip.CROSSED: 1,
    }
    with pytest.raises(InputError, match=f"^{path}:row 2: text where a number belongs"):
        open_tape(str(path), [], bad_rows="stop")


@pytest.mark.parametrize(
    ("columns_", "said"),
    [
        ({"symbol": ["IBM"], "timestamp_ns": [5]}, "has no column bid_e4"),
        ({"symbol": ["IBM"], "price_e4": [5], "size": [5]}, "has no column timestamp_ns"),
        ({"symbol": ["IBM"], "timestamp_ns": [5], "price_e4": ["x"], "size": [5]}, "column price_e4 is not of type"),
        ({"symbol": ["IBM"], "timestamp_ns": [5], "price_e4": [1.5], "size": [5]}, "column price_e4 is not of type"),
    ],
)
def test_a_parquet_file_of_other_columns_is_refused(
    tmp_path: Path, columns_: dict[str, list[object]], said: str
) -> None:
    """What is missing or of another type is named."""
    path = tmp_path / "tape.parquet"
    pq.write_table(pa.table(columns_), path)
    with pytest.raises(InputError, match=f"^{path}: {said}"):
        open_tape(str(path), [])


def test_targets_are_never_overwritten_and_never_half_written(tmp_path: Path) -> None:
    """An existing target is refused; a write that fails leaves nothing behind."""
    tape = GeneratedTape(SETTINGS)
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_tape(tape, tmp_path / "there.csv")
    with pytest.raises(InputError, match="is written as"):
        write_tape(tape, tmp_path / "tape.xls")
    with pytest.raises(InputError, match="cannot be a folder"):
        write_tape(GeneratedTape(TapeSettings(["BTC/USD"])), tmp_path / "lean")

    class Breaking(GeneratedTape):
        def batches(self):  # type: ignore[no-untyped-def]
            yield from list(super().batches())[:2]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_tape(Breaking(SETTINGS), tmp_path / "half.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]


def test_batches_are_the_same_events(tmp_path: Path) -> None:
    """Columns and structs of every kind of tape agree, each from the beginning each time."""
    generated = GeneratedTape(SETTINGS)
    write_tape(generated, tmp_path / "tape.parquet")
    for tape in (generated, open_tape(str(tmp_path / "tape.parquet"), ["IBM", "BAC"])):
        for _ in range(2):
            batches = list(tape.batches())
            assert all(batch.dtype == TICK and len(batch) <= BATCH for batch in batches)
            assert [e for batch in batches for e in structs(batch, tape.symbols)] == list(tape)
            assert sum(map(len, batches)) == tape.length


def test_a_tape_is_a_tape() -> None:
    """Both implementations are the port's."""
    for tape in (GeneratedTape(SETTINGS), ColumnTape((), np.empty(0, TICK))):
        port: Tape = tape
        assert port.length == len(list(port))


def test_merging_keeps_the_order_of_equal_times_and_only_wanted_symbols() -> None:
    """Parts number symbols as they like; in the tape they are numbered as asked for."""
    first = TapePart(["B", "A"], columns([Trade("A", 1, 1, 5), Trade("B", 2, 1, 5)], {"B": 0, "A": 1}), Skipped())
    second = TapePart(
        ["A", "C"], columns([Quote("A", 1, 2, 3, 4, 5), Trade("C", 3, 1, 1)], {"A": 0, "C": 1}), Skipped()
    )
    assert list(merged([first, second], [])) == [
        Trade("C", 3, 1, 1),
        Quote("A", 1, 2, 3, 4, 5),
        Trade("A", 1, 1, 5),
        Trade("B", 2, 1, 5),
    ]
    assert list(merged([first, second], ["B"])) == [Trade("B", 2, 1, 5)]
    with pytest.raises(InputError, match="no ticks of D"):
        merged([first, second], ["A", "D"])


def test_a_summary_tells_counts_and_times() -> None:
    """One line a symbol: trades, quotes, first and last time."""
    events: list[Tick] = [Quote("A", 1, 2, 3, 4, 5), Trade("B", 1, 1, 6), Trade("A", 1, 1, 9)]
    tape = ColumnTape(("A", "B"), columns(events, numbered(("A", "B"))))
    assert summarise(tape) == [SymbolSummary("A", 1, 1, 5, 9), SymbolSummary("B", 1, 0, 6, 6)]
    generated = summarise(GeneratedTape(SETTINGS))
    assert [row.trades + row.quotes for row in generated] == [4_000, 4_000]
    assert OPEN_NS <= generated[0].first_ns < generated[0].last_ns < OPEN_NS + 20 * 10**9


def test_more_symbols_than_columns_can_number_are_refused() -> None:
    """The limit is said, not wrapped around."""
    with pytest.raises(InputError, match="65,537 symbols"):
        numbered([str(n) for n in range(2**16 + 1)])
