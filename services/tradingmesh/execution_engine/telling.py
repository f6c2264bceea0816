"""What the execution engine tells of itself: metrics, events, and a line in the log where something is odd."""

from collections import Counter as Tally
from typing import Any

from tradingmesh.core.events import ApiBreakerClosed, ApiBreakerOpened, ComponentError, EngineFenced
from tradingmesh.core.fills import Fill, Report
from tradingmesh.core.orders.effects import ApiMoved, Notice, Origin, Tell
from tradingmesh.core.orders.record import OrderStatus
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.runtime.component import Context
from tradingmesh.wire.header import FLAG_SAMPLED

_REFRESH_S = 0.5
_HARMLESS = frozenset({"duplicate-signal", "adopted", "unnamed", "cancel-failed"})


class Telling:
    """Tells what became of orders. The counts by status are of half a second ago: another thread reads them."""

    def __init__(self, context: Context, table: OrderTable) -> None:
        self._context = context
        self._table = table
        self._by_status: dict[str, int] = {}
        metrics = context.metrics
        self.signals = metrics.counter("signals_received", "Approved signals received.")
        self.fills = metrics.counter("fills_seen", "Fills heard of for the first time, by stream or by asking.")
        self.malformed = metrics.counter("malformed_dropped", "Unreadable messages, dropped.", channel="orders")
        self._order_ready = metrics.latency("order_ready")
        self.post = metrics.latency("order_post")
        self._duplicates = metrics.counter("fills_duplicate", "Fills heard of again, not booked again.")
        for status in OrderStatus:
            metrics.gauge("orders_open", "Orders not closed.", self._reader(status), status=status.value)
        context.loop.every(_REFRESH_S, self.refresh)

    def refresh(self) -> None:
        """Counts the open orders by status."""
        self._by_status = dict(Tally(order.status.value for order in self._table.open_orders()))
        self._duplicates.value = self._table.duplicate_fills

    def order_ready(self, origin: Origin, now_ns: int) -> None:
        """An order is ready to POST, so long after its signal was handed over."""
        self._order_ready.observe_ns(now_ns - origin.sent_ns)
        if origin.flags & FLAG_SAMPLED:
            trace_id = bytes.fromhex(origin.trace_id)
            self._context.tracer.record("order", trace_id, origin.flags, origin.sent_ns, now_ns)

    def report(self, report: Report) -> None:
        """A report came to be."""
        self.fills.inc(isinstance(report.body, Fill))

    def event(self, tell: Tell) -> None:
        """A system event."""
        self._context.metrics.counter("order_events", "Events of orders.", type=tell.type_.__name__).inc()
        self._context.events.emit(tell.type_, trace_id=tell.trace_id, **tell.fields)

    def notice(self, notice: Notice) -> None:
        """Something odd."""
        self._context.metrics.counter("order_notices", "Oddities of orders, by kind.", kind=notice.what).inc()
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
