"""Since when fills are asked for: what the stream told is not read again, what may be missing always is."""

from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.orders.heard import MARGIN_NS, HeardFills

S = 1_000_000_000


def heard(*at_s: int) -> HeardFills:
    """Fills that the stream told while all agreed."""
    fills = HeardFills(0, doubt=False)
    for one_s in at_s:
        fills.book(one_s * S)
        fills.look(agrees=True, doubt=False)
    return fills


def test_what_was_heard_is_not_asked_for_again() -> None:
    """Ten thousand fills in the minute since the last agreement are no reason to read a hundred pages."""
    assert heard(*range(1_000, 1_060)).since_ns(1_000 * S, ()) == 1_059 * S - MARGIN_NS


def test_a_quiet_account_is_asked_since_the_last_agreement() -> None:
    """It may be long since the newest fill."""
    assert heard(10).since_ns(5_000 * S, ()) == 5_000 * S - MARGIN_NS


def test_an_earlier_life_goes_on_where_it_ended() -> None:
    """What the stream tells before the first answer does not hide what was missed meanwhile."""
    fills = HeardFills(1_000 * S, doubt=False)
    fills.book(1_030 * S)
    assert not fills.look(agrees=False, doubt=True)
    assert fills.since_ns(960 * S, [10 * S]) == 1_000 * S - MARGIN_NS


def test_doubt_that_no_lost_stream_explains_goes_back_to_the_order() -> None:
    """A fill that a stream left out may be older than any that was heard since; and once all is well again, it ends."""
    fills = heard(1_000)
    assert not fills.look(agrees=True, doubt=True)
    assert fills.since_ns(960 * S, [500 * S, 900 * S]) == 500 * S - MARGIN_NS
    fills.answered(doubt=False)
    assert fills.since_ns(960 * S, [500 * S]) == 1_000 * S - MARGIN_NS


def test_an_answer_that_leaves_doubt_is_not_enough() -> None:
    """The next question is a wider one, and so is the first one of a life that begins with an order in doubt."""
    fills = heard(1_000)
    fills.answered(doubt=True)
    assert fills.since_ns(0, [500 * S]) == 500 * S - MARGIN_NS
    assert HeardFills(1_000 * S, doubt=True).since_ns(0, [500 * S]) == 500 * S - MARGIN_NS


def test_only_news_is_kept() -> None:
    """So that an idle engine writes nothing."""
    fills = heard(1_000)
    assert not fills.look(agrees=True, doubt=False)
    fills.book(999 * S)
    assert not fills.look(agrees=True, doubt=False)
    fills.book(1_001 * S)
    assert fills.look(agrees=True, doubt=False)
    assert fills.whole_ns == 1_001 * S


@given(st.lists(st.tuples(st.integers(1, 200), st.sampled_from(["told", "missed", "lost", "back"])), max_size=60))
def test_what_a_lost_stream_did_not_tell_is_asked_for(story: list[tuple[int, str]]) -> None:
    """Whatever is told and missed, in whatever order of streams lost and back: the oldest missed fill is in the answer.

    Fills are missed only while the stream is lost or before the broker was asked since, as one stream tells in order;
    that they are is not known before.
    """
    fills, now_ns, agreed_ns, agrees = HeardFills(0, doubt=False), 0, 0, True
    missed: list[int] = []
    for after_s, what in story:
        now_ns += after_s * S
        if what == "lost":
            agrees = False
        elif what == "missed" and not agrees:
            missed.append(now_ns)
        elif what == "told":
            fills.book(now_ns)
        elif what == "back" and not agrees:
            assert all(one >= fills.since_ns(agreed_ns, [0]) for one in missed)
            missed, agrees, agreed_ns = [], True, now_ns
            fills.answered(doubt=False)
        fills.look(agrees=agrees, doubt=False)
