"""Which of the traces that messages name are recorded."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from tradingmesh.contract import Component
from tradingmesh.core.ids import MessageIds, is_sampled
from tradingmesh.runtime.component import Context
from tradingmesh.telemetry.tracing import NoTracer, Tracer


class EveryOther(NoTracer):
    """Records each second trace."""

    def samples(self, trace_id: bytes) -> bool:
        return is_sampled(trace_id, 2)


@pytest.fixture
def context(make_context: Callable[..., Context]) -> Context:
    made = make_context(Component.RISK_MANAGER, {})
    tracer: Tracer = EveryOther()
    return made._replace(tracer=cast("Any", tracer))


def test_a_trace_is_told_where_it_is_recorded(context: Context) -> None:
    """The second of two."""
    ids = MessageIds("feed", 1)
    first, second = ids.take(), ids.take()
    assert context.traced(first.hex()) == b""
    assert context.traced(second.hex()) == second


@pytest.mark.parametrize("word", ["", "no hex", "ab", "ab" * 15, "ab" * 17, "ab" * 400, "\0" * 32])
def test_a_word_that_is_no_trace_stops_nothing(context: Context, word: str) -> None:
    """Whatever a report says its trace is, it is booked; a trace of it there is not."""
    assert context.traced(word) == b""
