"""A wish with odd figures stops the strategy that made it, and neither the others nor the signal generator."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradingmesh.core.market import Trade
from tradingmesh.core.signal import Side
from tradingmesh.core.signals.core import Ask, Origin, SignalCore
from tradingmesh.core.signals.roster import Roster, Running, StrategyStopped
from tradingmesh.core.strategy import Strategy, Wish

_SOUND = Wish("IBM", Side.BUY, Decimal(1), 1_000_000)


class _Wishing(Strategy):
    def __init__(self, wish: Wish) -> None:
        self._wish = wish

    def on_trade(self, trade: Trade) -> Sequence[Wish]:  # noqa: ARG002 - the shape of a handler
        return [self._wish]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference_price_e4", None),
        ("reference_price_e4", 1.5),
        ("reference_price_e4", -1),
        ("reference_price_e4", 10**70),
        ("quantity", 1.5),
        ("quantity", None),
        ("quantity", object()),
        ("limit_price", 10.25),
        ("stop_price", "10.25"),
    ],
)
def test_odd_figures_stop_their_strategy_alone(field: str, value: Any) -> None:
    """Money and quantities are Decimal, the reference an integer that is a price; the field is named."""
    odd = msgspec.structs.replace(_SOUND, **{field: value})
    running = [Running(name, frozenset({"IBM"}), _Wishing(wish)) for name, wish in (("odd", odd), ("sound", _SOUND))]
    core = SignalCore(Roster(running), epoch=1, timeout_ns=10**9, valid_for_ns=2 * 10**9)
    stopped, ask = core.ask(core.on_event(Trade("IBM", 1_000_000, 100, 0)), 0, Origin())
    assert isinstance(stopped, StrategyStopped)
    assert stopped.name == "odd"
    assert field in stopped.error
    assert isinstance(ask, Ask)
    assert ask.request.signal.strategy == "sound"
