"""A tick's way through the mesh as Jaeger has it: which spans there must be, whose, and each under which."""

from collections.abc import Sequence

from tests.observability.jaeger import Jaeger, Seen
from tests.observability.program import wait

WAY = {
    "tick": ("market-data-feed", ""),
    "features": ("feature-engine", "tick"),
    "signal": ("signal-generator", "tick"),
    "order": ("execution-engine", "signal"),
    "post": ("execution-engine", "order"),
    "fill": ("execution-engine", "order"),
    "book": ("fill-processor", "fill"),
    "apply": ("risk-manager", "book"),
}
"""Of each span: whose it is, and the name of the one above it. The risk checks come on top: one of each stage."""
CHECKS = {("risk-manager", "signal"), ("risk-manager", "order")}


def whole_trace(jaeger: Jaeger) -> tuple[str, list[Seen]]:
    """A trace that reached the ledger, with its spans, once all of it has arrived: processes send theirs by and by."""
    found: list[tuple[str, list[Seen]]] = []

    def arrived() -> bool:
        traces = ((trace_id, jaeger.spans(trace_id)) for trace_id in jaeger.traces("risk-manager", "apply"))
        found[:] = [(trace_id, spans) for trace_id, spans in traces if _is_whole(spans)]
        return bool(found)

    wait(arrived, "a trace from tick to fill")
    return found[0]


def _is_whole(spans: Sequence[Seen]) -> bool:
    """Nothing of the way lacks, nor the span above any: of an order's second fill some may be there and some not."""
    there = {span.span_id for span in spans}
    return set(WAY) <= {span.name for span in spans} and all(span.parent in there for span in spans if span.parent)


def assert_in_order(spans: Sequence[Seen]) -> None:
    """Each span is of the component that it should be of, under the one that caused it, and did not begin before it."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    above = {span: by_id[span.parent].name if span.parent else "" for span in spans}
    for name, place in WAY.items():
        assert {(span.service, above[span]) for span in spans if span.name == name} == {place}
    assert {(span.service, above[span]) for span in spans if span.name == "risk-check"} == CHECKS
    assert all(by_id[span.parent].start_us <= span.start_us for span in spans if span.parent)
