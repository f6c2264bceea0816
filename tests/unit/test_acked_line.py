"""How far a line is acknowledged, whatever the order of the acks."""

from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.orders.acked import AckedLine


@given(st.integers(0, 5), st.lists(st.integers(1, 30), max_size=80))
def test_last_is_the_end_of_what_has_no_gap(start: int, numbers: list[int]) -> None:
    """After each ack, repeated ones and old ones included; and it is told when it moved."""
    line = AckedLine(start)
    acked = set(range(1, start + 1))
    for number in numbers:
        before = line.last
        moved = line.ack(number)
        acked.add(number)
        assert moved == (line.last != before)
        assert line.last + 1 not in acked
        assert acked.issuperset(range(1, line.last + 1))
