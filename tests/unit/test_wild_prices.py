"""A price that nothing is worth is no price: the risk manager leaves it out, and lives."""

import pytest

from tradingmesh.core.risk.units import PRICE_MAX
from tradingmesh.testing.risk_desk import RiskDesk

WILD = str(PRICE_MAX + 1)


@pytest.mark.parametrize(("bid", "ask"), [("99", WILD), (WILD, "101"), (str(PRICE_MAX * 30), str(PRICE_MAX * 31))])
def test_a_wild_quote_is_left_out(bid: str, ask: str) -> None:
    """The one before it stays, with its age, and what is written of the marks can be written."""
    desk = RiskDesk()
    desk.buy("IBM", "10", "100")
    desk.quote("IBM", "101", "103")
    desk.wait(1)
    desk.quote("IBM", bid, ask)
    assert desk.core.state.book("IBM").mark == 102
    desk.wait(6)
    desk.keep_records()
    assert desk.core.ticks_refused == 1


def test_a_wild_trade_is_left_out() -> None:
    """As a quote is."""
    desk = RiskDesk()
    desk.buy("IBM", "10", "100")
    desk.trade("IBM", str(PRICE_MAX * 31))
    assert desk.core.state.book("IBM").mark == 100
    assert desk.core.ticks_refused == 1


def test_the_highest_price_there_may_be_can_be_written() -> None:
    """It fits what the journal keeps of a mark."""
    desk = RiskDesk()
    desk.buy("IBM", "1", "100")
    desk.quote("IBM", str(PRICE_MAX), str(PRICE_MAX))
    desk.core.keep_marks()
    assert desk.restarted().state.book("IBM").mark == PRICE_MAX
