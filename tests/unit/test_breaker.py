"""The circuit breaker: every legal move, none other, and the times between them."""

from itertools import product

import pytest

from tradingmesh.contract import CircuitBreakerSpec
from tradingmesh.core.errors import InputError
from tradingmesh.core.risk.breaker import TRANSITIONS, Breaker, BreakerInput, BreakerMoved, BreakerState

SECOND_NS = 1_000_000_000
SPEC = CircuitBreakerSpec.model_validate({"recoveryPeriod": "5m", "stableFor": "30s"})
MANUAL = CircuitBreakerSpec.model_validate({"recoveryPeriod": "5m", "stableFor": "30s", "reset": "Manual"})
LOSS = "the day's loss is 5001, limit is 5000"


def _run(breaker: Breaker, *steps: tuple[int, str]) -> list[BreakerState]:
    """The state after each `(second, loss)`."""
    states = []
    for second, loss in steps:
        moved = breaker.observe(second * SECOND_NS, second * SECOND_NS, loss)
        if moved is not None:
            breaker.fold(moved)
        states.append(breaker.state)
    return states


CLOSED, OPEN, HALF = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def test_it_trips_recovers_and_closes() -> None:
    """Open for the recovery period, HalfOpen until the loss stayed within its limit for the stable time."""
    steps = [(0, ""), (1, LOSS), (300, ""), (301, ""), (302, ""), (331, ""), (332, "")]
    assert _run(Breaker(SPEC), *steps) == [CLOSED, OPEN, OPEN, HALF, HALF, HALF, CLOSED]


def test_a_loss_while_half_open_starts_the_stable_time_again() -> None:
    """It stays HalfOpen, so that one can get out, and never closes while the loss lasts."""
    steps = [(1, LOSS), (301, LOSS), (900, LOSS), (1_000, ""), (1_029, LOSS), (1_040, ""), (1_069, ""), (1_070, "")]
    assert _run(Breaker(SPEC), *steps) == [OPEN, HALF, HALF, HALF, HALF, HALF, HALF, CLOSED]


def test_a_manual_breaker_waits_for_a_person() -> None:
    """However long the loss is over."""
    breaker = Breaker(MANUAL)
    assert _run(breaker, (1, LOSS), (301, ""), (302, ""), (9_999, "")) == [OPEN, HALF, HALF, HALF]
    breaker.fold(breaker.reset(10_000 * SECOND_NS, ""))
    assert breaker.at == BreakerMoved(CLOSED, 10_000 * SECOND_NS, "reset by hand")


def test_a_reset_that_would_trip_again_is_refused() -> None:
    """It says so, with the figures."""
    breaker = Breaker(SPEC)
    _run(breaker, (1, LOSS))
    with pytest.raises(InputError, match="would trip again at once: the day's loss is 5001, limit is 5000"):
        breaker.reset(2, LOSS)
    assert breaker.state is OPEN


def test_a_closed_breaker_is_not_reset() -> None:
    """There is nothing to reset."""
    with pytest.raises(InputError, match="is Closed"):
        Breaker(SPEC).reset(1, "")


def test_observing_moves_nothing_by_itself() -> None:
    """Only the record does: what is not journaled has not happened."""
    breaker = Breaker(SPEC)
    assert breaker.observe(1, 1, LOSS) == BreakerMoved(OPEN, 1, LOSS)
    assert breaker.state is CLOSED


def test_since_is_when_the_state_began() -> None:
    """A loss while HalfOpen does not make it younger."""
    breaker = Breaker(SPEC)
    _run(breaker, (1, LOSS), (301, ""), (302, ""), (310, LOSS))
    assert (breaker.state, breaker.at.since_ns, breaker.at.calm_ns) == (HALF, 301 * SECOND_NS, None)


def test_a_clock_that_is_set_neither_ends_a_wait_nor_draws_it_out() -> None:
    """The waits are reckoned by the monotonic clock; the wall clock is five minutes ahead, then behind."""
    for minutes in (5, -5):
        breaker, states = Breaker(SPEC), []
        for second, loss in ((1, LOSS), (2, ""), (300, ""), (301, ""), (302, ""), (331, ""), (332, "")):
            wall = second + (minutes * 60 if second > 1 else 0)
            moved = breaker.observe(wall * SECOND_NS, second * SECOND_NS, loss)
            if moved is not None:
                breaker.fold(moved)
            states.append(breaker.state)
        assert states == [OPEN, OPEN, OPEN, HALF, HALF, HALF, CLOSED]


def test_what_nobody_watched_is_no_part_of_a_wait() -> None:
    """After a restart the wait begins anew: with the first look, whatever the clocks then say."""
    before, after = Breaker(SPEC), Breaker(SPEC)
    _run(before, (1, LOSS), (300, ""))
    after.fold(before.at)
    assert _run(after, (9_000, ""), (9_299, ""), (9_300, "")) == [OPEN, OPEN, HALF]


def test_a_trip_between_two_looks_waits_from_the_next_look_on() -> None:
    """A check tells no monotonic time: the loss trips, and the wait is never too short."""
    breaker = Breaker(SPEC)
    moved = breaker.observe(SECOND_NS, None, LOSS)
    assert moved is not None
    breaker.fold(moved)
    assert breaker.observe(400 * SECOND_NS, None, "") is None
    assert _run(breaker, (10, ""), (309, ""), (310, "")) == [OPEN, OPEN, HALF]


def test_the_table_has_every_legal_move_and_no_other() -> None:
    """From Closed only a loss leads away, and no state is left out."""
    legal = {
        (CLOSED, BreakerInput.LOSS),
        (OPEN, BreakerInput.RECOVERED),
        (OPEN, BreakerInput.RESET),
        (HALF, BreakerInput.LOSS),
        (HALF, BreakerInput.CALM),
        (HALF, BreakerInput.STABLE),
        (HALF, BreakerInput.RESET),
    }
    assert {pair for pair in product(BreakerState, BreakerInput) if pair in TRANSITIONS} == legal
