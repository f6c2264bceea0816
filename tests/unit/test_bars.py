"""Bars: what they hold is what traded."""

from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.market import Bar, Quote, Trade
from tradingmesh.core.tape.bars import MINUTE_NS, MinuteBars, TradedBar, joined

SYMBOLS = ("A", "B")


@st.composite
def tapes(draw: st.DrawFn) -> list[Trade]:
    """Trades of two symbols in time order, over a few minutes."""
    times = sorted(draw(st.lists(st.integers(0, 5 * MINUTE_NS), max_size=60)))
    return [
        Trade(draw(st.sampled_from(SYMBOLS)), draw(st.integers(1, 10**7)), draw(st.integers(0, 99)), t) for t in times
    ]


def built(trades: list[Trade]) -> list[TradedBar]:
    bars = MinuteBars()
    done = [bar for trade in trades for bar in bars.on_tick(trade)]
    return done + list(bars.on_tick(Quote("A", 1, 2, 3, 4, 99 * MINUTE_NS)))


@given(tapes())
def test_a_bar_is_the_trades_of_its_minute(trades: list[Trade]) -> None:
    """Each minute and symbol that traded has one bar, with the first, highest, lowest, last price and the sums."""
    expected = set()
    for symbol in SYMBOLS:
        for minute in range(6):
            inside = [t for t in trades if t.symbol == symbol and t.timestamp_ns // MINUTE_NS == minute]
            if inside:
                prices = [t.price_e4 for t in inside]
                volume = sum(t.size for t in inside)
                bar = Bar(symbol, prices[0], max(prices), min(prices), prices[-1], volume, minute * MINUTE_NS)
                expected.add(TradedBar(bar, len(inside), sum(t.price_e4 * t.size for t in inside)))
    done = built(trades)
    assert set(done) == expected
    assert len(done) == len(expected)


@given(tapes())
def test_bars_come_in_time_order(trades: list[Trade]) -> None:
    """No bar comes after one of a later minute."""
    starts = [done.bar.timestamp_ns for done in built(trades)]
    assert starts == sorted(starts)


@given(st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 99)), min_size=1, max_size=20), st.integers(1, 20))
def test_joining_minutes_is_as_building_the_longer_bar_at_once(traded: list[tuple[int, int]], cut: int) -> None:
    """A bar of two bars is the bar of all their trades."""
    trades = [Trade("A", price_e4, size, n) for n, (price_e4, size) in enumerate(traded)]
    [whole] = built(trades)
    parts = [built(part)[0] for part in (trades[:cut], trades[cut:]) if part]
    assert joined(parts, 0) == whole


def test_a_bar_waits_for_the_end_of_its_minute() -> None:
    """While its minute runs a bar is `running`; the first tick of a later minute, even a quote, finishes it."""
    bars = MinuteBars()
    assert not bars.on_tick(Trade("A", 100, 5, 10))
    assert not bars.on_tick(Quote("A", 1, 2, 3, 4, MINUTE_NS - 1))
    running = bars.running("A")
    assert running is not None
    assert running.bar == Bar("A", 100, 100, 100, 100, 5, 0)
    assert list(bars.on_tick(Quote("B", 1, 2, 3, 4, MINUTE_NS))) == [running]
    assert bars.running("A") is None


def test_the_average_price_is_weighted_by_size() -> None:
    """VWAP is turnover by volume; without volume it is the close."""
    [traded] = built([Trade("A", 100, 300, 1), Trade("A", 200, 100, 2)])
    assert traded.vwap_e4 == 125
    [empty] = built([Trade("A", 100, 0, 1)])
    assert empty.vwap_e4 == 100
