"""What a process tells of itself, where nobody listens but the trace."""

from collections.abc import Callable

from tradingmesh.core.bus import EventBus
from tradingmesh.telemetry.catalogue import FAMILIES
from tradingmesh.telemetry.metrics import Metrics


class QuietMetrics(Metrics):
    """Metrics that nobody scrapes."""

    def __init__(self) -> None:
        self._known = FAMILIES
        self._constant = {}
        self._counters = {}
        self._reads = {}
        self._latencies = {}


class QuietLog:
    """Tells the trace, if there is one."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    def warning(self, event: str, **fields: object) -> None:
        """A line of the log."""
        self._tell(event, fields)

    info = error = exception = warning


class QuietEvents:
    """System events end here."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self.bus = EventBus()
        self._tell = tell

    def emit(self, type_: type, *, trace_id: str = "", **fields: object) -> None:  # noqa: ARG002 - nobody follows it
        """An event."""
        self._tell(type_.__name__, fields)
