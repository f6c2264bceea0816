"""Messages held back on their way out: which leave in order, which are overtaken, and what the limit does."""

from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.alpaca_simulator.faults import Fate
from tradingmesh.alpaca_simulator.held_messages import Line
from tradingmesh.telemetry.metrics import Counter

FATES = st.builds(Fate, st.integers(0, 2), st.floats(0, 5), st.booleans())


def leaving(fates: list[Fate], *, at_most: int = 100) -> list[int]:
    """What leaves, in which order, where one message comes each second; in the end all has left."""
    line: Line[int] = Line(at_most)
    left: list[int] = []
    for second, fate in enumerate(fates):
        line.push(second, fate, second)
        left += line.due(second)
    left += line.due(float("inf"))
    assert line.next_s is None
    return left


def test_a_delay_holds_up_what_follows() -> None:
    """As a slow network would: the order stays."""
    line: Line[str] = Line()
    line.push("late", Fate(hold_s=3), 0)
    line.push("behind it", Fate(), 1)
    assert (line.due(2.9), line.next_s) == ([], 3)
    assert line.due(3) == ["late", "behind it"]


def test_a_reordered_message_is_overtaken() -> None:
    """It alone waits."""
    assert leaving([Fate(hold_s=1.5, overtaken=True), Fate(), Fate(), Fate()]) == [1, 0, 2, 3]


def test_copies_leave_together() -> None:
    """A dropped message leaves not at all."""
    assert leaving([Fate(2), Fate(0), Fate(2, 0.5)]) == [0, 0, 2, 2]


def test_a_full_line_gives_up_what_is_due_first() -> None:
    """It never holds more than it may; nothing is lost."""
    hurried = Counter()
    line: Line[int] = Line(2, hurried)
    for number in range(5):
        line.push(number, Fate(hold_s=100 - number, overtaken=True), 0)
    assert line.due(0) == [4, 3, 2]
    assert line.due(100) == [1, 0]
    assert hurried.value == 3


@given(st.lists(FATES, max_size=60), st.integers(1, 60))
def test_every_copy_leaves_once_and_only_the_overtaken_change_places(fates: list[Fate], at_most: int) -> None:
    """Whatever is drawn, and however little may be held."""
    left = leaving(fates, at_most=at_most)
    assert sorted(left) == [number for number, fate in enumerate(fates) for _ in range(fate.copies)]
    in_order = [number for number in left if not fates[number].overtaken]
    assert in_order == sorted(in_order)
