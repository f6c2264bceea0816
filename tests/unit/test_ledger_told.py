"""What the risk manager tells of its ledger is its status, exact, and bounded."""

from decimal import Decimal

import msgspec

from tradingmesh.contract import CircuitBreakerSpec, RiskLimits
from tradingmesh.core.fills import Fill
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.status import POSITIONS_TOLD_MAX, ledger_of, status_of
from tradingmesh.core.signal import Side


def _core(symbols: int) -> RiskCore:
    """A core that bought one share of each symbol, and sold the first again."""
    core = RiskCore(RiskLimits(), CircuitBreakerSpec(), Decimal("1000.10"))
    for number in range(symbols):
        _book(core, f"S{number}", Side.BUY)
    _book(core, "S0", Side.SELL)
    return core


def _book(core: RiskCore, symbol: str, side: Side) -> None:
    price = Decimal("0.3333")
    core.state.ledger.book(Fill("f", "o", "c", symbol, side, Decimal(1), price, Decimal(1), 1), Decimal("0.01"))


def test_the_ledger_is_told_as_the_status_has_it() -> None:
    """Cash and positions to the digit, those not flat first."""
    status = msgspec.to_builtins(status_of(_core(3).state))
    told = ledger_of(status)
    assert (told.cash, told.equity, told.realised) == (status["cash"], status["equity"], status["realised"])
    assert told.cash == "999.3934"
    assert [(held.symbol, held.quantity) for held in told.positions] == [("S1", "1"), ("S2", "1"), ("S0", "0")]


def test_of_many_positions_the_flat_ones_are_left_out_first() -> None:
    """A message has an end; the count is of all."""
    told = ledger_of(msgspec.to_builtins(status_of(_core(POSITIONS_TOLD_MAX + 5).state)))
    assert (len(told.positions), told.positions_count) == (POSITIONS_TOLD_MAX, POSITIONS_TOLD_MAX + 5)
    assert "S0" not in {held.symbol for held in told.positions}
