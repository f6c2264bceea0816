"""Spans of sampled ticks. Nothing of OpenTelemetry is imported while no endpoint is configured."""

from typing import Protocol

from tradingmesh.core.spans import Span


class Tracer(Protocol):
    """Records what one stage did for one trace."""

    def samples(self, trace_id: bytes) -> bool:
        """Whether a span of that trace would be recorded: asked where making one costs more than asking."""

    def record(self, span: Span, trace_id: bytes, start_ns: int, end_ns: int) -> None:
        """One span, where the trace is sampled; the work loop's thread calls it. Times are wall time."""

    def close(self) -> None:
        """Sends what is left, in bounded time."""


class NoTracer:
    """Records nothing."""

    def samples(self, trace_id: bytes) -> bool:  # noqa: ARG002 - it is the same for each
        """Never."""
        return False

    def record(self, span: Span, trace_id: bytes, start_ns: int, end_ns: int) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


def tracer(endpoint: str, service: str, instance: str, sample_every: int) -> Tracer:
    """The tracer for an endpoint; without one, or where no trace is sampled, one that records nothing."""
    if not endpoint or not sample_every:
        return NoTracer()
    from tradingmesh.telemetry.otlp import OtlpTracer  # noqa: PLC0415 - heavy

    return OtlpTracer(endpoint, service, instance, sample_every)
