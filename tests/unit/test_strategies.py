"""The built-in strategies: when they wish, when they stay silent, and what they refuse as parameters."""

from collections.abc import Iterable

import pytest

from tradingmesh.core.errors import ConfigError
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.signal import Side
from tradingmesh.core.strategy import Strategy, Wish
from tradingmesh.strategies.ema_crossover import EmaCrossover
from tradingmesh.strategies.mean_reversion import MeanReversion


def trades(prices: Iterable[int], symbol: str = "IBM") -> list[Trade]:
    return [Trade(symbol, price, 100, t) for t, price in enumerate(prices)]


def quotes(mids: Iterable[int], symbol: str = "IBM") -> list[Quote]:
    return [Quote(symbol, mid - 50, mid + 50, 100, 100, t) for t, mid in enumerate(mids)]


def play(strategy: Strategy, events: Iterable[Trade | Quote], *, approve: bool = True) -> list[tuple[int, Wish]]:
    """Every wish with the time of its event; each is answered at once."""
    heard = []
    for event in events:
        wishes = strategy.on_trade(event) if isinstance(event, Trade) else strategy.on_quote(event)
        for wish in wishes:
            heard.append((event.timestamp_ns, wish))
            (strategy.on_approved if approve else strategy.on_refused)(wish)
    return heard


FLAT_UP_DOWN = [1000] * 10 + list(range(1010, 1200, 10)) + list(range(1200, 900, -10))


def test_crossover_buys_the_rise_and_sells_the_fall() -> None:
    """One purchase when the fast average rises above the slow one, one sale when it falls below."""
    wishes = play(EmaCrossover(fast=2, slow=5, quantity=7), trades(FLAT_UP_DOWN))
    assert [(t, w.side, int(w.quantity), w.reference_price_e4) for t, w in wishes] == [
        (10, Side.BUY, 7, 1010),
        (32, Side.SELL, 7, 1170),
    ]


def test_crossover_is_silent_before_slow_samples() -> None:
    """A rise within the first `slow - 1` samples is not acted on."""
    assert play(EmaCrossover(fast=2, slow=20), trades(range(1000, 1190, 10))) == []
    assert [t for t, _ in play(EmaCrossover(fast=2, slow=20), trades(range(1000, 1250, 10)))] == [19]


def test_crossover_follows_the_mid_when_told() -> None:
    """With `on: mid` quotes make the averages and trades do not; a one-sided quote has no mid."""
    strategy = EmaCrossover(fast=2, slow=5, on="mid")
    assert play(strategy, trades(FLAT_UP_DOWN)) == []
    assert play(strategy, [Quote("IBM", 0, 9000, 0, 1, 0)] * 10) == []
    assert [w.side for _, w in play(strategy, quotes(FLAT_UP_DOWN))] == [Side.BUY, Side.SELL]


def test_crossover_keeps_its_symbols_apart() -> None:
    """Two symbols interleaved give the wishes that each gives alone."""
    both = [t for pair in zip(trades(FLAT_UP_DOWN), trades(FLAT_UP_DOWN[::-1], "BAC"), strict=True) for t in pair]
    mixed = play(EmaCrossover(fast=2, slow=5), both)
    alone = play(EmaCrossover(fast=2, slow=5), trades(FLAT_UP_DOWN))
    other = play(EmaCrossover(fast=2, slow=5), trades(FLAT_UP_DOWN[::-1], "BAC"))
    assert [w for w in mixed if w[1].symbol == "IBM"] == alone
    assert [w for w in mixed if w[1].symbol == "BAC"] == other


def test_an_unanswered_wish_is_not_repeated() -> None:
    """While the answer is awaited nothing more is wished, whatever the prices do."""
    strategy = EmaCrossover(fast=2, slow=5)
    wishes = [wish for trade in trades(FLAT_UP_DOWN) for wish in strategy.on_trade(trade)]
    assert len(wishes) == 1


def test_a_refused_purchase_is_not_believed_held() -> None:
    """After a refusal no sale follows; the next purchase waits for `slow` ticks."""
    wishes = play(EmaCrossover(fast=2, slow=5), trades(FLAT_UP_DOWN), approve=False)
    assert {w.side for _, w in wishes} == {Side.BUY}
    assert [t for t, _ in wishes] == [10, 16, 22, 28]


def test_a_refused_sale_is_still_held() -> None:
    """A sale that was refused is wished again, `slow` ticks later."""
    strategy = EmaCrossover(fast=2, slow=5)
    prices = trades(FLAT_UP_DOWN)
    (bought,) = play(strategy, prices[:20])
    refused = play(strategy, prices[20:40], approve=False)
    assert bought[1].side is Side.BUY
    assert [(t, w.side) for t, w in refused] == [(32, Side.SELL), (38, Side.SELL)]


def test_mean_reversion_buys_the_dip_and_sells_the_return() -> None:
    """One purchase far below the average, one sale back at it."""
    mids = [10_000, 10_010] * 20 + [9_800] + [10_000, 10_010] * 10
    wishes = play(MeanReversion(window=20, entry=2.0, exit=0.5, quantity="1.5"), quotes(mids))
    assert [(t, w.side, str(w.quantity)) for t, w in wishes] == [(40, Side.BUY, "1.5"), (41, Side.SELL, "1.5")]


def test_mean_reversion_is_silent_before_its_window() -> None:
    """A dip within the first `window - 1` quotes is not acted on, nor is a one-sided quote."""
    mids = [10_000, 10_010] * 9 + [9_800]
    assert play(MeanReversion(window=20), quotes(mids)) == []
    assert len(play(MeanReversion(window=19), quotes(mids))) == 1
    assert play(MeanReversion(window=1), [Quote("IBM", 100, 0, 1, 0, 0)]) == []


def test_a_refused_dip_is_not_believed_held() -> None:
    """After a refused purchase there is nothing to sell."""
    mids = [10_000, 10_010] * 20 + [9_800] + [10_000, 10_010] * 10
    wishes = play(MeanReversion(window=20), quotes(mids), approve=False)
    assert [w.side for _, w in wishes] == [Side.BUY]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"fast": 0}, "fast: 0 is not a whole number"),
        ({"fast": True}, "fast: True is not a whole number"),
        ({"slow": "50"}, "slow: '50' is not a whole number"),
        ({"slow": 10**7}, "slow: 10000000 is not a whole number"),
        ({"fast": 50, "slow": 50}, "fast: 50 is not below slow 50"),
        ({"quantity": 0.5}, "quantity: 0.5 is not an exact number"),
        ({"quantity": -1}, "quantity: -1 is not above 0"),
        ({"quantity": "many"}, "quantity: 'many' is not a number"),
        ({"quantity": "1e-10"}, "quantity: 1e-10 has more than 9 decimals"),
        ({"on": "close"}, "on: 'close' is neither"),
    ],
)
def test_crossover_names_a_wrong_parameter(params: dict[str, object], sentence: str) -> None:
    """Each wrong parameter is refused in one sentence that begins with its name."""
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        EmaCrossover(**params)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"window": -1}, "window: -1 is not"),
        ({"entry": "2"}, "entry: '2' is not a number from 0 to 100"),
        ({"entry": float("nan")}, "entry: nan is not a number"),
        ({"exit": 3.0}, "exit: 3.0 is not below entry 2.0"),
        ({"quantity": "inf"}, "quantity: 'inf' is not a finite number"),
    ],
)
def test_mean_reversion_names_a_wrong_parameter(params: dict[str, object], sentence: str) -> None:
    """Each wrong parameter is refused in one sentence that begins with its name."""
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        MeanReversion(**params)  # type: ignore[arg-type]
