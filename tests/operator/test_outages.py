"""What is told of a time in which nobody looked after the systems."""

from datetime import timedelta

from tests.operator.wanted import NOW
from tradingmesh_operator.objects import Key
from tradingmesh_operator.outages import Outages

A, B, C = Key("n", "a"), Key("n", "b"), Key("n", "c")


class Clock:
    """Seconds that pass when told to."""

    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def _told(outages: Outages, key: Key) -> list[tuple[str, bool]]:
    """What a system that was made a day ago is told, once."""
    found = [(one.reason, one.warning) for one in outages.to_tell(key, NOW - timedelta(days=1))]
    outages.told(key)
    return found


def test_everybody_is_told_once_that_the_api_server_was_away() -> None:
    """And is looked at again; the length counts from its first silence."""
    clock = Clock()
    outages = Outages(clock)
    outages.began()
    clock.now_s += 7
    outages.began()
    clock.now_s += 5
    assert set(outages.ended((A, B))) == {A, B}
    [notice] = outages.to_tell(A, NOW)
    assert "did not answer for 12 s" in notice.message
    assert _told(outages, A) == [("ApiServerAway", True)]
    assert _told(outages, A) == []
    outages.forget(B)
    assert _told(outages, B) == []
    assert outages.ended((A, B)) == ()


def test_a_lost_request_is_no_outage() -> None:
    """The next one was answered."""
    clock = Clock()
    outages = Outages(clock)
    outages.began()
    clock.now_s += 1
    assert outages.ended((A,)) == ()
    assert _told(outages, A) == []


def test_a_time_without_an_operator_is_told_to_who_lived_through_it() -> None:
    """At the first look of the new one, and not to a system made since."""
    outages = Outages(Clock())
    outages.unattended(95.4, NOW)
    assert _told(outages, A) == [("OperatorAway", True)]
    assert _told(outages, A) == []
    assert outages.to_tell(B, NOW - timedelta(seconds=90)) == ()
    assert "no operator worked for 95 s" in outages.to_tell(C, NOW - timedelta(seconds=100))[0].message


def test_what_could_not_be_told_waits() -> None:
    """Until it was, however often the system is looked at meanwhile."""
    outages = Outages(Clock())
    outages.unattended(95, NOW)
    created = NOW - timedelta(days=1)
    assert outages.to_tell(A, created) == outages.to_tell(A, created) != ()
    assert outages.waits(A)
    outages.told(A)
    assert not outages.waits(A)
    assert outages.to_tell(A, created) == ()


def test_a_quick_change_of_operators_is_not_worth_telling() -> None:
    """An upgrade hands the Lease over."""
    outages = Outages(Clock())
    outages.unattended(0.5, NOW)
    assert _told(outages, A) == []
