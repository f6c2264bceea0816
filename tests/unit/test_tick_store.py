"""The tick store: what was appended is what is played, queried and found after a crash."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradingmesh.adapters import tick_store_spool
from tradingmesh.adapters.tape import open_tape
from tradingmesh.adapters.tick_store_files import SPOOL, read_spool, spooled
from tradingmesh.adapters.tick_store_parquet import ParquetTickStore, query
from tradingmesh.adapters.tick_store_spool import Spool, feature_record
from tradingmesh.adapters.tick_store_write import write_spooled
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Bar, MarketEvent, Quote, Trade
from tradingmesh.core.signals.feature_vector import FeatureVector
from tradingmesh.ports import TickStore
from tradingmesh.wire.header import Kind
from tradingmesh.wire.market import encode

DAY_NS = 86_400 * 10**9
SYMBOLS = ["A", "BRK.B", "BTC/USD", ".."]
symbols = st.sampled_from(SYMBOLS)
prices = st.integers(1, 2**62)
sizes = st.integers(0, 2**32 - 1)
times = st.one_of(st.integers(0, 3), st.integers(0, 3 * DAY_NS), st.integers(0, 4_102_444_800 * 10**9))
trades = st.builds(Trade, symbols, prices, sizes, times)
quotes = st.builds(
    lambda symbol, ends, bid_size, ask_size, at: Quote(symbol, min(ends), max(ends), bid_size, ask_size, at),
    symbols,
    st.tuples(prices, prices),
    sizes,
    sizes,
    times,
)
ticks = st.lists(st.one_of(trades, quotes), max_size=30)


def canonical(events: list[Trade | Quote]) -> list[Trade | Quote]:
    """By time; within one time quotes first, then symbols as their folders sort, then as they came."""
    folders = {"A": 1, "BRK.B": 2, "BTC/USD": 3, "..": 0}
    return sorted(events, key=lambda e: (e.timestamp_ns, isinstance(e, Trade), folders[e.symbol]))


@settings(max_examples=40, deadline=None)
@given(st.lists(ticks, min_size=1, max_size=3))
def test_what_was_appended_is_what_is_played(
    tmp_path_factory: pytest.TempPathFactory, flushes: list[list[Trade | Quote]]
) -> None:
    """Whatever was appended, in however many flushes, comes back whole and in order of time."""
    root = tmp_path_factory.mktemp("store")
    store: TickStore = ParquetTickStore(root, epoch=1)
    for events in flushes:
        store.append(events)
        store.flush()
    everything = [event for events in flushes for event in events]
    held = sorted({event.symbol for event in everything})
    if everything:
        tape = store.tape(held)
        assert list(tape) == canonical(everything)
        assert tape.length == len(everything)
        assert not open_tape(str(root), []).skipped
        assert list(open_tape(str(root), [])) == canonical(everything)


def test_files_are_by_kind_symbol_and_day(tmp_path: Path) -> None:
    """One flush makes one file for each kind, symbol and UTC day, with times ascending."""
    store = ParquetTickStore(tmp_path, epoch=1)
    store.append([Trade("IBM", 1, 1, DAY_NS + 5), Trade("IBM", 2, 1, DAY_NS - 1), Trade("IBM", 3, 1, DAY_NS)])
    store.append([Quote("IBM", 1, 2, 3, 4, 0), Bar("BAC", 1, 4, 1, 2, 9, 0)])
    store.flush()
    files = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet"))
    assert files == ["bar/BAC/1970-01-01", "quote/IBM/1970-01-01", "trade/IBM/1970-01-01", "trade/IBM/1970-01-02"]
    [second_day] = (tmp_path / "trade/IBM/1970-01-02").iterdir()
    assert pq.read_table(second_day)["timestamp_ns"].to_pylist() == [DAY_NS, DAY_NS + 5]
    assert spooled(tmp_path / SPOOL) == []


def test_duckdb_answers_questions_about_all_kinds(tmp_path: Path) -> None:
    """Trades, bars and features are views; what a feature did not know is null."""
    store = ParquetTickStore(tmp_path, epoch=1)
    store.append([Trade("IBM", 100, 3, 1), Trade("BAC", 200, 4, 2), Bar("IBM", 1, 4, 1, 2, 9, 0)])
    spool = Spool(tmp_path / SPOOL, 2)
    spool.add(Kind.FEATURES, feature_record(FeatureVector("IBM", 7, ema_fast_e4=1.5)))
    spool.write()
    store.flush()
    assert query(tmp_path, "select symbol, sum(size * price_e4) from trade group by 1 order by 1") == [
        ("BAC", 800),
        ("IBM", 300),
    ]
    assert query(tmp_path, "select high_e4, volume from bar") == [(4, 9)]
    assert query(tmp_path, "select timestamp_ns, ema_fast_e4, vwap_e4 from feature") == [(7, 1.5, None)]
    with pytest.raises(InputError, match="nonsense"):
        query(tmp_path, "select nonsense from trade")


def test_a_spool_left_by_a_crash_is_written_once(tmp_path: Path) -> None:
    """Making Parquet twice of one spool file, as after a crash in between, changes nothing."""
    spool = Spool(tmp_path / SPOOL, 1)
    spool.add(*encode(Trade("IBM", 1, 2, 3)))
    spool.write()
    [file] = spooled(tmp_path / SPOOL)
    left = file.read_bytes()
    assert write_spooled(tmp_path) == 1
    file.write_bytes(left)
    assert write_spooled(tmp_path) == 1
    assert list(open_tape(str(tmp_path), [])) == [Trade("IBM", 1, 2, 3)]


@pytest.mark.parametrize(("kept", "first"), [(-1, b""), (None, b"\xff"), (0, b"")], ids=["cut", "flipped", "empty"])
def test_a_damaged_spool_file_is_set_aside_and_named(tmp_path: Path, kept: int | None, first: bytes) -> None:
    """A flipped or missing byte is found; the other files are written all the same, and the damaged one is kept."""
    spool = Spool(tmp_path / SPOOL, 1)
    spool.add(*encode(Trade("IBM", 1, 2, 3)))
    spool.write()
    [file] = spooled(tmp_path / SPOOL)
    data = file.read_bytes()
    file.write_bytes(first + data[len(first) : kept])
    spool.add(*encode(Trade("IBM", 4, 5, 6)))
    spool.write()
    with pytest.raises(InputError, match=r"0001\.trade: the checksum does not fit"):
        write_spooled(tmp_path)
    assert list(open_tape(str(tmp_path), [])) == [Trade("IBM", 4, 5, 6)]
    assert [path.name for path in (tmp_path / SPOOL).iterdir()] == [f"{file.name}.damaged"]


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    """A flipped byte in stored prices is an error that names the file, never a wrong price."""
    store = ParquetTickStore(tmp_path, epoch=1)
    store.append([Trade("IBM", n, 2, n) for n in range(1, 100)])
    store.flush()
    stored = outcome_of(tmp_path)
    [file] = tmp_path.rglob("*.parquet")
    data = file.read_bytes()
    refused = 0
    for position in range(4, len(data) - 8, 3):
        file.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        outcome = outcome_of(tmp_path)
        assert outcome == stored or str(file) in outcome
        refused += outcome != stored
    assert refused > 20


def outcome_of(root: Path) -> str:
    """What a tape of the store holds, or why there is none."""
    try:
        return str(list(open_tape(str(root), [], bad_rows="stop")))
    except InputError as error:
        return str(error)


def test_memory_is_bounded_and_what_finds_no_room_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing can be written the buffer grows to its bound; what comes then is dropped and counted."""
    monkeypatch.setattr(tick_store_spool, "WAITING_BYTES_MAX", 100)
    spool = Spool(tmp_path, 1, spooled_bytes_max=-1)
    for n in range(5):
        spool.add(*encode(Trade("IBM", 1, 1, n)))
        with pytest.raises(OSError, match="wait to become Parquet"):
            spool.write()
    assert (spool.waiting_bytes, spool.dropped) == (3 * 28, 2)


def test_a_full_disk_loses_nothing_that_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves the records in memory, and no half file; the next write has them."""
    spool = Spool(tmp_path, 1)
    spool.add(*encode(Trade("IBM", 1, 1, 1)))

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        spool.write()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    spool.write()
    [file] = spooled(tmp_path)
    assert read_spool(file) == encode(Trade("IBM", 1, 1, 1))[1]


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    """An event before 1970 or after 2100 would make a folder of its own; it is refused where it enters."""
    events: list[MarketEvent] = [Trade("IBM", 1, 1, -1)]
    with pytest.raises(InputError, match="not a time"):
        ParquetTickStore(tmp_path, epoch=1).append(events)
