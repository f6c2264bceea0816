"""Tells every second how this component fares: whether it is ready, what it missed, how long its stages take.

It is a state, not a happening: whoever loses one beat hears the next. What is told of a stage is of the time since the
beat before; a stage that had nothing to do in it is left out.
"""

from collections.abc import Callable, Iterator

from tradingmesh import __version__
from tradingmesh.core.events import ComponentBeat, StageLatency
from tradingmesh.runtime.events import Events
from tradingmesh.telemetry.latency import Latency
from tradingmesh.telemetry.metrics import Metrics

BEAT_S = 1.0
REASONS_MAX = 8


class Beats:
    """The beats of one component."""

    def __init__(self, metrics: Metrics, events: Events, instance: str, not_ready: Callable[[], list[str]]) -> None:
        self._metrics = metrics
        self._events = events
        self._instance = instance
        self._not_ready = not_ready
        self._before: dict[str, list[int]] = {}

    def tell(self) -> None:
        """Tells how it has been since the last time."""
        self._events.emit(
            ComponentBeat,
            instance=self._instance,
            version=__version__,
            not_ready=tuple(self._not_ready()[:REASONS_MAX]),
            gaps=self._metrics.total("messages_missed"),
            stages=tuple(self._stages()),
        )

    def _stages(self) -> Iterator[StageLatency]:
        for stage, latency in self._metrics.latencies().items():
            since = _since(latency, self._before.get(stage, []))
            if since.count:
                self._before[stage] = list(latency.buckets)
                p50_us, p99_us = since.quantile_us(0.5), since.quantile_us(0.99)
                yield StageLatency(stage, round(p50_us, 1), round(p99_us, 1), since.count)


def _since(latency: Latency, before: list[int]) -> Latency:
    """What was measured since the buckets were like that."""
    since = Latency()
    if latency.count != sum(before):
        since.buckets = [now - then for now, then in zip(latency.buckets, before or since.buckets, strict=True)]
        since.count = latency.count - sum(before)
    return since
