"""The pace of calls to the broker: what is kept for orders and cancels, and what a refusal for the rate holds back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.orders.api_breaker import ApiCall
from tradingmesh.core.orders.api_pace import KEPT_PERCENT, WAIT_MAX_NS, ApiPace, Quota

S = 1_000_000_000
WINDOW = 1_700_000_040


def quota(left: int, window: int = WINDOW, resets_in_s: int = 30) -> Quota:
    return Quota(200, left, window, resets_in_s * S)


def waits(pace: ApiPace, now_ns: int = 0) -> set[ApiCall]:
    return {call for call in ApiCall if pace.due_ns(call, now_ns) > now_ns}


def test_nothing_waits_before_anything_is_known() -> None:
    """A broker that tells no quota is asked at once, always."""
    pace = ApiPace()
    for _ in range(1_000):
        pace.sent()
    assert waits(pace) == set()
    assert pace.left(0) is None


@pytest.mark.parametrize(
    ("left", "waiting"),
    [
        (51, set()),
        (50, {ApiCall.ASK}),
        (11, {ApiCall.ASK}),
        (10, {ApiCall.ASK, ApiCall.PLACE, ApiCall.LOOK_UP}),
        (1, {ApiCall.ASK, ApiCall.PLACE, ApiCall.LOOK_UP}),
        (0, set(ApiCall)),
    ],
)
def test_what_is_left_goes_to_cancels_then_orders_then_questions(left: int, waiting: set[ApiCall]) -> None:
    """Of 200 a reconciliation leaves 50, an order 10; what waits, waits for the end of the window."""
    pace = ApiPace()
    pace.heard(quota(left), 0)
    assert waits(pace) == waiting
    assert {pace.due_ns(call, 0) for call in waiting} <= {30 * S}
    assert waits(pace, 30 * S) == set()


def test_calls_under_way_count_before_their_answer() -> None:
    """Four threads that start at once are four less, though no answer has said so."""
    pace = ApiPace()
    pace.heard(quota(54), 0)
    for _ in range(4):
        assert waits(pace) == set()
        pace.sent()
    assert waits(pace) == {ApiCall.ASK}


def test_answers_may_overtake_one_another() -> None:
    """In a window the least that was told holds, and the answer of a window that is over tells nothing."""
    pace = ApiPace()
    pace.heard(quota(40), 0)
    pace.heard(quota(90), 1)
    assert pace.left(1) == 40
    pace.heard(quota(199, WINDOW + 60, 60), 2)
    pace.heard(quota(0), 3)
    assert pace.left(3) == 199


@pytest.mark.parametrize("call", ApiCall)
def test_one_refusal_for_the_rate_holds_every_call_back(call: ApiCall) -> None:
    """Until the time that the broker named, whoever was refused; a shorter wait told later does not shorten it."""
    pace = ApiPace()
    pace.limited(5 * S, 0)
    pace.limited(1 * S, 0)
    assert pace.due_ns(call, 0) == 5 * S


@pytest.mark.parametrize("wait_s", [-5, 10**9])
def test_no_wait_is_longer_than_a_window(wait_s: int) -> None:
    """A time in the past is none, and one in the far future a mistake of somebody's clock."""
    pace = ApiPace()
    pace.limited(wait_s * S, 0)
    pace.heard(quota(0, WINDOW, wait_s), 0)
    assert max(pace.due_ns(call, 0) for call in ApiCall) == (WAIT_MAX_NS if wait_s > 0 else 0)


@given(st.lists(st.sampled_from(ApiCall), max_size=400), st.integers(1, 300))
def test_whoever_keeps_to_the_pace_is_never_refused(wanted: list[ApiCall], limit: int) -> None:
    """A broker that counts to its limit, asked by one account: no 429, and questions leave what is kept for others."""
    pace, now_ns, used, window = ApiPace(), 0, 0, 0
    for call in wanted:
        now_ns = max(now_ns, pace.due_ns(call, now_ns))
        if now_ns // (60 * S) != window:
            window, used = now_ns // (60 * S), 0
        pace.sent()
        used += 1
        assert used <= max(1, limit - limit * KEPT_PERCENT[call] // 100)
        now_ns += S // 10
        pace.heard(Quota(limit, limit - used, window, (window + 1) * 60 * S - now_ns), now_ns)
