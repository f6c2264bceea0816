"""How long an order has been in doubt, by a clock that nobody sets."""

from tradingmesh.core.orders.doubts import SETTLED_AFTER_NS, Doubts


def test_doubt_that_stays_is_worth_a_question() -> None:
    """What is in doubt at one look and gone at the next was on its way."""
    doubts = Doubts()
    assert not doubts.observe(["a"], 0)
    assert not doubts.observe(["b"], 1)
    assert doubts.observe(["b", "c"], 2)


def test_settled_after_a_while_in_doubt() -> None:
    """Reckoned for each from when it came to be doubtful, without a break."""
    doubts = Doubts()
    doubts.observe(["a"], 0)
    doubts.observe(["a", "b"], 1)
    assert doubts.settled(SETTLED_AFTER_NS - 1) == set()
    assert doubts.settled(SETTLED_AFTER_NS) == {"a"}
    doubts.observe(["b"], 2)
    doubts.observe(["a", "b"], 3)
    assert doubts.settled(SETTLED_AFTER_NS + 1) == {"b"}
