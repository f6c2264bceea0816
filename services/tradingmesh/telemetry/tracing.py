"""Spans of sampled ticks, sent by OTLP. Nothing of OpenTelemetry is imported while no endpoint is configured."""

from typing import Any, Protocol

from tradingmesh.wire.header import FLAG_SAMPLED


class Tracer(Protocol):
    """Records what one stage did for one trace."""

    def record(self, name: str, trace_id: bytes, flags: int, start_ns: int, end_ns: int) -> None:
        """One span, where the trace is sampled."""

    def close(self) -> None:
        """Sends what is left, in bounded time."""


class NoTracer:
    """Records nothing."""

    def record(self, name: str, trace_id: bytes, flags: int, start_ns: int, end_ns: int) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class OtlpTracer:
    """Sends spans to an OTLP endpoint over HTTP in batches; a full batch queue drops spans, never ticks."""

    def __init__(self, endpoint: str, service: str, instance: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - heavy
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - heavy
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - heavy
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - heavy

        resource = Resource.create({"service.name": service, "service.instance.id": instance})
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=2)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tradingmesh")

    def record(self, name: str, trace_id: bytes, flags: int, start_ns: int, end_ns: int) -> None:
        """One span under the trace's root, where the trace is sampled."""
        if flags & FLAG_SAMPLED:
            span = self._tracer.start_span(name, context=_parent(trace_id), start_time=start_ns)
            span.end(end_time=end_ns)

    def close(self) -> None:
        """Flushes for at most two seconds."""
        self._provider.force_flush(2_000)
        self._provider.shutdown()


def _parent(trace_id: bytes) -> Any:
    """A context that puts spans of every process under one trace: the root's span id is the trace id's second half."""
    from opentelemetry import trace  # noqa: PLC0415 - heavy

    context = trace.SpanContext(
        trace_id=int.from_bytes(trace_id, "big"),
        span_id=int.from_bytes(trace_id[8:], "big"),
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(context))


def tracer(endpoint: str, service: str, instance: str) -> Tracer:
    """The tracer for an endpoint; without one, one that records nothing."""
    return OtlpTracer(endpoint, service, instance) if endpoint else NoTracer()
