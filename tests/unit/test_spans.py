"""The spans of a trace: ids that every process computes alike, each under the one that caused it."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tradingmesh.core.checks import RiskCheckRequest, Stage
from tradingmesh.core.ids import MessageIds, client_order_id, is_sampled, signal_id
from tradingmesh.core.place import Place
from tradingmesh.core.signal import Side, Signal
from tradingmesh.core.spans import (
    FEATURES,
    TICK,
    apply_span,
    book_span,
    check_span,
    fill_span,
    order_span,
    post_span,
    signal_span,
)
from tradingmesh.telemetry.otlp import OtlpTracer
from tradingmesh.telemetry.tracing import NoTracer, tracer
from tradingmesh.wire.header import NO_TRACE

SIGNAL_ID = signal_id("momentum", 7, 3)
CLIENT = client_order_id(SIGNAL_ID, 2)
PLACE = Place(11, "IBM", 5)
SIGNAL = Signal(SIGNAL_ID, "momentum", "IBM", Side.BUY, Decimal(1), Decimal(100), 1, 2)
TRACE = MessageIds("feed", 1).take()


def asked(stage: Stage) -> RiskCheckRequest:
    return RiskCheckRequest(CLIENT if stage is Stage.ORDER else "r-1", stage, SIGNAL, Decimal(100), 1)


def test_each_span_is_under_what_caused_it() -> None:
    """From the ledger back to the tick, and the branches on the way."""
    chain = [apply_span(PLACE, CLIENT)]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    assert [span.name for span in chain] == ["apply", "book", "fill", "order", "signal", "tick"]
    assert chain == [
        apply_span(PLACE, CLIENT),
        book_span(PLACE, CLIENT),
        fill_span(PLACE, CLIENT),
        order_span(CLIENT),
        signal_span(SIGNAL_ID),
        TICK,
    ]
    assert FEATURES.parent == TICK
    assert post_span(CLIENT).parent == order_span(CLIENT)
    assert check_span(asked(Stage.SIGNAL)).parent == signal_span(SIGNAL_ID)
    assert check_span(asked(Stage.ORDER)).parent == order_span(CLIENT)


def test_the_root_is_the_message_that_began_the_trace() -> None:
    """Its id is the second half of the trace's."""
    assert TICK.id(TRACE) == TRACE[8:]


@given(st.text(), st.text(), st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_ids_tell_things_and_traces_apart(one: str, other: str, trace: bytes, other_trace: bytes) -> None:
    """Equal for the same thing in the same trace, and for nothing else."""
    assert len(signal_span(one).id(trace)) == 8
    same = (one, trace) == (other, other_trace)
    assert (signal_span(one).id(trace) == signal_span(other).id(other_trace)) is same
    assert signal_span(one).id(trace) != order_span(one).id(trace)


@pytest.mark.parametrize(("every", "sampled"), [(1, 12), (5, 2), (12, 1), (13, 0)])
def test_one_in_so_many_traces_is_recorded(every: int, sampled: int) -> None:
    """By the publisher's own count, which the trace's id ends in; what has no trace is not."""
    ids = MessageIds("feed", 1)
    assert sum(is_sampled(ids.take(), every) for _ in range(12)) == sampled
    assert not is_sampled(NO_TRACE, every)


def told(monkeypatch: pytest.MonkeyPatch, every: int) -> tuple[OtlpTracer, InMemorySpanExporter]:
    """A tracer whose spans stay here."""
    kept = InMemorySpanExporter()
    monkeypatch.setattr("tradingmesh.telemetry.otlp.OTLPSpanExporter", lambda **_: kept)
    return OtlpTracer("http://127.0.0.1:1", "risk-manager", "risk-manager-0", every), kept


def test_a_span_is_sent_as_it_was_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids, parent, times, whose, and what it is about; the root has no parent."""
    made, kept = told(monkeypatch, 1)
    made.record(TICK, TRACE, 10, 20)
    made.record(signal_span(SIGNAL_ID), TRACE, 10, 30)
    made.close()
    spans: Any = kept.get_finished_spans()
    assert [(span.name, span.start_time, span.end_time) for span in spans] == [("tick", 10, 20), ("signal", 10, 30)]
    assert {span.context.trace_id for span in spans} == {int.from_bytes(TRACE, "big")}
    assert [span.context.span_id.to_bytes(8, "big") for span in spans] == [
        TICK.id(TRACE),
        signal_span(SIGNAL_ID).id(TRACE),
    ]
    assert [span.parent and span.parent.span_id.to_bytes(8, "big") for span in spans] == [None, TICK.id(TRACE)]
    assert spans[1].attributes == {"tradingmesh.about": SIGNAL_ID}
    assert spans[0].resource.attributes["service.name"] == "risk-manager"
    assert spans[0].resource.attributes["service.instance.id"] == "risk-manager-0"


def test_what_is_not_sampled_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of two traces is not, the second is."""
    made, kept = told(monkeypatch, 2)
    ids = MessageIds("feed", 1)
    traces = (ids.take(), ids.take(), NO_TRACE)
    assert [made.samples(trace) for trace in traces] == [False, True, False]
    for trace in traces:
        made.record(TICK, trace, 1, 2)
    made.close()
    assert len(kept.get_finished_spans()) == 1


@pytest.mark.parametrize(("endpoint", "every"), [("", 1), ("http://127.0.0.1:1", 0)])
def test_without_an_endpoint_or_a_share_nothing_is_recorded(endpoint: str, every: int) -> None:
    """And nothing of OpenTelemetry's SDK is needed."""
    made = tracer(endpoint, "x", "x", every)
    assert isinstance(made, NoTracer)
    assert not made.samples(TRACE)
    made.record(TICK, TRACE, 1, 2)
    made.close()
