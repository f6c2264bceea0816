"""What follows from halt, reduce, breaker and flatten: which orders must go, and what is refused without asking."""

import pytest

from tradingmesh.contract import CircuitBreakerSpec, TradingState
from tradingmesh.core.checks import Approved
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.risk.trading_status import trading_status
from tradingmesh.core.signal import Side
from tradingmesh.core.trading_status import TradingStatus, Withdraw
from tradingmesh.testing.risk_desk import RiskDesk, limits

BUY, SELL = Side.BUY, Side.SELL
BREAKER = CircuitBreakerSpec.model_validate({"recoveryPeriod": "5m", "stableFor": "30s"})


@pytest.fixture
def desk() -> RiskDesk:
    """Long 100 IBM at 100, no duplicate window, a collar that lets any limit through."""
    desk = RiskDesk(limits(price_collar_percent=10**6), breaker=BREAKER)
    desk.quote("IBM", "100", "100")
    desk.buy("IBM", "100", "100")
    return desk


def _work(desk: RiskDesk, name: str, side: Side, quantity: str, symbol: str = "IBM") -> None:
    """An order that rests at the broker."""
    signal = desk.signal(name, side, quantity, symbol, limit="50")
    assert isinstance(desk.ask(signal), Approved)
    assert isinstance(desk.confirm(signal), Approved)


def _status(desk: RiskDesk) -> TradingStatus:
    return trading_status(desk.core.state)


def test_while_trading_is_active_nothing_goes(desk: RiskDesk) -> None:
    """And nothing is refused without a risk check."""
    _work(desk, "a", BUY, "10")
    status = _status(desk)
    assert (status.withdraw, status.refused, status.withdraws("r-a")) == (Withdraw.NONE, "", False)


def test_a_halt_takes_every_order_back(desk: RiskDesk) -> None:
    """Whoever placed it, and the refusal names both words."""
    desk.core.set_switch(TradingState.HALTED)
    status = _status(desk)
    assert (status.withdraw, status.withdraws("r-a"), status.withdraws("")) == (Withdraw.ALL_BUT, True, True)
    assert status.refused == "trading-state: trading is Halted (manifest Active, switch Halted)"


def test_reduce_takes_back_what_could_increase(desk: RiskDesk) -> None:
    """A buy on a long position, and the sells that together would go through zero: the oldest may stay."""
    _work(desk, "more", BUY, "1")
    for name, quantity in (("s60", "60"), ("s50", "50"), ("s40", "40"), ("s1", "1")):
        _work(desk, name, SELL, quantity)
    desk.core.set_switch(TradingState.REDUCING)
    status = _status(desk)
    assert (status.withdraw, status.refused) == (Withdraw.LISTED, "")
    assert status.reservation_ids == ("r-more", "r-s50", "r-s1")
    assert not status.withdraws("")


def test_reduce_follows_the_fills(desk: RiskDesk) -> None:
    """What stays shrinks with the position, so it stays; a fill from elsewhere takes its room away."""
    signal = desk.signal("s", SELL, "100", limit="50")
    desk.ask(signal)
    desk.confirm(signal)
    desk.core.set_switch(TradingState.REDUCING)
    desk.apply(desk.filled(signal, "30", "100"))
    assert _status(desk).reservation_ids == ()
    desk.sell("IBM", "1", "100")
    assert _status(desk).reservation_ids == ("r-s",)


def test_a_flat_symbol_keeps_no_order(desk: RiskDesk) -> None:
    """There is nothing to reduce."""
    desk.quote("BAC", "50", "50")
    _work(desk, "b", BUY, "1", "BAC")
    _work(desk, "s", SELL, "1", "BAC")
    desk.core.set_switch(TradingState.REDUCING)
    assert _status(desk).reservation_ids == ("r-b", "r-s")


def test_an_open_breaker_takes_all_back_and_a_half_open_one_what_could_increase(desk: RiskDesk) -> None:
    """With the figures of the loss, and since when."""
    _work(desk, "more", BUY, "1")
    _work(desk, "less", SELL, "1")
    desk.quote("IBM", "40", "40")
    desk.wait(0)
    status = _status(desk)
    assert (status.withdraw, status.reservation_ids) == (Withdraw.ALL_BUT, ())
    assert status.refused == "circuit-breaker: breaker open: the day's loss is 6000, limit is 5000"
    assert (status.breaker, status.breaker_since_ns) == (BreakerState.OPEN, desk.now_ns)
    desk.wait(300)
    status = _status(desk)
    assert (status.withdraw, status.reservation_ids, status.refused) == (Withdraw.LISTED, ("r-more",), "")


def test_a_flatten_takes_back_what_stands_in_its_way(desk: RiskDesk) -> None:
    """Also orders that reduce: nothing else may work while it closes. Its own stay, also while the breaker is open."""
    _work(desk, "less", SELL, "1")
    desk.core.flatten()
    assert _status(desk).reservation_ids == ("r-less",)
    desk.apply(desk.closed(desk.signal("less", SELL, "1")))
    (given,) = desk.core.closing_orders(desk.now_ns, desk.monotonic_ns)
    assert _status(desk).reservation_ids == ()
    desk.quote("IBM", "40", "40")
    desk.wait(0)
    status = _status(desk)
    assert (status.withdraw, status.flattening) == (Withdraw.ALL_BUT, True)
    assert [status.withdraws(key) for key in ("", "r-other", given.approval.reservation_id)] == [True, True, False]
    desk.core.set_switch(TradingState.HALTED)
    assert _status(desk).withdraws(given.approval.reservation_id)
