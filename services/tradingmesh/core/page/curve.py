"""The P&L over time, in so many points: when there are too many, every second one goes, and half as many come after."""

import msgspec

POINTS_MAX = 480


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One look at the ledger. Money is exact, as text."""

    at_ms: int
    day_profit: str
    equity: str


class Curve(msgspec.Struct, frozen=True):
    """`points` are kept, one in `every`; `newest` is the last one, whether it is kept or not."""

    points: tuple[Point, ...] = ()
    newest: Point | None = None
    every: int = 1
    passed: int = 0


def add(curve: Curve, point: Point) -> Curve:
    """The curve with one more point. A clock that was set back begins it anew: it would run backwards."""
    if curve.newest is not None and point.at_ms < curve.newest.at_ms:
        curve = Curve()
    passed = curve.passed + 1
    if curve.points and passed < curve.every:
        return Curve(curve.points, point, curve.every, passed)
    points = (*curve.points, point)
    if len(points) < POINTS_MAX:
        return Curve(points, point, curve.every, 0)
    return Curve(points[::2], point, 2 * curve.every, curve.every)  # of an even number the last one goes


def shown(curve: Curve) -> tuple[Point, ...]:
    """The points kept, and the newest."""
    if curve.newest is None or (curve.points and curve.points[-1] == curve.newest):
        return curve.points
    return (*curve.points, curve.newest)
