"""LEAN's tick format: `equity/usa/tick/SYMBOL/DATE_trade.zip` and `DATE_quote.zip`, one CSV without a header in each.

Trade rows are ms since New York midnight, price x 10,000, size, exchange, condition, suspicious; quote rows are ms,
bid x 10,000, bid size, ask x 10,000, ask size, exchange, condition, suspicious. A quote comes as a bid row (ask 0)
followed by an ask row (bid 0) of the same millisecond: the two are one update. Where only one side comes, the other
stays what it was. Source: the readme of QuantConnect/Lean's Data/equity folder.
"""

import zipfile
import zlib
from datetime import date, datetime, time
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from tradingmesh.adapters.tape_columns import QUOTE, TICK, TRADE, TapePart, Ticks
from tradingmesh.adapters.tape_judge import Ints, Mask
from tradingmesh.adapters.tape_text import TextRows
from tradingmesh.core.errors import InputError
from tradingmesh.core.money import PRICE_E4_MAX, SIZE_MAX
from tradingmesh.core.tape.checks import BadRows, Skip

NEW_YORK = ZoneInfo("America/New_York")
TRADE_COLUMNS = ("ms", "price_e4", "size", "exchange", "condition", "suspicious")
QUOTE_COLUMNS = ("ms", "bid_e4", "bid_size", "ask_e4", "ask_size", "exchange", "condition", "suspicious")
LAYOUT = Path("equity/usa/tick")

NS_PER_MS = 1_000_000
_DAY_MS = 25 * 3_600_000
"""The longest day of a year."""
_OPEN_MS = 34_200_000
_CLOSE_MS = 57_600_000
_UNZIPPED_MAX = 4 << 30


class LeanFile(NamedTuple):
    """What the name of a file in LEAN's layout says."""

    path: Path
    symbol: str
    day: date
    kind: int


def lean_file(path: Path) -> LeanFile:
    """Reads `SYMBOL/20131007_trade.zip`. Raises `InputError` where the name is not of that form."""
    text, _, kind = path.stem.partition("_")
    if kind not in {"trade", "quote"} or len(text) != 8 or not text.isdigit():
        raise InputError(f"{path}: the name is not like SYMBOL/20131007_trade.zip or SYMBOL/20131007_quote.zip")
    return LeanFile(path, path.parent.name.upper(), parse_day(text, path), QUOTE if kind == "quote" else TRADE)


def parse_day(text: str, where: Path) -> date:
    """The day of `20131007`. Raises `InputError` naming where it stands."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{where}: {text} is not a day such as 20131007") from None


def read_lean(file: LeanFile, *, bad_rows: BadRows, all_hours: bool) -> TapePart:
    """The ticks of one file.

    Raises `InputError` naming the file, and the line where one is at fault: an archive that is cut off or holds
    something else, and with `bad_rows="stop"` the first bad row.
    """
    names = QUOTE_COLUMNS if file.kind == QUOTE else TRADE_COLUMNS
    rows = TextRows(str(file.path), _unzip(file.path), names, header=False)
    ms = rows.integers("ms", most=_DAY_MS)
    make = _quotes if file.kind == QUOTE else _trades
    ticks = make(rows, ms, all_hours=all_hours)
    ticks["timestamp_ns"] = ticks["timestamp_ns"] * NS_PER_MS + midnight_ns(file.day)
    return TapePart([file.symbol], ticks, rows.settle(bad_rows))


def midnight_ns(day: date) -> int:
    """When a day begins in New York, in ns since 1970 UTC."""
    return int(datetime.combine(day, time(), NEW_YORK).timestamp()) * 10**9


def _trades(rows: TextRows, ms: Ints, *, all_hours: bool) -> Ticks:
    price = rows.integers("price_e4", most=PRICE_E4_MAX)
    size = rows.integers("size", most=SIZE_MAX)
    _flag_common(rows, ms, all_hours=all_hours)
    rows.judge.flag(price == 0, Skip.ZERO_PRICE)
    kept = rows.judge.kept
    ticks = np.zeros(int(kept.sum()), TICK)
    for name, column in (("timestamp_ns", ms), ("price_e4", price), ("size", size)):
        ticks[name] = column[kept]
    return ticks


def _quotes(rows: TextRows, ms: Ints, *, all_hours: bool) -> Ticks:
    bid, ask = (rows.integers(name, most=PRICE_E4_MAX) for name in ("bid_e4", "ask_e4"))
    bid_size, ask_size = (rows.integers(name, most=SIZE_MAX) for name in ("bid_size", "ask_size"))
    _flag_common(rows, ms, all_hours=all_hours)
    rows.judge.flag((bid == 0) & (ask == 0), Skip.ZERO_PRICE)
    kept = np.flatnonzero(rows.judge.kept)
    has_bid, has_ask = bid[kept] > 0, ask[kept] > 0
    bid_row, ask_row = _latest(has_bid), _latest(has_ask)
    whole = (bid_row >= 0) & (ask_row >= 0)
    opens_pair = np.zeros(len(kept), np.bool_)
    opens_pair[:-1] = ~has_ask[:-1] & ~has_bid[1:] & (np.diff(ms[kept]) == 0)
    rows.judge.flag(_at(kept[~whole & ~opens_pair], len(rows.judge.code)), Skip.ONE_SIDED)
    ends = np.flatnonzero(whole & ~opens_pair)
    bid_row, ask_row = kept[bid_row[ends]], kept[ask_row[ends]]
    crossed = bid[bid_row] > ask[ask_row]
    rows.judge.flag(_at(kept[ends[crossed]], len(rows.judge.code)), Skip.CROSSED)
    good = ~crossed
    ticks = np.zeros(int(good.sum()), TICK)
    ticks["kind"] = QUOTE
    ticks["timestamp_ns"] = ms[kept[ends]][good]
    for name, column, row in (
        ("price_e4", bid, bid_row),
        ("size", bid_size, bid_row),
        ("ask_e4", ask, ask_row),
        ("ask_size", ask_size, ask_row),
    ):
        ticks[name] = column[row[good]]
    return ticks


def _flag_common(rows: TextRows, ms: Ints, *, all_hours: bool) -> None:
    rows.judge.flag(rows.equal("suspicious", "1"), Skip.SUSPICIOUS)
    rows.judge.flag(~rows.equal("suspicious", "0"), Skip.NOT_A_NUMBER)
    if not all_hours:
        rows.judge.flag((ms < _OPEN_MS) | (ms >= _CLOSE_MS), Skip.OUT_OF_HOURS)
    rows.judge.flag_backwards(ms)


def _latest(present: Mask) -> Ints:
    """For each row the last row up to it where the value is present, -1 where there is none yet."""
    return np.maximum.accumulate(np.where(present, np.arange(len(present)), -1))


def _at(indices: Ints, length: int) -> Mask:
    mask = np.zeros(length, np.bool_)
    mask[indices] = True
    return mask


def _unzip(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) != 1 or not members[0].filename.endswith(".csv"):
                raise InputError(f"{path}: the archive does not hold one CSV file and nothing else")
            if members[0].file_size > _UNZIPPED_MAX:
                raise InputError(f"{path}: {members[0].file_size:,} bytes unpacked is more than a tape may have")
            return archive.read(members[0])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise InputError(f"{path}: the archive is damaged or cut off: {error}") from None
