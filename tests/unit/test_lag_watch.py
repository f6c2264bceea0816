"""A subscriber that is behind or missed something: told at once, and not again and again."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog

from tradingmesh.contract import Channel
from tradingmesh.core.bus import EventBus
from tradingmesh.core.events import SubscriberSlow
from tradingmesh.runtime.events import Events
from tradingmesh.runtime.lag import LOOK_EVERY_S, TELL_EVERY_NS, watch
from tradingmesh.telemetry.metrics import Counter, Metrics

MS = 1_000_000
SECOND_NS = 1_000 * MS


class Watched:
    """A watched subscriber whose figures the test sets, and a clock that it turns."""

    def __init__(self) -> None:
        self.now_ns = 100 * SECOND_NS
        clock = SimpleNamespace(now_ns=lambda: self.now_ns, monotonic_ns=lambda: self.now_ns)
        self.metrics = Metrics()
        self.timers: dict[float, Any] = {}
        events = Events(EventBus(), "c", "c-1", 1, clock, self.metrics)
        self._heard = events.bus.subscribe(SubscriberSlow)
        figures = {"channel": Channel.MARKET_DATA, "lag_ns": 0, "lag_peak_ns": 0, "gaps": Counter()}
        newest_ns = {"IBM": 97 * SECOND_NS, "BAC": 0}.__getitem__
        self.subscriber = cast("Any", SimpleNamespace(**figures, newest_ns=newest_ns))
        context: Any = SimpleNamespace(
            metrics=self.metrics,
            events=events,
            clock=clock,
            log=structlog.get_logger(),
            settings=SimpleNamespace(instance="c-1"),
            loop=SimpleNamespace(every=self.timers.__setitem__),
        )
        watch(context, self.subscriber, ["IBM", "BAC"])

    def look(self, lag_ms: int = 0, missed: int = 0) -> list[tuple[int, int]]:
        """What is told after this happened since the last look: lag in ms, and how many were missed."""
        self.now_ns += int(LOOK_EVERY_S * SECOND_NS)
        self.subscriber.lag_ns = self.subscriber.lag_peak_ns = lag_ms * MS
        self.subscriber.gaps.inc(missed)
        self.timers[LOOK_EVERY_S]()
        told = [event for event in self._heard.drain() if isinstance(event, SubscriberSlow)]
        assert all(event.instance == "c-1" and event.channel == "market-data" for event in told)
        return [(event.lag_ms, event.missed) for event in told]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_who_keeps_up_is_not_told_of(watched: Watched) -> None:
    """Below a second, and nothing missed."""
    assert [watched.look(lag_ms) for lag_ms in (0, 999, 3)] == [[], [], []]


def test_a_lag_and_a_gap_are_told_at_once(watched: Watched) -> None:
    """Each with its figures, those since it was told last."""
    assert watched.look(1_000) == [(1_000, 0)]
    watched.now_ns += TELL_EVERY_NS
    assert watched.look(2, missed=3) == [(2, 3)]
    assert watched.metrics.counter("slow_alarms", channel="market-data").value == 2


def test_what_goes_on_is_told_now_and_then(watched: Watched) -> None:
    """Not at every look; what was not told is in the next one: the worst lag, and all that was missed."""
    again = TELL_EVERY_NS // int(LOOK_EVERY_S * SECOND_NS)
    told = [watched.look(5_000 + number, missed=1) for number in range(again + 1)]
    assert told[0] == [(5_000, 1)]
    assert told[again] == [(5_000 + again, again)]
    assert not any(told[1:again])


def test_a_peak_that_is_over_is_told_late_rather_than_never(watched: Watched) -> None:
    """It came while nothing was to be told."""
    watched.look(1_500)
    assert watched.look(4_000) == []
    watched.now_ns += TELL_EVERY_NS
    assert watched.look() == [(4_000, 0)]
    watched.now_ns += TELL_EVERY_NS
    assert watched.look() == []


def test_ages_are_on_the_metrics(watched: Watched) -> None:
    """Of each symbol since its newest message, or since the start where there was none; and the lag in seconds."""
    watched.look(lag_ms=250)
    gauges = watched.metrics.snapshot()["gauges"]
    assert gauges["lag_seconds"] == {"channel=market-data": 0.25}
    assert gauges["tick_age_seconds"] == {
        "channel=market-data,symbol=IBM": 3 + LOOK_EVERY_S,
        "channel=market-data,symbol=BAC": LOOK_EVERY_S,
    }
