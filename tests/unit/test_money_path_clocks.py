"""A wall clock that is set back makes nothing look younger than it is, and lets nobody wait without end."""

from collections.abc import Sequence
from decimal import Decimal

from tradingmesh.core.checks import Approved, Check, Refused
from tradingmesh.core.market import Trade
from tradingmesh.core.signal import Side
from tradingmesh.core.signals.core import Origin, Reject, SignalCore
from tradingmesh.core.signals.roster import Roster, Running
from tradingmesh.core.strategy import Strategy, Wish
from tradingmesh.testing.risk_desk import SECOND_NS, START_NS, RiskDesk

_FIVE_MINUTES_NS = 300 * SECOND_NS


class _Eager(Strategy):
    def on_trade(self, trade: Trade) -> Sequence[Wish]:
        return [Wish(trade.symbol, Side.BUY, Decimal(1), trade.price_e4)]


def test_a_quote_from_before_the_clock_was_set_back_is_not_fresh() -> None:
    """How old it is cannot be known any more; the next quote can be traded on again."""
    desk = RiskDesk()
    desk.quote("IBM", "99.99", "100.01")
    desk.now_ns -= _FIVE_MINUTES_NS
    decision = desk.ask(desk.signal("s1", Side.BUY, "1"))
    assert isinstance(decision, Refused)
    assert decision.check is Check.QUOTE_AGE
    assert "300000 ms" in decision.reason
    desk.quote("IBM", "99.99", "100.01")
    assert isinstance(desk.ask(desk.signal("s2", Side.BUY, "1")), Approved)


def test_a_quote_survives_a_clock_that_is_set_a_little() -> None:
    """Time servers move clocks by milliseconds, many times a day."""
    desk = RiskDesk()
    desk.quote("IBM", "99.99", "100.01")
    desk.now_ns -= SECOND_NS // 100
    assert isinstance(desk.ask(desk.signal("s1", Side.BUY, "1")), Approved)


def test_a_check_in_flight_is_given_up_when_the_clock_is_set_back() -> None:
    """How long it has waited cannot be known any more: no answer is no, and the next signal is not held up."""
    running = [Running("s", frozenset({"IBM"}), _Eager())]
    core = SignalCore(Roster(running), epoch=1, timeout_ns=SECOND_NS, valid_for_ns=2 * SECOND_NS)
    core.ask(core.on_event(Trade("IBM", 1_000_000, 100, START_NS)), START_NS, Origin())
    assert core.on_time(START_NS) == []
    (rejected,) = core.on_time(START_NS - _FIVE_MINUTES_NS)
    assert isinstance(rejected, Reject)
    assert rejected.refused.check is Check.RISK_CHECK_TIMEOUT
    assert core.waiting == 0
