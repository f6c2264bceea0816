"""Reservations and the recent orders: what is remembered, for how long, and how often it is told."""

from decimal import Decimal

from tradingmesh.core.risk.rate import MINUTE_NS, RecentOrders, order_key
from tradingmesh.core.risk.reservations import RESERVATION_LIFE_NS, Reservation, Reservations, expiry_ns, reservation_id
from tradingmesh.core.signal import Side, Signal


def _signal(name: str, valid_until_ns: int = 100, quantity: int = 1) -> Signal:
    return Signal(name, "desk", "IBM", Side.BUY, Decimal(quantity), Decimal(100), 0, valid_until_ns)


def _reservation(name: str, expires_ns: int = 10, valid_until_ns: int = 100) -> Reservation:
    signal = _signal(name, valid_until_ns)
    return Reservation(reservation_id(name), signal.symbol, signal.side, 10**9, 10**11, signal, expires_ns)


def test_an_unconfirmed_reservation_is_named_once_when_its_time_is_over() -> None:
    """Not a nanosecond before."""
    held = Reservations()
    held.add(_reservation("a"), 0)
    assert held.expired(9) == []
    assert [found.reservation_id for found in held.expired(10)] == ["r-a"]
    assert held.expired(10) == []


def test_a_confirmed_reservation_does_not_expire() -> None:
    """It ends by a fill or a report."""
    held = Reservations()
    reservation = _reservation("a")
    held.add(reservation, 0)
    reservation.confirmed_by = "request"
    assert held.expired(1_000) == []
    assert held.get("r-a") is reservation


def test_one_that_ended_is_not_named() -> None:
    """The expiry of what is gone says nothing."""
    held = Reservations()
    held.add(_reservation("a"), 0)
    held.remove("r-a")
    assert held.expired(1_000) == []
    assert len(held) == 0


def test_a_signal_is_remembered_while_it_is_valid() -> None:
    """Also when its reservation has ended; a signal past its time is refused for that, so it may be forgotten."""
    held = Reservations()
    held.add(_reservation("a", valid_until_ns=100), 0)
    held.remove("r-a")
    held.add(_reservation("b", valid_until_ns=300), 99)
    assert held.was_approved("a")
    held.add(_reservation("c", valid_until_ns=300), 100)
    assert (held.was_approved("a"), held.was_approved("b")) == (False, True)


def test_an_approval_lapses_with_its_signal_or_after_its_life() -> None:
    """Whichever is first."""
    assert expiry_ns(_signal("a", valid_until_ns=50), 10) == 50
    assert expiry_ns(_signal("a", valid_until_ns=10**18), 10) == 10 + RESERVATION_LIFE_NS


def test_a_minute_has_sixty_seconds() -> None:
    """An order leaves the count exactly then."""
    recent = RecentOrders()
    recent.add(order_key(_signal("a")), 0, MINUTE_NS)
    recent.add(order_key(_signal("b")), 5, MINUTE_NS)
    assert [recent.within_minute(at) for at in (5, MINUTE_NS - 1, MINUTE_NS, MINUTE_NS + 5)] == [2, 2, 1, 0]


def test_old_orders_are_forgotten() -> None:
    """Memory holds what the windows need; an equal order that came later keeps its own time."""
    recent = RecentOrders()
    key = order_key(_signal("a"))
    for at in range(0, 10 * MINUTE_NS, MINUTE_NS // 2):
        recent.add(key, at, MINUTE_NS)
    assert len(recent.times_ns) == 2
    assert recent.last_ns(key) == 10 * MINUTE_NS - MINUTE_NS // 2
    recent.add(order_key(_signal("a", quantity=2)), 20 * MINUTE_NS, MINUTE_NS)
    assert (recent.last_ns(key), len(recent.times_ns)) == (None, 1)


def test_a_clock_set_back_keeps_the_order() -> None:
    """The later order counts as no older than the one before."""
    recent = RecentOrders()
    recent.add(order_key(_signal("a")), 1_000, MINUTE_NS)
    recent.add(order_key(_signal("b")), 10, MINUTE_NS)
    assert recent.times_ns == [1_000, 1_000]


def test_another_tape_begins_with_an_empty_minute() -> None:
    """After a restart a tape may play an earlier day: what was approved on the later one does not count, nor stay."""
    recent = RecentOrders()
    key = order_key(_signal("a"))
    for at in (100 * MINUTE_NS, 100 * MINUTE_NS + 1):
        recent.add(key, at, MINUTE_NS)
    assert (recent.within_minute(100 * MINUTE_NS), recent.within_minute(MINUTE_NS)) == (2, 0)
    recent.add(order_key(_signal("b", quantity=2)), MINUTE_NS, MINUTE_NS)
    assert (recent.times_ns, recent.last_ns(key)) == ([MINUTE_NS], None)


def test_what_makes_orders_equal() -> None:
    """Their signals' ids and reference prices do not; quantity does, however it is written."""
    first = _signal("a")
    same = Signal("b", "desk", "IBM", Side.BUY, Decimal("1.0"), Decimal(101), 5, 200)
    other = Signal("c", "desk", "IBM", Side.SELL, Decimal(1), Decimal(100), 0, 100)
    assert order_key(first) == order_key(same)
    assert order_key(first) != order_key(other)
