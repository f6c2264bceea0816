"""An order goes out on the approval of its own signal, and on no other."""

from decimal import Decimal

from tradingmesh.core.checks import Approved, ApprovedSignal, Writer
from tradingmesh.core.fills import OrderClosed
from tradingmesh.core.orders.effects import Ask, Origin, Send, Submit
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.core.signal import Side, Signal

_NOW = 1_000_000_000_000


def test_the_approval_of_another_reservation_sends_no_order() -> None:
    """Whoever answers garbage to the second check has it refused, and the reservation is given back."""
    orders = OrderTable(Writer(7, 1))
    orders.blocked = ""
    signal = Signal("s-1", "s", "IBM", Side.BUY, Decimal(100), Decimal(10), _NOW, _NOW + 10_000)
    approved = ApprovedSignal(signal, Approved("r-s-1", _NOW + 10_000, ()))
    (ask,) = orders.on_signal(approved, Origin(), _NOW)
    assert isinstance(ask, Ask)
    effects = orders.on_decision(ask.request.request_id, Approved("r-s-2", _NOW + 10_000, ()), _NOW)
    assert not [effect for effect in effects if isinstance(effect, Submit)]
    (report,) = [effect.report for effect in effects if isinstance(effect, Send)]
    assert isinstance(report.body, OrderClosed)
    assert report.reservation_id == "r-s-1"
    assert "r-s-2" in report.body.reason
