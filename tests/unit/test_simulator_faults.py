"""Which fault meets what: rates, seeds, windows, counts, and what a message or request comes to."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.alpaca_simulator.faults import Fate, Faults, RequestFate
from tradingmesh.contract import FaultPlace, FaultsSpec
from tradingmesh.telemetry.metrics import Metrics

UPDATES, MARKET = FaultPlace.TRADE_UPDATES, FaultPlace.MARKET_DATA
ORDERS = "POST /v2/orders"


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def faults(
    *inject: dict[str, Any], seed: int = 7, clock: Clock | None = None, metrics: Metrics | None = None
) -> Faults:
    made = Faults(metrics or Metrics(), clock or Clock())
    made.inject(FaultsSpec.model_validate({"seed": seed, "inject": inject}))
    return made


def on(where: FaultPlace, what: str, **more: Any) -> dict[str, Any]:
    return {"where": where, "what": what, **more}


def rest(what: str, **more: Any) -> dict[str, Any]:
    return on(FaultPlace.REST, what, **more)


def fates(of: Faults, count: int, where: FaultPlace = UPDATES) -> list[Fate]:
    return [of.fate(where) for _ in range(count)]


def test_without_faults_everything_passes() -> None:
    """Nothing is drawn, held, refused or counted."""
    none = faults()
    assert fates(none, 3) == [Fate()] * 3
    assert none.request_fate("POST", "/v2/orders") == RequestFate()
    assert not any((none.cuts(UPDATES), none.mutes(UPDATES), none.swallows_ping(UPDATES), none.any_on(UPDATES)))
    assert none.error(405, 406, 407, 409, 500) is None
    assert none.struck == []


def test_each_kind_comes_to_its_fate() -> None:
    """Drop sends nothing, duplicate twice; a delayed message keeps its place, a reordered one does not."""
    held = {"min": "200ms", "max": "200ms"}
    assert faults(on(UPDATES, "drop")).fate(UPDATES) == Fate(copies=0)
    assert faults(on(UPDATES, "duplicate")).fate(UPDATES) == Fate(copies=2)
    assert faults(on(UPDATES, "delay", **held)).fate(UPDATES) == Fate(hold_s=0.2)
    assert faults(on(UPDATES, "reorder", **held)).fate(UPDATES) == Fate(hold_s=0.2, overtaken=True)
    assert faults(on(UPDATES, "drop")).fate(MARKET) == Fate()


def test_together_they_add_up_and_a_dropped_message_meets_nothing_else() -> None:
    """Copies and times add up; what is dropped counts as dropped alone."""
    both = faults(on(UPDATES, "duplicate"), on(UPDATES, "delay", max="1s", min="1s"), on(UPDATES, "duplicate"))
    assert both.fate(UPDATES) == Fate(3, 1.0)
    dropped = faults(on(UPDATES, "duplicate"), on(UPDATES, "drop"))
    assert dropped.fate(UPDATES) == Fate(copies=0)
    assert dropped.struck == [0, 1]


def test_the_rate_is_kept() -> None:
    """Five in a hundred are five in a hundred, give or take; the count is what was done."""
    some = faults(on(UPDATES, "drop", rate="0.05"))
    dropped = Counter(fate.copies for fate in fates(some, 10_000))[0]
    assert 400 < dropped < 600
    assert some.struck == [dropped]


@given(seed=st.integers(0, 2**31 - 1), rate=st.sampled_from(["0.01", "0.3", "0.9"]))
def test_the_same_seed_draws_the_same(seed: int, rate: str) -> None:
    """A run can be repeated."""
    spec = [on(UPDATES, "drop", rate=rate), on(UPDATES, "reorder", rate=rate, max="1s")]
    assert fates(faults(*spec, seed=seed), 50) == fates(faults(*spec, seed=seed), 50)


def test_one_faults_draws_do_not_shift_anothers() -> None:
    """The same messages are dropped, whatever else happens to them; another seed drops others."""

    def dropped(*others: dict[str, Any], seed: int = 7) -> list[bool]:
        of = faults(on(UPDATES, "drop", rate="0.2"), *others, seed=seed)
        return [fate.copies == 0 for fate in fates(of, 300)]

    held = {"rate": "0.5", "max": "1s"}
    assert dropped() == dropped(on(UPDATES, "reorder", **held), on(UPDATES, "delay", **held), rest("reset"))
    assert dropped() != dropped(seed=8)


def test_faults_strike_apart_from_each_other() -> None:
    """What is doubled is not the same that is held back, and of two equal faults each has its own messages."""
    half = {"rate": "0.5"}
    mixed = fates(faults(on(UPDATES, "duplicate", **half), on(UPDATES, "delay", max="1s", **half)), 200)
    assert len({(fate.copies, fate.hold_s > 0) for fate in mixed}) == 4
    twice = fates(faults(on(UPDATES, "duplicate", **half), on(UPDATES, "duplicate", **half)), 200)
    assert {fate.copies for fate in twice} == {1, 2, 3}


def test_a_fault_has_its_time_and_its_number() -> None:
    """It begins `after` it was put in force, ends after `for`, and strikes no more than `times`."""
    clock = Clock()
    window = faults(on(UPDATES, "drop", after="2s", **{"for": "3s"}), clock=clock)
    seen = []
    for now_s in (1_001.9, 1_002.0, 1_004.9, 1_005.0):
        clock.now_s = now_s
        seen.append(window.fate(UPDATES).copies)
    assert seen == [1, 0, 0, 1]
    assert [fate.copies for fate in fates(faults(on(UPDATES, "drop", times=2)), 4)] == [0, 0, 1, 1]


def test_injecting_again_starts_anew() -> None:
    """Time, number and chance are those of the new faults."""
    clock = Clock()
    one = on(UPDATES, "drop", rate="0.5", **{"for": "1s"})
    made = faults(one, clock=clock)
    first = fates(made, 20)
    clock.now_s += 5
    assert fates(made, 1) == [Fate()]
    made.inject(FaultsSpec.model_validate({"inject": [one]}))
    assert fates(made, 20) == first


@pytest.mark.parametrize(
    ("requests", "method", "path", "met"),
    [
        (ORDERS, "POST", "/v2/orders", True),
        (ORDERS, "GET", "/v2/orders", False),
        ("* /v2/orders*", "DELETE", "/v2/orders/5", True),
        ("GET /v2/orders*", "GET", "/v2/orders:by_client_order_id", True),
        ("* *", "GET", "/v2/account", True),
        ("* /v2/account", "GET", "/v2/account/activities", False),
    ],
)
def test_requests_are_chosen_by_method_and_path(requests: str, method: str, path: str, met: bool) -> None:  # noqa: FBT001 - a column of the table
    """A star stands for anything."""
    end = faults(rest("reset", requests=requests)).request_fate(method, path).end
    assert (end is not None) is met


def test_a_request_is_delayed_before_or_after_and_ended_once() -> None:
    """An end before the broker acts wins over one behind it, and spares it the delay behind."""
    before, after = rest("delay", min="1s", max="1s"), rest("delay", min="2s", max="2s", acted=True)
    lost, refused = rest("error", code=504, acted=True), rest("error", code=429)
    assert faults(before, after).request_fate("GET", "/") == RequestFate(1.0, 2.0)
    slow = faults(before, after, lost)
    fate = slow.request_fate("GET", "/")
    assert (fate.before_s, fate.after_s, fate.end and fate.end.code) == (1.0, 2.0, 504)
    assert slow.struck == [1, 1, 1]
    ended = faults(before, after, lost, refused)
    fate = ended.request_fate("GET", "/")
    assert (fate.before_s, fate.after_s, fate.end and fate.end.code) == (1.0, 0.0, 429)
    assert ended.struck == [1, 0, 0, 1]


def test_errors_of_the_stream_come_at_their_moment() -> None:
    """A login is not answered with the error of a subscription."""
    one = faults(on(MARKET, "error", code=406, times=1))
    assert one.error(405, 409) is None
    assert one.error(406) == 406
    assert one.error(406) is None


def test_cut_and_mute_are_told_and_counted() -> None:
    """A mute may answer pings, or seem dead."""
    talks = faults(on(UPDATES, "mute"), on(MARKET, "cut"))
    assert (talks.mutes(UPDATES), talks.swallows_ping(UPDATES), talks.cuts(UPDATES)) == (True, False, False)
    assert (talks.mutes(MARKET), talks.cuts(MARKET)) == (False, True)
    assert faults(on(UPDATES, "mute", answersPings=False)).swallows_ping(UPDATES)
    assert talks.struck == [1, 1]


def test_what_struck_is_a_metric() -> None:
    """By where and what, over all that was ever in force."""
    metrics = Metrics()
    for _ in range(2):
        fates(faults(on(UPDATES, "drop", times=3), metrics=metrics), 5)
    assert metrics.snapshot()["counters"]["faults_injected"] == {"what=drop,where=trade-updates": 6}
