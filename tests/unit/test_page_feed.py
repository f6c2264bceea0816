"""The event feed of the live page: sentences, newest first, those alike in one row."""

from typing import get_args

import pytest

from tests.unit.page_told import beat, closed, filled, ledger, lost, placed, refused, rejected, slow, started, trouble
from tradingmesh.core.checks import Check
from tradingmesh.core.events import (
    ComponentBeat,
    LedgerTold,
    MarketData,
    PositionUpdated,
    SystemEvent,
)
from tradingmesh.core.page.feed import _SENTENCES, ALIKE_WITHIN, Feed, with_event
from tradingmesh.core.page.rows import FEED_MAX, TEXT_MAX, FeedRow


def after(*events: SystemEvent) -> Feed:
    feed: Feed = ()
    for event in events:
        feed = with_event(feed, event)
    return feed


@pytest.mark.parametrize(
    ("event", "level", "words"),
    [
        (placed("a"), "info", "buy 300 IBM placed"),
        (filled("a", "100"), "good", "buy 100 IBM filled at 190.25"),
        (rejected("a"), "warning", "IBM: order rejected: not tradable"),
        (refused("BAC", "twice"), "warning", "momentum: buy 1 BAC refused, duplicate: twice"),
        (refused("BAC", "duplicate: of s"), "warning", "momentum: buy 1 BAC refused, duplicate: of s"),
        (lost("control", 1, ""), "warning", "risk-manager: 1 link of control lost"),
        (lost("positions", 2, "10.0.0.7"), "warning", "risk-manager: 2 links of positions lost, to 10.0.0.7"),
        (closed("KO", "-12.50"), "info", "KO: position closed, -12.5 realised since the start"),
        (started("risk-manager"), "info", "risk-manager started, version 0.1.0"),
        (trouble("disk full"), "bad", "risk-manager: disk full"),
        (slow(3), "warning", "feature-engine: market-data 5 ms late, 3 missed"),
    ],
)
def test_an_event_is_a_sentence(event: SystemEvent, level: str, words: str) -> None:
    """With how grave it is, who told it, and its trace."""
    [row] = after(event)
    assert (row.level, row.text) == (level, words)
    assert (row.component, row.trace_id) == (event.metadata.component, event.metadata.trace_id)


def test_what_comes_all_the_time_is_no_news() -> None:
    """Beats, the ledger, market data and each move of a position are shown elsewhere; all else has a sentence."""
    assert after(beat("risk-manager"), ledger("1")) == ()
    assert set(get_args(SystemEvent)) - set(_SENTENCES) == {ComponentBeat, LedgerTold, MarketData, PositionUpdated}


def test_those_alike_share_a_row() -> None:
    """A strategy that is refused again and again is one row: how often, and the newest words, at the top."""
    feed = after(refused("IBM", "1 of 2"), placed("a"), refused("IBM", "2 of 2"))
    assert [(row.kind, row.times) for row in feed] == [("SignalRejected", 2), ("OrderPlaced", 1)]
    assert feed[0].text.endswith("2 of 2")


def test_others_do_not() -> None:
    """Another symbol, another check, another order of the same words."""
    events: list[SystemEvent] = [
        refused("IBM", "x"),
        refused("BAC", "x"),
        refused("IBM", "x", Check.ORDER_RATE),
        placed("a"),
        placed("b"),
    ]
    assert [row.times for row in after(*events)] == [1] * len(events)


def test_one_alike_is_looked_for_among_the_newest() -> None:
    """Further down it stays where it was."""
    between = [trouble(str(number)) for number in range(ALIKE_WITHIN)]
    assert after(refused("IBM", "x"), *between[1:], refused("IBM", "x"))[0].times == 2
    feed = after(refused("IBM", "x"), *between, refused("IBM", "x"))
    assert (feed[0].times, feed[-1].times) == (1, 1)


def test_the_newest_stay() -> None:
    """So many rows."""
    feed = after(*(trouble(str(number)) for number in range(FEED_MAX + 7)))
    assert len(feed) == FEED_MAX
    assert feed[0].text == f"risk-manager: {FEED_MAX + 6}"


def test_a_sentence_is_a_line() -> None:
    """What is longer is cut."""
    row: FeedRow = after(trouble("x" * 5_000))[0]
    assert len(row.text) == TEXT_MAX
    assert row.text.endswith("x…")
