"""Whether a process keeps up with what it subscribes to: shown as figures, told when it does not.

A publisher sees nothing of a slow subscriber (where it need not wait for it, libzmq drops what finds no room), so each
subscriber watches itself. Looking is a timer's work: a message costs two readings of the clock a drain.
"""

from collections.abc import Callable, Iterable

from tradingmesh.adapters.zmq_market_data import LATE_AFTER_NS, TopicSubscriber
from tradingmesh.contract import Channel
from tradingmesh.core.events import SubscriberSlow
from tradingmesh.runtime.component import Context

LOOK_EVERY_S = 0.5
TELL_EVERY_NS = 5_000_000_000
_NS_PER_MS = 1_000_000


class _LagWatch:
    """Tells at once that a subscriber fell behind or missed something, and while that goes on every `TELL_EVERY_NS`."""

    def __init__(self, context: Context, subscriber: TopicSubscriber) -> None:
        self._context = context
        self._subscriber = subscriber
        self._told = context.metrics.counter("slow_alarms", channel=subscriber.channel)
        self._missed_told = 0
        self._peak_ns = 0
        self._quiet_until_ns = 0

    def look(self) -> None:
        """Compares with the last look."""
        subscriber = self._subscriber
        peak_ns = max(self._peak_ns, subscriber.lag_peak_ns)
        subscriber.lag_peak_ns = 0
        self._peak_ns = peak_ns if peak_ns >= LATE_AFTER_NS else 0
        now_ns = self._context.clock.monotonic_ns()
        if (self._peak_ns or subscriber.gaps.value > self._missed_told) and now_ns >= self._quiet_until_ns:
            self._quiet_until_ns = now_ns + TELL_EVERY_NS
            self._tell(peak_ns // _NS_PER_MS, subscriber.gaps.value - self._missed_told)

    def _tell(self, lag_ms: int, missed: int) -> None:
        self._missed_told, self._peak_ns = self._subscriber.gaps.value, 0
        self._told.inc()
        channel = self._subscriber.channel.value
        self._context.log.warning("slow subscriber", channel=channel, lag_ms=lag_ms, missed=missed)
        instance = self._context.settings.instance
        self._context.events.emit(SubscriberSlow, instance=instance, channel=channel, lag_ms=lag_ms, missed=missed)


def watch(context: Context, subscriber: TopicSubscriber, symbols: Iterable[str]) -> None:
    """From now on the subscriber's lag and the age of each symbol are on `/metrics`, and falling behind is told."""
    channel = subscriber.channel
    context.metrics.gauge(
        "lag_seconds",
        lambda: subscriber.lag_ns / 1e9,
        channel=channel,
    )
    gauge_ages(context, channel, subscriber.newest_ns, symbols)
    context.loop.every(LOOK_EVERY_S, _LagWatch(context, subscriber).look)


def gauge_ages(context: Context, channel: Channel, newest_ns: Callable[[str], int], symbols: Iterable[str]) -> None:
    """Shows how long nothing has come of each symbol, or since the start where nothing ever did."""
    now_ns = context.clock.now_ns
    began_ns = now_ns()

    def reader(symbol: str) -> Callable[[], float]:
        return lambda: (now_ns() - (newest_ns(symbol) or began_ns)) / 1e9

    for symbol in symbols:
        context.metrics.gauge("tick_age_seconds", reader(symbol), channel=channel, symbol=symbol)
