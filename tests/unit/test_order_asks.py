"""The line of risk checks."""

from decimal import Decimal

from tradingmesh.core.checks import RiskCheckRequest, Stage
from tradingmesh.core.orders.asks import RiskAsks
from tradingmesh.core.orders.effects import Ask, Origin
from tradingmesh.core.signal import Side, Signal


def request(name: str) -> Ask:
    signal = Signal(name, "s", "IBM", Side.BUY, Decimal(1), Decimal(1), 0, 0)
    return Ask(RiskCheckRequest(name, Stage.ORDER, signal, Decimal(1), 0), Origin())


def test_one_flies_the_others_wait() -> None:
    """The next is sent when the one before is answered."""
    asks = RiskAsks(100)
    assert asks.add(request("a"), 0)
    assert asks.add(request("b"), 0)
    assert asks.to_send() == request("a")
    assert asks.to_send() is None
    assert asks.answered("a")
    assert asks.to_send() == request("b")


def test_foreign_answer_changes_nothing() -> None:
    """Only the request in flight can be answered."""
    asks = RiskAsks(100)
    asks.add(request("a"), 0)
    assert not asks.answered("a")
    asks.to_send()
    assert not asks.answered("b")
    assert asks.answered("a")
    assert not asks.answered("a")


def test_overdue_frees_the_line() -> None:
    """A request past its time is handed out once, a late answer to it is none, and the next may fly."""
    asks = RiskAsks(100)
    asks.add(request("a"), 0)
    asks.add(request("b"), 50)
    asks.to_send()
    assert asks.overdue(99) == []
    assert asks.overdue(100) == [request("a")]
    assert not asks.answered("a")
    assert asks.to_send() == request("b")
    assert asks.overdue(150) == [request("b")]
    assert len(asks) == 0


def test_line_is_bounded() -> None:
    """A full line takes no more."""
    asks = RiskAsks(100, capacity=1)
    assert asks.add(request("a"), 0)
    assert not asks.add(request("b"), 0)
