"""A flatten under anything: partial fills, refusals, cancels, orders nobody takes, restarts, a clock that is set."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradingmesh.core.checks import Approved, ApprovedSignal
from tradingmesh.core.risk.units import scaled
from tradingmesh.core.signal import Side
from tradingmesh.testing.risk_desk import RiskDesk, limits

SYMBOLS = ("IBM", "BAC")
FATES = ("fill", "fill", "part", "reject", "lose", "restart", "set-clock", "trip")
QUANTITY = st.decimals(Decimal(-250), Decimal(250), places=3)


class World:
    """A desk, and a broker that does to each closing order what chance says. What it fills is the truth."""

    def __init__(self, held: tuple[Decimal, Decimal], order_quantity: Decimal, commission: str) -> None:
        self.desk = RiskDesk(limits(max_order_quantity=order_quantity, max_daily_loss=Decimal(500)))
        self.desk.wait(0)
        self.held = dict(zip(SYMBOLS, held, strict=True))
        self.commission = commission
        self.quote()
        for symbol, quantity in self.held.items():
            if quantity:
                (self.desk.buy if quantity > 0 else self.desk.sell)(symbol, str(abs(quantity)), "100")

    def quote(self) -> None:
        for symbol in SYMBOLS:
            self.desk.quote(symbol, "99.99", "100.01")

    def step(self, fate: str, share: int) -> None:
        """The closing orders that are due meet that fate."""
        self.desk.wait(Decimal("0.5"))
        self.quote()
        for approved in self.desk.core.closing_orders(self.desk.now_ns, self.desk.monotonic_ns):
            self._meet(approved, fate, share)
        if fate == "restart":
            self.desk.core = self.desk.restarted()
        elif fate == "set-clock":
            self.desk.set_clock(300 if share % 2 else -300)
        elif fate == "trip":
            self.desk.quote("IBM", "1", "1")
            self.desk.wait(0)

    def _meet(self, approved: ApprovedSignal, fate: str, share: int) -> None:
        signal = approved.signal
        before = self.held[signal.symbol]
        assert (before > 0) == (signal.side is Side.SELL)
        assert signal.quantity <= abs(before), "it would go through zero"
        if fate == "lose" or not isinstance(self.desk.confirm(signal), Approved):
            return
        if fate in ("fill", "part", "trip", "set-clock"):
            quantity = signal.quantity if fate == "fill" else Decimal(scaled(signal.quantity, 3) * share // 100) / 1000
            if quantity:
                self.held[signal.symbol] -= quantity * -signal.side.sign
                self.desk.apply(self.desk.filled(signal, str(quantity), "100", self.commission))
        self.desk.apply(self.desk.closed(signal))


@pytest.mark.timeout(60)
@settings(max_examples=40, deadline=None)
@given(
    held=st.tuples(QUANTITY, QUANTITY),
    order_quantity=st.sampled_from([Decimal("7.5"), Decimal(40), Decimal(1_000)]),
    fates=st.lists(st.tuples(st.sampled_from(FATES), st.integers(0, 100)), max_size=12),
    commission=st.sampled_from(["0", "20"]),
)
def test_it_only_shrinks_and_it_ends_flat(
    held: tuple[Decimal, Decimal], order_quantity: Decimal, fates: list[tuple[str, int]], commission: str
) -> None:
    """No order goes through zero, none works beside another, and when the broker fills again all is closed."""
    world = World(held, order_quantity, commission)
    world.desk.core.flatten()
    for fate, share in fates:
        world.step(fate, share)
        working = [found.symbol for found in world.desk.core.state.reservations]
        assert len(working) == len(set(working))
    for _ in range(150):
        if not world.desk.core.state.flatten.active:
            break
        world.step("fill", 100)
    assert world.desk.core.state.flatten.outcome == "all is flat"
    assert set(world.held.values()) == {0}
    assert all(position.quantity == 0 for position in world.desk.core.state.ledger.positions())
