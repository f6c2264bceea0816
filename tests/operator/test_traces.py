"""Spans of a look at a system."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tradingmesh_operator.errors import UnreachableError
from tradingmesh_operator.objects import Key
from tradingmesh_operator.traces import Traces, otlp

KEY = Key("desk", "demo")


def _kept() -> tuple[Traces, InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Traces(provider.get_tracer("test")), exporter


def _named(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_parts_are_under_the_look_that_they_belong_to() -> None:
    """Also those that go on at once, and those of two systems that are looked at at the same time."""
    traces, exporter = _kept()

    async def part(name: str) -> None:
        with traces.part(name):
            await asyncio.sleep(0)

    async def look(key: Key) -> None:
        with traces.look(key):
            await asyncio.gather(part(f"observe {key.name}"), part(f"render {key.name}"))

    await asyncio.gather(look(KEY), look(Key("desk", "other")))
    looks = {span.attributes["tradingsystem"]: span for span in exporter.get_finished_spans() if span.attributes}
    spans = _named(exporter)
    for name in ("demo", "other"):
        for part_name in ("observe", "render"):
            parent = spans[f"{part_name} {name}"].parent
            assert parent is not None
            assert parent.span_id == looks[name].context.span_id


def test_what_failed_is_in_the_span() -> None:
    """Whoever looks for slow or failed reconciles finds the sentence there."""
    traces, exporter = _kept()
    with pytest.raises(UnreachableError), traces.look(KEY), traces.part("observe"):
        raise UnreachableError("GET /x: timed out")
    for span in _named(exporter).values():
        assert not span.status.is_ok
        assert "timed out" in str(span.status.description)


async def test_without_an_endpoint_nothing_is_recorded() -> None:
    """And nothing has to be closed."""
    traces = otlp("", "op-1")
    with traces.look(KEY) as span:
        assert not span.is_recording()
    await traces.close()


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[str, ExportTraceServiceRequest]]]]:
    """An OTLP receiver on loopback: its URL, and what it was sent."""
    sent: list[tuple[str, ExportTraceServiceRequest]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()
    server.server_close()


async def test_spans_arrive_where_they_are_sent(
    receiver: tuple[str, list[tuple[str, ExportTraceServiceRequest]]],
) -> None:
    """By OTLP over HTTP, with the names of the service and of the pod; at the latest when the operator ends."""
    url, sent = receiver
    traces = otlp(url + "/", "op-1")
    with traces.look(KEY), traces.part("render"):
        pass
    await traces.close()
    [(path, request)] = sent
    assert path == "/v1/traces"
    [resource] = request.resource_spans
    told = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (told["service.name"], told["service.instance.id"]) == ("tradingmesh-operator", "op-1")
    assert [span.name for scope in resource.scope_spans for span in scope.spans] == ["render", "reconcile"]
