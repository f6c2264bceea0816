"""The P&L curve of the live page: bounded, in order, from the beginning to now."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.page.curve import POINTS_MAX, Curve, Point, add, shown


def curve_of(times_ms: list[int]) -> Curve:
    curve = Curve()
    for at_ms in times_ms:
        curve = add(curve, Point(at_ms, str(at_ms), "0"))
    return curve


def test_few_points_are_all_there() -> None:
    """Nothing is thinned while there is room."""
    assert [point.at_ms for point in shown(curve_of([1, 2, 3]))] == [1, 2, 3]


@given(st.integers(1, 20_000))
def test_however_many_there_are_the_first_and_the_newest_are_shown(count: int) -> None:
    """At most so many, evenly apart but for the newest."""
    points = shown(curve_of(list(range(count))))
    assert len(points) <= POINTS_MAX
    assert (points[0].at_ms, points[-1].at_ms) == (0, count - 1)
    gaps = [after.at_ms - before.at_ms for before, after in pairwise(points)]
    assert len(set(gaps[:-1])) <= 1


def test_a_long_day_keeps_half_the_room_or_more() -> None:
    """It is thinned by two, not cut."""
    assert len(shown(curve_of(list(range(50_000))))) >= POINTS_MAX // 2


def test_a_clock_set_back_begins_anew() -> None:
    """A line that runs backwards would show what never was."""
    assert [point.at_ms for point in shown(curve_of([5, 6, 2, 3]))] == [2, 3]


def test_nothing_heard_is_no_point() -> None:
    """The page says so itself."""
    assert shown(Curve()) == ()
