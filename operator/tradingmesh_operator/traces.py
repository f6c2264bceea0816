"""Spans of what the operator does, sent by OTLP where an endpoint is told. A trace is one look at one system."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

from opentelemetry import trace

from tradingmesh_operator.objects import Key

SERVICE = "tradingmesh-operator"
CLOSE_WITHIN_S = 2.0


class Traces:
    """Makes spans; nobody keeps them unless `otlp` made it. A queue of spans that is full drops spans, never looks."""

    def __init__(self, tracer: trace.Tracer | None = None, close: Callable[[], None] = lambda: None) -> None:
        self._tracer = tracer or trace.NoOpTracer()
        self._close = close

    @contextmanager
    def look(self, key: Key) -> Iterator[trace.Span]:
        """The whole of one look at a system."""
        told = {"k8s.namespace.name": key.namespace, "tradingsystem": key.name}
        with self._tracer.start_as_current_span("reconcile", attributes=told) as span:
            yield span

    @contextmanager
    def part(self, name: str) -> Iterator[trace.Span]:
        """`observe`, `render`, `decide`, `apply` or `status`, under the look that it is a part of."""
        with self._tracer.start_as_current_span(name) as span:
            yield span

    async def close(self) -> None:
        """Sends what is left, for two seconds at most."""
        await asyncio.to_thread(self._close)


def otlp(endpoint: str, instance: str) -> Traces:
    """What sends spans to an OTLP endpoint over HTTP, such as `http://jaeger:4318`; empty, what sends none."""
    if not endpoint:
        return Traces()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - heavy
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - heavy
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - heavy
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - heavy

    resource = Resource.create({"service.name": SERVICE, "service.instance.id": instance})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=2)
    provider.add_span_processor(BatchSpanProcessor(exporter))

    def close() -> None:
        ending = Thread(target=provider.shutdown, daemon=True)  # it would wait for each batch as for any
        ending.start()
        ending.join(CLOSE_WITHIN_S)

    return Traces(provider.get_tracer(SERVICE), close)
