"""What the data endpoints answer with, without HTTP: history, pages, timeframes."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.alpaca_simulator.data_query import (
    LIMIT,
    LIMIT_MAX,
    SYMBOLS_MAX,
    Query,
    Row,
    answer,
    check_common,
    parse_query,
    parse_symbols,
)
from tradingmesh.alpaca_simulator.market import History, Market
from tradingmesh.alpaca_simulator.timeframes import Timeframe, new_york_day, parse_timeframe
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Bar, Quote, Trade
from tradingmesh.core.tape.bars import MINUTE_NS, TradedBar
from tradingmesh.core.tape.generator import OPEN_NS

NEW_YORK = ZoneInfo("America/New_York")
NOW_NS = OPEN_NS + 3_600 * 10**9
keys = st.lists(st.integers(0, 50), unique=True, max_size=12).map(sorted)
books = st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), keys, min_size=1)
small = st.integers(0, 40)
moments = st.integers(0, 2 * 10**18)


def pages(found: dict[str, list[int]], limit: int, *, descending: bool) -> list[dict[str, list[int]]]:
    """Every page of an answer, until there is no further one."""
    token = None
    told = []
    for _ in count():
        parameters = {"limit": str(limit), "sort": "desc" if descending else "asc"}
        query = parse_query(parameters | ({"page_token": token} if token else {}), sorted(found), NOW_NS)
        rows, token = answer(query, lambda symbol, *_: [(key, key) for key in found[symbol]])
        told.append({symbol: [item for _, item in page] for symbol, page in rows.items()})
        if token is None:
            return told
    raise AssertionError


@given(books, st.integers(1, 15), st.booleans())
def test_pages_together_are_the_whole_answer(found: dict[str, list[int]], limit: int, descending: bool) -> None:  # noqa: FBT001
    """Every item comes once, by symbol and then by time, no page is over its limit, and none but the last is short."""
    told = pages(found, limit, descending=descending)
    flat = [(symbol, item) for page in told for symbol, items in page.items() for item in items]
    assert flat == [(s, k) for s in sorted(found) for k in sorted(found[s], reverse=descending)]
    sizes = [sum(map(len, page.values())) for page in told]
    assert all(size == limit for size in sizes[:-1])
    assert sizes[-1] <= limit
    assert len(told) == max(1, -(-len(flat) // limit))


def test_a_page_goes_on_where_the_one_before_ended_though_the_market_has_moved() -> None:
    """A token names the last item, not a position: new trades and forgotten ones do not shift the pages."""
    market = Market(ticks_max=100)

    def ask(token: str) -> tuple[list[int], str | None]:
        query = parse_query({"limit": "40", "start": "2024-03-04", "page_token": token}, ["A"], NOW_NS)
        rows, following = answer(query, lambda s, a, b: list(market.trades(s).between(a, b)))
        return [number for number, _ in rows["A"]], following

    for n in range(100):
        market.record(Trade("A", 1, 1, OPEN_NS + n))
    first, token = ask("")
    assert first == list(range(1, 41))
    for n in range(100, 130):
        market.record(Trade("A", 1, 1, OPEN_NS + n))
    second, _ = ask(token or "")
    assert second == list(range(41, 81))


def test_defaults_are_alpacas() -> None:
    """Without parameters: from the beginning of the New York day until now, 1000 items, oldest first."""
    midnight_ns = int(datetime(2024, 3, 4, tzinfo=NEW_YORK).timestamp()) * 10**9
    assert parse_query({}, ["A"], NOW_NS) == Query(["A"], midnight_ns, NOW_NS, LIMIT, descending=False, after=None)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": str(LIMIT_MAX + 1)}, "limit"),
        ({"limit": "1e3"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"start": "now"}, "start"),
        ({"end": "2024-13-01"}, "end"),
        ({"start": "2024-03-05", "end": "2024-03-04"}, "end"),
        ({"sort": "random"}, "sort"),
        ({"feed": "otc2"}, "feed"),
        ({"currency": "EUR"}, "currency"),
        ({"page_token": "not base64"}, "page_token"),
        ({"page_token": "QUFB"}, "page_token"),
        ({"page_token": "ÿ"}, "page_token"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(parameters: dict[str, str], said: str) -> None:
    """One sentence that begins with the parameter's name."""
    with pytest.raises(InputError, match=f"^{said}: "):
        parse_query(parameters, ["A"], NOW_NS)


def test_symbols_are_a_sorted_set_of_bounded_size() -> None:
    """Spaces, case and repetitions do not matter; none and too many are refused."""
    assert parse_symbols(" ibm,BAC,,IBM ") == ["BAC", "IBM"]
    for text in ("", " , "):
        with pytest.raises(InputError, match="symbols"):
            parse_symbols(text)
    with pytest.raises(InputError, match="symbols"):
        parse_symbols(",".join(f"S{n}" for n in range(SYMBOLS_MAX + 1)))
    check_common({"feed": "sip", "currency": "USD"})


@given(
    st.lists(st.integers(0, 40), max_size=60).map(sorted), st.integers(1, 10), st.integers(0, 40), st.integers(0, 40)
)
def test_history_keeps_the_last_items_and_their_numbers(times: list[int], kept: int, start: int, end: int) -> None:
    """Whatever was appended, the last `kept` are found by time, numbered as they came."""
    history: History[int] = History(kept)
    for number, at in enumerate(times, 1):
        history.append(number, at)
    expected = [(n, n) for n, at in list(enumerate(times, 1))[-kept:] if start <= at <= end]
    assert list(history.between(start, end)) == expected
    assert history.count == len(times)
    assert history.latest == (len(times) or None)
    assert len(history._items) < 2 * kept


def test_the_market_knows_latest_bars_and_days() -> None:
    """Latest quote and trade by symbol, minute bars once they are done, the day's bar with the minute that runs."""
    market = Market()
    assert (market.latest_trade("A"), market.day_bar("A"), market.take_bars()) == (None, None, [])
    trades = [Trade("A", 100, 5, OPEN_NS), Trade("A", 90, 1, OPEN_NS + 1), Trade("A", 120, 2, OPEN_NS + MINUTE_NS)]
    for trade in trades:
        market.record(trade)
    quote = Quote("B", 1, 2, 3, 4, OPEN_NS + MINUTE_NS + 1)
    market.record(quote)
    assert (market.latest_trade("A"), market.latest_quote("B"), market.latest_quote("A")) == (trades[2], quote, None)
    minute = TradedBar(Bar("A", 100, 100, 90, 90, 6, OPEN_NS), 2, 590)
    assert market.take_bars() == [minute]
    assert market.take_bars() == []
    assert market.bars("A").latest == minute
    assert market.now_ns == quote.timestamp_ns
    midnight_ns = int(datetime(2024, 3, 4, tzinfo=NEW_YORK).timestamp()) * 10**9
    assert market.day_bar("A") == TradedBar(Bar("A", 100, 120, 90, 120, 8, midnight_ns), 3, 830)
    market.record(Trade("A", 7, 1, OPEN_NS + 86_400 * 10**9))
    next_day = market.day_bar("A")
    assert next_day is not None
    assert next_day.bar.volume == 1


def test_asking_for_symbols_that_never_traded_leaves_nothing_behind() -> None:
    """A client cannot fill the memory by asking."""
    market = Market()
    for n in range(10):
        assert list(market.trades(f"S{n}").between(0, NOW_NS)) == []
        assert market.latest_quote(f"S{n}") is None
    assert (market._trades, market._quotes, market._bars) == ({}, {}, {})


TIMEFRAMES = ["1Min", "7T", "59Min", "1Hour", "23H", "1Day", "1D", "1Week", "1W", "1Month", "3M", "12Month"]


@given(st.sampled_from(TIMEFRAMES), moments)
def test_a_moment_falls_into_the_bar_that_began_last(text: str, moment_ns: int) -> None:
    """A bar begins at or before its moment and is its own first moment, and its moments belong to one bar."""
    timeframe = parse_timeframe(text)
    start_ns = timeframe.start_ns(moment_ns)
    assert start_ns <= moment_ns
    assert timeframe.start_ns(start_ns) == start_ns
    assert timeframe.start_ns((start_ns + moment_ns) // 2) == start_ns


@given(moments)
def test_long_bars_begin_at_midnights_in_new_york(moment_ns: int) -> None:
    """Days at midnight, weeks on Mondays, quarters in January, April, July, October, across changes of the clock."""
    starts = {}
    for text in ("1Day", "1Week", "3Month"):
        starts[text] = datetime.fromtimestamp(parse_timeframe(text).start_ns(moment_ns) // 10**9, NEW_YORK)
        assert (starts[text].hour, starts[text].minute) == (0, 0)
        assert timedelta(0) <= new_york_day(moment_ns) - starts[text].date() < timedelta(93)
    assert starts["1Day"].date() == new_york_day(moment_ns)
    assert starts["1Week"].weekday() == 0
    assert starts["3Month"].day == 1
    assert starts["3Month"].month in (1, 4, 7, 10)


def test_short_bars_count_from_midnight() -> None:
    """09:37 in New York is in the five-minute bar of 09:35 and the four-hour bar of 08:00."""
    moment_ns = int(datetime(2024, 3, 4, 14, 37, 12, tzinfo=UTC).timestamp()) * 10**9
    for text, hour, minute in (("5Min", 14, 35), ("4Hour", 13, 0), ("1T", 14, 37), ("1H", 14, 0)):
        start = datetime.fromtimestamp(parse_timeframe(text).start_ns(moment_ns) // 10**9, UTC)
        assert (start.hour, start.minute) == (hour, minute)


@pytest.mark.parametrize("text", ["", "0Min", "60Min", "24Hour", "2Day", "2Week", "5Month", "1min", "1 Min", "100Min"])
def test_timeframes_that_alpaca_lacks_are_refused(text: str) -> None:
    """The error names the parameter."""
    with pytest.raises(InputError, match=r"^timeframe: "):
        parse_timeframe(text)
    assert parse_timeframe("59T") == Timeframe(59, "Min")


def test_rows_of_an_answer_are_left_as_they_were() -> None:
    """What the caller's rows hold is passed on, whatever it is."""
    item: Any = object()
    rows: list[Row] = [(1, item)]
    found, token = answer(parse_query({}, ["A"], NOW_NS), lambda *_: rows)
    assert (found, token) == ({"A": rows}, None)
