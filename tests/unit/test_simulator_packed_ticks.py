"""Ticks packed into bytes read as the list of structs that they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.alpaca_simulator.packed_ticks import Packed, PackedQuotes, PackedTrades
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.money import PRICE_E4_MAX, SIZE_MAX

PRICE, SIZE, TIME = st.integers(0, PRICE_E4_MAX), st.integers(0, SIZE_MAX), st.integers(-(2**62), 2**62)
TRADES = st.builds(Trade, st.just("IBM"), PRICE, SIZE, TIME)
QUOTES = st.builds(Quote, st.just("IBM"), PRICE, PRICE, SIZE, SIZE, TIME)
INDEX = st.none() | st.integers(-6, 6)


@pytest.mark.parametrize(("make", "ticks"), [(PackedTrades, st.lists(TRADES)), (PackedQuotes, st.lists(QUOTES))])
def test_it_is_as_the_list(make: type[Packed[object]], ticks: st.SearchStrategy[list[object]]) -> None:
    """Whatever fits on the wire, and however it is cut."""

    @given(ticks, INDEX, INDEX)
    def behaves(held: list[object], first: int | None, last: int | None) -> None:
        packed = make("IBM")
        for tick in held:
            packed.append(tick)
        assert packed[first:last] == held[first:last]
        del packed[:last], held[:last]
        assert (len(packed), packed[:]) == (len(held), held)

    behaves()
