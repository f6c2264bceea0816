"""Spans on their way to an OTLP endpoint. All of OpenTelemetry's SDK is imported here, and here alone."""

from threading import Thread

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator

from tradingmesh.core.ids import is_sampled
from tradingmesh.core.spans import Span

CLOSE_WITHIN_S = 2.0
_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)


class _Computed(IdGenerator):
    """Gives the ids that are to be, where the SDK would draw them."""

    def __init__(self) -> None:
        self.trace_id = self.span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class OtlpTracer:
    """Sends spans over HTTP in batches; a full batch queue drops spans, never ticks. One thread may record."""

    def __init__(self, endpoint: str, service: str, instance: str, sample_every: int) -> None:
        self._sample_every = sample_every
        self._ids = _Computed()
        resource = Resource.create({"service.name": service, "service.instance.id": instance})
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=2)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tradingmesh")

    def samples(self, trace_id: bytes) -> bool:
        """Whether it is one of those in so many."""
        return is_sampled(trace_id, self._sample_every)

    def record(self, span: Span, trace_id: bytes, start_ns: int, end_ns: int) -> None:
        """One span, where the trace is sampled."""
        if not self.samples(trace_id):
            return
        self._ids.trace_id = int.from_bytes(trace_id, "big")
        self._ids.span_id = _number(span, trace_id)
        attributes = {"tradingmesh.about": span.about} if span.about else None
        begun = self._tracer.start_span(
            span.name, context=self._under(span.parent, trace_id), attributes=attributes, start_time=start_ns
        )
        begun.end(end_time=end_ns)

    def close(self) -> None:
        """Sends what is left, for `CLOSE_WITHIN_S` at most: the SDK itself would wait for each batch as for any."""
        ending = Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(CLOSE_WITHIN_S)

    def _under(self, parent: Span | None, trace_id: bytes) -> Context:
        if parent is None:
            return Context()
        told = trace.SpanContext(self._ids.trace_id, _number(parent, trace_id), is_remote=True, trace_flags=_SAMPLED)
        return trace.set_span_in_context(trace.NonRecordingSpan(told), Context())


def _number(span: Span, trace_id: bytes) -> int:
    return int.from_bytes(span.id(trace_id), "big")
