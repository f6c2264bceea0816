"""A position of a symbol that nobody quotes: taken over with the account, or bought by hand."""

from decimal import Decimal

import pytest

from tradingmesh.contract import CircuitBreakerSpec
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.status import status_of
from tradingmesh.core.signal import Side
from tradingmesh.testing.risk_desk import RiskDesk, limits

LEFT = "all is flat but for TSLA: nobody quotes it here, close it at the broker"


@pytest.fixture
def desk() -> RiskDesk:
    """Only IBM is quoted; of TSLA five shares are held."""
    desk = RiskDesk()
    desk.core = RiskCore(limits(), CircuitBreakerSpec(), Decimal(1_000_000), symbols=("IBM",))
    desk.buy("TSLA", "5", "200")
    return desk


def test_it_is_told(desk: RiskDesk) -> None:
    """Its worth does not move, so no day's loss shows it; one that is quoted, or flat, is no news."""
    desk.buy("IBM", "5", "100")
    assert status_of(desk.core.state).unquoted == ("TSLA",)
    desk.sell("TSLA", "5", "200")
    assert status_of(desk.core.state).unquoted == ()


def test_flatten_closes_the_others_and_ends_with_its_name(desk: RiskDesk) -> None:
    """It would wait for a quote for ever."""
    desk.buy("IBM", "5", "100")
    desk.quote("IBM", "99.99", "100.01")
    desk.core.flatten()
    (given,) = desk.core.closing_orders(desk.now_ns, desk.monotonic_ns)
    assert given.signal.symbol == "IBM"
    desk.confirm(given.signal)
    desk.apply(desk.filled(given.signal, "5", "100"))
    assert desk.core.closing_orders(desk.now_ns, desk.monotonic_ns) == []
    flatten = desk.core.state.flatten
    assert (flatten.active, flatten.outcome) == (False, LEFT)


def test_a_flatten_of_it_alone_ends_at_once_unless_an_order_works(desk: RiskDesk) -> None:
    """The order has to be canceled first."""
    desk.apply(desk.working("hand", Side.SELL, "1", "250", symbol="TSLA"))
    desk.core.flatten("TSLA")
    desk.core.closing_orders(desk.now_ns, desk.monotonic_ns)
    assert desk.core.state.flatten.active
    desk.apply(desk.working("hand", Side.SELL, "0", "250", symbol="TSLA"))
    desk.core.closing_orders(desk.now_ns, desk.monotonic_ns)
    assert desk.core.state.flatten.outcome == LEFT
