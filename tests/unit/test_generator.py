"""The generated tape: repeatable, plausible, and in order."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.tape.generator import OPEN_NS, TapeSettings, generate, splitmix64

SETTINGS = TapeSettings(("IBM", "BAC"), duration_ms=60_000)


def test_splitmix64_gives_the_published_numbers() -> None:
    """The first outputs for seed 1234567 are those of the reference implementation."""
    state, first = splitmix64(1234567)
    _, second = splitmix64(state)
    assert (first, second) == (6457827717110365317, 3203168211198807973)


def test_one_seed_gives_one_tape() -> None:
    """The same settings repeat the tape, another seed does not."""
    again = TapeSettings(SETTINGS.symbols, seed=8)
    assert list(generate(SETTINGS)) == list(generate(SETTINGS))
    assert list(generate(SETTINGS)) != list(generate(again))


def test_a_symbol_does_not_depend_on_its_neighbours_prices() -> None:
    """Prices of a symbol are the same alone and in company."""
    alone = [e.price_e4 for e in generate(TapeSettings(("BAC",))) if isinstance(e, Trade)]
    together = [e.price_e4 for e in generate(SETTINGS) if isinstance(e, Trade) and e.symbol == "BAC"]
    assert alone == together


@given(st.integers(1, 4), st.integers(0, 2**70), st.integers(0, 3_000), st.sampled_from([1, 7, 200, 999, 100_000]))
def test_the_tape_is_in_order_and_as_long_as_said(symbols: int, seed: int, duration_ms: int, rate: int) -> None:
    """Times never repeat or go back, whatever the settings, and stay within the duration."""
    duration_ms = duration_ms // 100 if rate == 100_000 else duration_ms
    settings = TapeSettings([f"S{n}" for n in range(symbols)], seed, duration_ms, rate)
    events = list(generate(settings))
    assert len(events) == settings.length
    assert all(a.timestamp_ns < b.timestamp_ns for a, b in pairwise(events))
    assert all(OPEN_NS <= e.timestamp_ns < OPEN_NS + duration_ms * 10**6 for e in events)


def test_quotes_and_trades_are_plausible() -> None:
    """Spreads of 1 to 3 cents, sizes of 100 to 1000, trades at the quote and not above its size."""
    quotes: dict[str, Quote] = {}
    trades = 0
    for event in generate(SETTINGS):
        if isinstance(event, Quote):
            quotes[event.symbol] = event
            assert 100 <= event.ask_e4 - event.bid_e4 <= 300
            assert {event.bid_size, event.ask_size} <= set(range(100, 1001, 100))
        else:
            trades += 1
            quote = quotes[event.symbol]
            displayed = {quote.bid_e4: quote.bid_size, quote.ask_e4: quote.ask_size}
            assert 0 < event.size <= displayed[event.price_e4]
    assert 0.15 < trades / SETTINGS.length < 0.25


def test_averages_cross_regularly() -> None:
    """A fast and a slow average of trades cross several times each minute, and the price stays near where it began."""
    fast = slow = 0.0
    above, crossings, mids = False, 0, []
    for event in generate(TapeSettings(("IBM",), duration_ms=600_000)):
        if isinstance(event, Quote):
            mids.append((event.bid_e4 + event.ask_e4) / 2)
            continue
        fast = event.price_e4 if not fast else fast + (event.price_e4 - fast) * 2 / 11
        slow = event.price_e4 if not slow else slow + (event.price_e4 - slow) * 2 / 51
        crossings += above != (fast > slow)
        above = fast > slow
    assert 50 < crossings < 500
    assert max(abs(mid - mids[0]) for mid in mids) < 50_000


@pytest.mark.parametrize("bad", [{"symbols": ()}, {"ticks_per_second": 0}, {"ticks_per_second": 100_001}])
def test_settings_that_make_no_tape_are_refused(bad: dict[str, object]) -> None:
    """The field at fault is named."""
    with pytest.raises(InputError, match=r"symbols|ticksPerSecond"):
        TapeSettings(**{"symbols": ("IBM",), **bad})  # type: ignore[arg-type]
