"""The broker's books and the mesh's ledger are written apart from each other, and agree to the last digit."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.core.fills import Fill
from tradingmesh.core.money import ZERO
from tradingmesh.core.risk.ledger import Ledger
from tradingmesh.core.signal import Side

D = Decimal

quantities = st.integers(1, 500).map(D) | st.integers(1, 10**12).map(lambda n: D(n).scaleb(-9))
fills = st.tuples(
    st.sampled_from(["IBM", "BAC"]),
    st.sampled_from(Side),
    quantities,
    st.integers(1, 5_000_000).map(lambda e4: D(e4).scaleb(-4)),
)


@given(st.lists(fills, max_size=40), st.integers(0, 1_000).map(lambda n: D(n).scaleb(-5)))
def test_broker_and_ledger_agree(script: list[tuple[str, Side, Decimal, Decimal]], per_share: Decimal) -> None:
    """Cash, quantity, cost and profit after every fill, whichever way positions turn."""
    account, ledger = Account(D(1_000_000), per_share), Ledger(D(1_000_000))
    for number, (symbol, side, quantity, price) in enumerate(script):
        commission = account.apply_fill(symbol, side, quantity, price)
        fill = Fill(str(number), "order", "mine", symbol, side, quantity, price, quantity, number)
        _, after = ledger.book(fill, commission)
        held = account.positions().get(symbol)
        assert account.cash == ledger.cash
        assert (held.quantity if held else ZERO) == after.quantity
        assert (held.cost if held else ZERO) == after.cost
    assert account.realised() - account.commissions == ledger.realised
