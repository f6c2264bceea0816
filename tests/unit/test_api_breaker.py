"""The breaker round the broker's API: its whole table, and what holds whatever is called and whatever comes back."""

from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.orders.api_breaker import (
    PROBE_MAX_NS,
    QUESTIONS,
    TRANSITIONS,
    ApiBreaker,
    ApiCall,
    ApiInput,
    ApiOutcome,
    ApiState,
    Permit,
)

THRESHOLD = 3
RECOVERY_NS = 1_000
LOST, ANSWERED, UNTOLD = ApiOutcome.LOST, ApiOutcome.ANSWERED, ApiOutcome.UNTOLD


def call(breaker: ApiBreaker, kind: ApiCall, outcome: ApiOutcome, now_ns: int = 0) -> None:
    permit = breaker.admit(kind, now_ns)
    assert permit is not None
    breaker.ended(permit, outcome, now_ns, "no answer")


def opened() -> ApiBreaker:
    breaker = ApiBreaker(THRESHOLD, RECOVERY_NS)
    for _ in range(THRESHOLD):
        call(breaker, ApiCall.PLACE, LOST)
    assert breaker.state is ApiState.OPEN
    return breaker


def probing() -> tuple[ApiBreaker, Permit]:
    breaker = opened()
    probe = breaker.admit(ApiCall.ASK, RECOVERY_NS)
    assert probe is not None
    assert breaker.state is ApiState.HALF_OPEN
    return breaker, probe


def test_every_cell_of_the_table() -> None:
    """Six moves there are, and no others: what cannot happen in a state is not in the table."""
    closed, half_open, open_ = ApiState.CLOSED, ApiState.HALF_OPEN, ApiState.OPEN
    wanted = {
        (closed, ApiInput.ANSWERED): closed,
        (closed, ApiInput.LOST): closed,
        (closed, ApiInput.TOO_MANY_LOST): open_,
        (closed, ApiInput.WAITED): None,
        (open_, ApiInput.ANSWERED): None,
        (open_, ApiInput.LOST): None,
        (open_, ApiInput.TOO_MANY_LOST): None,
        (open_, ApiInput.WAITED): half_open,
        (half_open, ApiInput.ANSWERED): closed,
        (half_open, ApiInput.LOST): open_,
        (half_open, ApiInput.TOO_MANY_LOST): None,
        (half_open, ApiInput.WAITED): None,
    }
    assert {cell: TRANSITIONS.get(cell) for cell in product(ApiState, ApiInput)} == wanted


@pytest.mark.parametrize("kind", ApiCall)
@pytest.mark.parametrize("threshold", [1, 2, 7])
def test_opens_after_exactly_so_many_losses_in_a_row(kind: ApiCall, threshold: int) -> None:
    """One less does not; an answer in between begins the count anew, a call that tells nothing does not."""
    breaker = ApiBreaker(threshold, RECOVERY_NS)
    for outcome in [*[LOST] * (threshold - 1), ANSWERED, *[LOST, UNTOLD] * (threshold - 1)]:
        call(breaker, kind, outcome)
        assert breaker.state is ApiState.CLOSED
        assert breaker.problem == ""
    call(breaker, kind, LOST)
    assert breaker.state is ApiState.OPEN
    assert breaker.trips == 1
    assert "no answer" in breaker.problem


def test_answered_questions_do_not_hide_lost_orders() -> None:
    """Losses are counted for each kind of call: orders may be broken where questions are not."""
    breaker = ApiBreaker(THRESHOLD, RECOVERY_NS)
    for _ in range(THRESHOLD):
        assert breaker.state is ApiState.CLOSED
        call(breaker, ApiCall.PLACE, LOST)
        if breaker.state is ApiState.CLOSED:
            call(breaker, ApiCall.LOOK_UP, ANSWERED)
    assert breaker.state is ApiState.OPEN


@pytest.mark.parametrize("kind", ApiCall)
def test_open_lets_nothing_through_but_cancels(kind: ApiCall) -> None:
    """Until the recovery timeout is over, to the nanosecond."""
    breaker = opened()
    assert (breaker.admit(kind, RECOVERY_NS - 1) is not None) == (kind is ApiCall.CANCEL)
    assert breaker.state is ApiState.OPEN


@pytest.mark.parametrize("kind", ApiCall)
def test_only_a_question_is_a_probe(kind: ApiCall) -> None:
    """An order is refused also when the time is over: were its answer lost, nobody would know what became of it."""
    breaker = opened()
    assert (breaker.admit(kind, RECOVERY_NS) is None) == (kind is ApiCall.PLACE)
    assert breaker.state is (ApiState.HALF_OPEN if kind in QUESTIONS else ApiState.OPEN)


@pytest.mark.parametrize("kind", ApiCall)
def test_one_probe_at_a_time(kind: ApiCall) -> None:
    """While it is out nothing else goes, but cancels."""
    breaker, _ = probing()
    assert (breaker.admit(kind, RECOVERY_NS * 9) is not None) == (kind is ApiCall.CANCEL)


def test_answered_probe_closes() -> None:
    """And the count begins at nothing."""
    breaker, probe = probing()
    breaker.ended(probe, ANSWERED, RECOVERY_NS)
    assert breaker.state is ApiState.CLOSED
    for _ in range(THRESHOLD - 1):
        call(breaker, ApiCall.PLACE, LOST)
    assert breaker.state is ApiState.CLOSED


def test_lost_probe_opens_again() -> None:
    """At once, and for the whole recovery timeout from then."""
    breaker, probe = probing()
    breaker.ended(probe, LOST, RECOVERY_NS + 5, "still dead")
    assert (breaker.state, breaker.trips, breaker.retry_ns) == (ApiState.OPEN, 2, 2 * RECOVERY_NS + 5)
    assert "still dead" in breaker.problem
    assert breaker.admit(ApiCall.ASK, 2 * RECOVERY_NS + 4) is None
    assert breaker.admit(ApiCall.ASK, 2 * RECOVERY_NS + 5) is not None


def test_probe_that_tells_nothing_makes_room_for_the_next() -> None:
    """Refused for its rate: whether the broker answers is still to be found out."""
    breaker, probe = probing()
    breaker.ended(probe, UNTOLD, RECOVERY_NS)
    assert breaker.state is ApiState.HALF_OPEN
    assert breaker.admit(ApiCall.LOOK_UP, RECOVERY_NS) is not None


def test_probe_that_never_comes_back_does_not_block_for_ever() -> None:
    """After a minute the next question is the probe; should the first one come back after all, it decides nothing."""
    breaker, first = probing()
    assert breaker.admit(ApiCall.ASK, RECOVERY_NS + PROBE_MAX_NS - 1) is None
    second = breaker.admit(ApiCall.ASK, RECOVERY_NS + PROBE_MAX_NS)
    assert second is not None
    breaker.ended(first, LOST, RECOVERY_NS + PROBE_MAX_NS)
    assert breaker.state is ApiState.HALF_OPEN
    breaker.ended(second, ANSWERED, RECOVERY_NS + PROBE_MAX_NS)
    assert breaker.problem == ""


def test_call_from_before_the_last_move_tells_nothing() -> None:
    """It may have waited for its answer since long before the broker came back, or went away."""
    breaker = ApiBreaker(THRESHOLD, RECOVERY_NS)
    slow = [breaker.admit(ApiCall.PLACE, 0) for _ in range(THRESHOLD + 1)]
    for _ in range(THRESHOLD):
        call(breaker, ApiCall.ASK, LOST)
    for permit in slow[:1]:
        assert permit is not None
        breaker.ended(permit, ANSWERED, 1)
    assert breaker.state is ApiState.OPEN
    call(breaker, ApiCall.ASK, ANSWERED, RECOVERY_NS)
    for permit in slow[1:]:
        assert permit is not None
        breaker.ended(permit, LOST, RECOVERY_NS)
    assert breaker.problem == ""


def test_cancels_decide_nothing_while_it_is_open() -> None:
    """They are tried, whatever comes of it."""
    breaker = opened()
    for outcome in (LOST, ANSWERED, UNTOLD):
        call(breaker, ApiCall.CANCEL, outcome)
        assert (breaker.state, breaker.trips) == (ApiState.OPEN, 1)


class Step(NamedTuple):
    wait_ns: int
    kind: ApiCall | None
    which: int
    outcome: ApiOutcome


steps = st.builds(
    Step,
    wait_ns=st.sampled_from([0, 0, 0, 1, RECOVERY_NS - 1, RECOVERY_NS]),
    kind=st.none() | st.sampled_from(ApiCall),
    which=st.integers(0, 9),
    outcome=st.sampled_from(ApiOutcome),
)


@given(st.lists(steps, max_size=120), st.integers(1, 4))
def test_whatever_is_called_and_comes_back(history: list[Step], threshold: int) -> None:
    """One probe at most, cancels always, orders only while closed, and open only after so many losses in a row."""
    breaker = ApiBreaker(threshold, RECOVERY_NS)
    now_ns, out, probe = 0, list[Permit](), list[Permit]()
    in_a_row = dict.fromkeys(ApiCall, 0)
    for wait_ns, kind, which, outcome in history:
        now_ns += wait_ns
        before = breaker.state
        if kind is not None:
            refuses = breaker.refuses(kind, now_ns)
            permit = breaker.admit(kind, now_ns)
            assert (permit is None) == refuses
            assert permit is not None or (kind is not ApiCall.CANCEL and before is not ApiState.CLOSED)
            assert permit is None or kind is not ApiCall.PLACE or before is ApiState.CLOSED
            if permit is not None:
                out.append(permit)
                probe += [permit] if breaker.state is ApiState.HALF_OPEN and kind in QUESTIONS else []
        elif out:
            permit = out.pop(which % len(out))
            breaker.ended(permit, outcome, now_ns, "lost")
            in_a_row[permit.call] = 0 if outcome is ANSWERED else in_a_row[permit.call] + (outcome is LOST)
            if before is ApiState.CLOSED and breaker.state is ApiState.OPEN:
                assert in_a_row[permit.call] >= threshold
            if before is ApiState.HALF_OPEN and breaker.state is not before:
                assert permit in probe
            probe = [other for other in probe if other is not permit]
        assert len(probe) <= 1
        if breaker.state is ApiState.CLOSED:
            assert breaker.problem == ""
