"""Spans of a look at a system."""

import asyncio

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.operator.otlp_receiver import OtlpReceiver
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


async def test_spans_arrive_where_they_are_sent() -> None:
    """By OTLP over HTTP, with the names of the service and of the pod; at the latest when the operator ends."""
    with OtlpReceiver() as receiver:
        traces = otlp(receiver.url + "/", "op-1")
        with traces.look(KEY), traces.part("render"):
            pass
        await traces.close()
    [(path, request)] = receiver.requests
    assert path == "/v1/traces"
    [resource] = request.resource_spans
    told = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (told["service.name"], told["service.instance.id"]) == ("tradingmesh-operator", "op-1")
    assert [span.name for span in receiver.spans] == ["render", "reconcile"]
