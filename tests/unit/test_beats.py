"""A component's beat: how it is now, and what its stages took since the beat before."""

from tradingmesh import __version__
from tradingmesh.core.bus import EventBus
from tradingmesh.core.events import ComponentBeat
from tradingmesh.runtime.beat import REASONS_MAX, Beats
from tradingmesh.runtime.events import Events
from tradingmesh.telemetry.metrics import Metrics


class Clock:
    def now_ns(self) -> int:
        return 42

    def monotonic_ns(self) -> int:
        return 42


class Beating:
    """The beats of a risk manager whose figures the test makes."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.problems: list[str] = []
        bus = EventBus()
        self._heard = bus.subscribe(ComponentBeat)
        events = Events(bus, "risk-manager", "risk-manager-0", 7, Clock(), self.metrics)
        self._beats = Beats(self.metrics, events, "risk-manager-0", lambda: self.problems)

    def beat(self) -> ComponentBeat:
        self._beats.tell()
        [told] = self._heard.drain()
        assert isinstance(told, ComponentBeat)
        return told


def test_a_beat_says_who_and_how_it_is() -> None:
    """Instance, version, why it is not ready, what it missed over all channels."""
    beating = Beating()
    beating.problems = ["journal: disk full"]
    beating.metrics.counter("messages_missed", channel="market-data").inc(3)
    beating.metrics.counter("messages_missed", channel="features").inc(4)
    told = beating.beat()
    assert (told.instance, told.version, told.not_ready, told.gaps) == (
        "risk-manager-0",
        __version__,
        ("journal: disk full",),
        7,
    )
    assert told.metadata.component == "risk-manager"


def test_a_stage_is_told_of_since_the_beat_before() -> None:
    """Not since the start: a slow minute of this morning is no news, and a slow second shows at once."""
    beating = Beating()
    latency = beating.metrics.latency("risk-check")
    for _ in range(1_000):
        latency.observe_ns(30_000)
    [first] = beating.beat().stages
    assert (first.stage, first.count) == ("risk-check", 1_000)
    assert 26 < first.p50_us < 34
    for _ in range(10):
        latency.observe_ns(5_000_000)
    [second] = beating.beat().stages
    assert second.count == 10
    assert 4_300 < second.p50_us <= second.p99_us < 5_700


def test_a_stage_with_nothing_to_do_is_left_out() -> None:
    """Before its first measurement, and in a second without one."""
    beating = Beating()
    latency = beating.metrics.latency("risk-check")
    assert beating.beat().stages == ()
    latency.observe_ns(1_000)
    assert len(beating.beat().stages) == 1
    assert beating.beat().stages == ()


def test_reasons_are_bounded() -> None:
    """However much is wrong."""
    beating = Beating()
    beating.problems = [str(number) for number in range(100)]
    assert beating.beat().not_ready == tuple(beating.problems[:REASONS_MAX])
