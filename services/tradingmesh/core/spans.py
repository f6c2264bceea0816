"""The spans of a trace: what each stage did with a tick, under the stage that caused it.

    tick                                  market-data-feed
      features                            feature-engine
      signal                              signal-generator
        risk-check                        risk-manager
        order                             execution-engine
          risk-check                      risk-manager
          post                            execution-engine
          fill                            execution-engine
            book                          fill-processor
              apply                       risk-manager

No message carries a span's id: it is computed from the trace and from what the span is about. So reports that travel
together keep the traces they belong to, and one that is sent again after a crash keeps its place.
See docs/decisions/0091-a-spans-id-is-computed.md.
"""

import hashlib
from typing import NamedTuple, Optional

from tradingmesh.core.checks import RiskCheckRequest, Stage
from tradingmesh.core.ids import signal_of
from tradingmesh.core.place import Place


class Span(NamedTuple):
    """A stage's work on one thing: `about` is the thing's own name, `parent` the work that caused this one."""

    name: str
    about: str = ""
    parent: Optional["Span"] = None

    def id(self, trace_id: bytes) -> bytes:
        """Eight bytes, the same in every process. The root's are the second half of the trace's, as W3C would have."""
        if self.parent is None:
            return trace_id[8:]
        return hashlib.blake2b(f"{self.name} {self.about}".encode(), digest_size=8, key=trace_id).digest()


TICK = Span("tick")
FEATURES = Span("features", parent=TICK)


def signal_span(signal_id: str) -> Span:
    """From a tick's publication to what became of the signal that it moved a strategy to."""
    return Span("signal", signal_id, TICK)


def order_span(client_order_id: str) -> Span:
    """From an approved signal's sending to its order, ready to be posted."""
    return Span("order", client_order_id, signal_span(signal_of(client_order_id)))


def check_span(request: RiskCheckRequest) -> Span:
    """One risk check, of a signal or of its order."""
    signal_id = request.signal.signal_id
    asks = order_span(request.request_id) if request.stage is Stage.ORDER else signal_span(signal_id)
    return Span("risk-check", request.request_id, asks)


def post_span(client_order_id: str) -> Span:
    """An order's POST, from the request to the broker's answer."""
    return Span("post", client_order_id, order_span(client_order_id))


def fill_span(place: Place, client_order_id: str) -> Span:
    """A fill, from when it was heard of until it is on the execution engine's disk."""
    return Span("fill", str(place), order_span(client_order_id))


def book_span(place: Place, client_order_id: str) -> Span:
    """A fill at its processor, from when it was handed on to the risk manager's answer."""
    return Span("book", str(place), fill_span(place, client_order_id))


def apply_span(place: Place, client_order_id: str) -> Span:
    """A fill in the risk manager: its effect on cash and position."""
    return Span("apply", str(place), book_span(place, client_order_id))
