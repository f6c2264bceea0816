"""When the broker is asked, and when orders are held back."""

import pytest

from tradingmesh.core.orders.api_breaker import ApiState
from tradingmesh.core.orders.effects import ApiMoved
from tradingmesh.core.orders.sync import (
    DOUBT_PERIOD_NS,
    KEYS_REFUSED_NS,
    PERIOD_NS,
    RETRY_MAX_NS,
    STREAMLESS_PERIOD_NS,
    BrokerSync,
)


def synced() -> BrokerSync:
    sync = BrokerSync()
    sync.on_stream("", 0)
    assert sync.begin(0)
    sync.answered(0, 0, 0)
    assert sync.problem == ""
    return sync


def test_orders_wait_for_stream_and_reconciliation() -> None:
    """Both are needed, in this order."""
    sync = BrokerSync()
    assert sync.problem == "the broker's order stream: not connected yet"
    assert sync.begin(0)
    sync.answered(0, 0, 0)
    assert "not connected yet" in sync.problem
    assert sync.on_stream("", 1)
    assert sync.begin(1)
    assert not sync.begin(1)
    sync.answered(0, 0, 2)
    assert sync.problem == ""


def test_answer_from_before_the_reconnect_does_not_count() -> None:
    """It may have been given before the stream listened again: the broker is asked once more, at once."""
    sync = synced()
    sync.on_stream("lost", 10)
    assert sync.begin(STREAMLESS_PERIOD_NS * 20)
    sync.on_stream("", STREAMLESS_PERIOD_NS * 20 + 1)
    sync.answered(0, 0, STREAMLESS_PERIOD_NS * 20 + 2)
    assert sync.problem == "not reconciled with the broker since the stream was lost"
    assert sync.begin(STREAMLESS_PERIOD_NS * 20 + 2)
    sync.answered(0, 0, STREAMLESS_PERIOD_NS * 20 + 3)
    assert sync.problem == ""


def test_answer_while_the_stream_was_down_does_not_count_once_it_listens() -> None:
    """What was filled between that answer and the stream's return was heard by nobody: no order before it is asked."""
    sync = synced()
    sync.on_stream("lost", 10)
    assert sync.begin(STREAMLESS_PERIOD_NS * 20)
    sync.answered(0, 0, STREAMLESS_PERIOD_NS * 20)
    sync.on_stream("", STREAMLESS_PERIOD_NS * 20 + 1)
    assert sync.problem == "not reconciled with the broker since the stream listens"
    assert sync.begin(STREAMLESS_PERIOD_NS * 20 + 1)
    sync.answered(0, 0, STREAMLESS_PERIOD_NS * 20 + 2)
    assert sync.problem == ""


def test_state_of_the_stream_is_news_once() -> None:
    """The same problem again is none."""
    sync = BrokerSync()
    assert sync.on_stream("refused", 0)
    assert not sync.on_stream("refused", 1)
    assert sync.on_stream("", 2)


def test_asked_again_every_minute_and_soon_where_in_doubt() -> None:
    """Periodically; a second after something did not fit; and never earlier."""
    sync = synced()
    assert not sync.begin(PERIOD_NS - 1)
    sync.suspect(5)
    assert not sync.begin(DOUBT_PERIOD_NS + 4)
    assert sync.begin(DOUBT_PERIOD_NS + 5)
    sync.answered(2, 0, 10 * DOUBT_PERIOD_NS)
    assert sync.problem == "2 orders are not as the broker has them"
    assert not sync.begin(11 * DOUBT_PERIOD_NS - 1)
    assert sync.begin(11 * DOUBT_PERIOD_NS)
    sync.answered(0, 0, 11 * DOUBT_PERIOD_NS)
    assert sync.problem == ""
    assert sync.begin(11 * DOUBT_PERIOD_NS + PERIOD_NS)


def test_doubt_that_stays_is_asked_about_less_and_less() -> None:
    """A contradiction that asking does not resolve must not use up the broker's rate limit."""
    sync = synced()
    sync.suspect(0)
    now_ns, waits = DOUBT_PERIOD_NS, []
    for _ in range(7):
        assert sync.begin(now_ns)
        sync.answered(1, 0, now_ns)
        asked_ns = now_ns
        while not sync.begin(now_ns):
            sync.suspect(now_ns)
            now_ns += DOUBT_PERIOD_NS // 2
        sync.answered(1, 0, now_ns)
        waits.append((now_ns - asked_ns) // DOUBT_PERIOD_NS)
        now_ns += RETRY_MAX_NS
    assert waits == [1, 4, 16, 30, 30, 30, 30]


def test_unconfirmed_order_holds_nothing_back() -> None:
    """Whether the broker has it is asked again, soon; what it may do is reserved for it."""
    sync = synced()
    assert sync.begin(PERIOD_NS)
    sync.answered(0, 1, PERIOD_NS)
    assert sync.problem == ""
    assert sync.begin(PERIOD_NS + DOUBT_PERIOD_NS)


def test_without_the_stream_it_asks_more_often() -> None:
    """Fills are then heard of by asking only."""
    sync = synced()
    sync.on_stream("lost", 0)
    assert not sync.begin(STREAMLESS_PERIOD_NS - 1)
    assert sync.begin(STREAMLESS_PERIOD_NS)
    sync.answered(0, 0, STREAMLESS_PERIOD_NS)
    assert sync.begin(2 * STREAMLESS_PERIOD_NS)


@pytest.mark.parametrize("keys_refused", [False, True])
def test_failures_back_off(keys_refused: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """One second, two, four, at most thirty; refused keys are not tried before a minute."""
    sync = BrokerSync()
    sync.on_stream("", 0)
    now_ns, waits = 0, []
    for _ in range(8):
        assert sync.begin(now_ns)
        sync.failed("no answer", now_ns, keys_refused=keys_refused)
        assert sync.problem == "no answer"
        before_ns = now_ns
        while not sync.begin(now_ns):
            now_ns += DOUBT_PERIOD_NS
        sync.failed("no answer", now_ns, keys_refused=keys_refused)
        waits.append(now_ns - before_ns)
        now_ns += RETRY_MAX_NS + KEYS_REFUSED_NS
    expected = [KEYS_REFUSED_NS] * 8 if keys_refused else [DOUBT_PERIOD_NS, 4 * DOUBT_PERIOD_NS, 16 * DOUBT_PERIOD_NS]
    assert waits[: len(expected)] == expected
    assert max(waits) <= (KEYS_REFUSED_NS if keys_refused else RETRY_MAX_NS)


def test_failure_while_in_sync_keeps_trading() -> None:
    """One periodic question without an answer puts nothing in doubt."""
    sync = synced()
    assert sync.begin(PERIOD_NS)
    sync.failed("no answer", PERIOD_NS, keys_refused=False)
    assert sync.problem == ""


OPEN = ApiMoved(ApiState.OPEN, "the breaker is open", 40 * PERIOD_NS)
HALF_OPEN = ApiMoved(ApiState.HALF_OPEN, "the breaker is half-open", 40 * PERIOD_NS)
CLOSED = ApiMoved(ApiState.CLOSED, "", 40 * PERIOD_NS)


def test_broken_api_holds_orders_back() -> None:
    """From the moment that the breaker opens until it is closed again; what moves in between is no news."""
    sync = synced()
    assert [sync.on_api(moved) for moved in (OPEN, HALF_OPEN, OPEN, HALF_OPEN)] == [True, False, False, False]
    assert sync.problem == "the breaker is half-open"
    assert sync.on_api(CLOSED)
    assert sync.problem == ""


def test_reconciliation_is_the_probe() -> None:
    """While the breaker is open the broker is not asked, however due; then at the first moment that it may be."""
    sync = synced()
    sync.on_api(OPEN)
    sync.suspect(1)
    assert not sync.begin(OPEN.retry_ns - 1)
    assert sync.begin(OPEN.retry_ns)


def test_lost_probe_is_asked_again_when_it_may_be() -> None:
    """The breaker says when, not the failures that were counted here."""
    sync = synced()
    for number in range(1, 6):
        at_ns = number * PERIOD_NS
        sync.on_api(ApiMoved(ApiState.OPEN, "open", at_ns))
        assert sync.begin(at_ns)
        sync.on_api(HALF_OPEN)
        sync.on_api(ApiMoved(ApiState.OPEN, "open", at_ns + 7))
        sync.failed("no answer", at_ns, keys_refused=False)
        assert not sync.begin(at_ns + 6)
        assert sync.begin(at_ns + 7)
        sync.failed("no answer", at_ns + 7, keys_refused=False)


def test_somebody_elses_probe_is_waited_for() -> None:
    """A reconciliation refused because a look-up is the probe comes again after a while, not in every turn."""
    sync = synced()
    sync.on_api(HALF_OPEN)
    assert sync.begin(1)
    sync.failed("refused", 1, keys_refused=False)
    assert not sync.begin(DOUBT_PERIOD_NS)
    assert sync.begin(DOUBT_PERIOD_NS + 1)
