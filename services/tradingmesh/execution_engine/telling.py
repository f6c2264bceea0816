"""What the execution engine tells of itself: metrics, events, and a line in the log where something is odd."""

from collections import Counter as Tally
from typing import Any

from tradingmesh.core.events import (
    ApiBreakerClosed,
    ApiBreakerOpened,
    ComponentError,
    EngineFenced,
    OrderCanceled,
    OrderPlaced,
    OrderRejected,
)
from tradingmesh.core.fills import Fill, Report
from tradingmesh.core.orders.effects import ApiMoved, Notice, Origin, Tell
from tradingmesh.core.orders.record import OrderStatus
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.core.place import Place
from tradingmesh.core.spans import fill_span, order_span, post_span
from tradingmesh.runtime.component import Context
from tradingmesh.telemetry.metrics import Counter

_REFRESH_S = 0.5
_ORDER_EVENTS = (OrderPlaced, OrderRejected, OrderCanceled)
_HARMLESS = frozenset({"duplicate-signal", "adopted", "unnamed", "cancel-failed"})


class Telling:
    """Tells what became of orders. The counts by status are of half a second ago: another thread reads them."""

    def __init__(self, context: Context, table: OrderTable) -> None:
        self._context = context
        self._table = table
        self._by_status: dict[str, int] = {}
        metrics = context.metrics
        self.signals = metrics.counter("signals_received")
        self.fills = metrics.counter("fills_seen")
        self.malformed = metrics.counter("messages_malformed", channel="orders")
        self._order_ready = metrics.latency("order_ready")
        self.post = metrics.latency("order_post")
        self._events: dict[type, Counter] = {
            type_: metrics.counter("order_events", type=type_.__name__) for type_ in _ORDER_EVENTS
        }
        self._duplicates = metrics.counter("fills_duplicate")
        for status in OrderStatus:
            metrics.gauge("orders_open", self._reader(status), status=status.value)
        context.loop.every(_REFRESH_S, self.refresh)

    def refresh(self) -> None:
        """Counts the open orders by status."""
        self._by_status = dict(Tally(order.status.value for order in self._table.open_orders()))
        self._duplicates.value = self._table.duplicate_fills

    def order_ready(self, client_order_id: str, origin: Origin, now_ns: int) -> None:
        """An order is ready to POST, so long after its signal was handed over."""
        self._order_ready.observe_ns(now_ns - origin.sent_ns)
        if trace := self._context.traced(origin.trace_id):
            self._context.tracer.record(order_span(client_order_id), trace, origin.sent_ns, now_ns)

    def posted(self, client_order_id: str, trace_id: str, elapsed_ns: int, now_ns: int) -> None:
        """The broker has answered a POST, in one way or the other."""
        self.post.observe_ns(elapsed_ns)
        if trace := self._context.traced(trace_id):
            self._context.tracer.record(post_span(client_order_id), trace, now_ns - elapsed_ns, now_ns)

    def fill_kept(self, report: Report, fill: Fill, heard_ns: int) -> None:
        """The report of a fill is on disk."""
        if trace := self._context.traced(report.trace_id):
            place = Place(report.outbox_epoch, fill.symbol, report.symbol_sequence)
            span = fill_span(place, fill.client_order_id)
            self._context.tracer.record(span, trace, heard_ns, self._context.clock.now_ns())

    def report(self, report: Report) -> None:
        """A report came to be."""
        self.fills.inc(isinstance(report.body, Fill))

    def event(self, tell: Tell) -> None:
        """A system event."""
        self._events[tell.type_].inc()
        self._context.events.emit(tell.type_, trace_id=tell.trace_id, **tell.fields)

    def notice(self, notice: Notice) -> None:
        """Something odd."""
        self._context.metrics.counter("order_notices", kind=notice.what).inc()
        if notice.what in _HARMLESS:
            self._context.log.warning(notice.what, detail=notice.detail)
        else:
            self.error(f"{notice.what}: {notice.detail}")

    def api_moved(self, moved: ApiMoved, *, news: bool) -> None:
        """The breaker round the broker's API moved; `news` when it left closed or came back to it."""
        if not news:
            self._context.log.info("broker API breaker", state=moved.state.value, problem=moved.problem)
        elif moved.problem:
            self._context.log.warning("broker API breaker opened", problem=moved.problem)
            self._context.events.emit(ApiBreakerOpened, reason=moved.problem)
        else:
            self._context.log.info("broker API breaker closed")
            self._context.events.emit(ApiBreakerClosed, reason="the broker answers again")

    def fenced(self, reason: str) -> None:
        """This engine is fenced off."""
        self._context.log.error("fenced off", reason=reason)
        self._context.events.emit(EngineFenced, instance=self._context.settings.instance, reason=reason)

    def error(self, error: str) -> None:
        """Something that needs attention."""
        self._context.log.error("attention", error=error)
        self._context.events.emit(ComponentError, instance=self._context.settings.instance, error=error)

    def status(self) -> dict[str, Any]:
        """The figures of the last half second."""
        return {
            "signals": self.signals.value,
            "orders_open": dict(self._by_status),
            "fills_seen": self.fills.value,
            "fills_duplicate": self._duplicates.value,
        }

    def _reader(self, status: OrderStatus) -> Any:
        return lambda: self._by_status.get(status.value, 0)
