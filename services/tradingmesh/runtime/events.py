"""Emits system events: onto the bus of this process, and from there to the metrics-collector, best effort."""

from typing import Any, get_args

import msgspec
import zmq

from tradingmesh.adapters.zmq_messages import Sender
from tradingmesh.core.bus import EventBus
from tradingmesh.core.events import (
    EventMetadata,
    OrderCanceled,
    OrderFilled,
    OrderPlaced,
    OrderRejected,
    SignalApproved,
    SignalRejected,
    SystemEvent,
)
from tradingmesh.core.ids import MessageIds, event_id
from tradingmesh.ports import Clock
from tradingmesh.telemetry.logs import Logger
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.wire.messages import SYSTEM_EVENT


class Events:
    """The event outlet of one component. `emit` never waits; what is dropped is counted."""

    def __init__(
        self, bus: EventBus, component: str, instance: str, epoch: int, clock: Clock, metrics: Metrics
    ) -> None:
        self.bus = bus
        self._component = component
        self._clock = clock
        self._ids = MessageIds(f"{instance}/events", epoch)
        self._sender = Sender(SYSTEM_EVENT, instance, epoch)
        self._subscription = bus.subscribe(*get_args(SystemEvent))
        self.sent = metrics.counter("events_sent")
        self.dropped = metrics.counter("events_dropped")

    def emit(self, type_: type, *, trace_id: str = "", **fields: Any) -> None:
        """Publishes one event of `type_` with these fields."""
        metadata = EventMetadata(event_id(self._ids.take()), self._clock.now_ns(), self._component, trace_id)
        self.bus.publish(type_(metadata=metadata, **fields))

    def forward(self, socket: zmq.Socket[bytes]) -> None:
        """Sends what waits on the bus."""
        if not len(self._subscription):
            return
        for event in self._subscription.drain():
            try:
                socket.send_multipart(self._sender.frames(event, event.metadata.timestamp_ns), zmq.NOBLOCK)
                self.sent.inc()
            except zmq.Again:
                self.dropped.inc()
        self.dropped.inc(self._subscription.dropped)
        self._subscription.dropped = 0


class EventLog:
    """Logs what becomes of signals and orders, so that a trace id leads from one component's log to the next."""

    def __init__(self, bus: EventBus, log: Logger) -> None:
        self._heard = bus.subscribe(
            SignalApproved, SignalRejected, OrderPlaced, OrderFilled, OrderCanceled, OrderRejected
        )
        self._log = log

    def write(self) -> None:
        """Writes a line for each event that waits."""
        for event in self._heard.drain():
            told = msgspec.to_builtins(event)
            del told["metadata"]
            self._log.info(told.pop("event_type"), trace_id=event.metadata.trace_id, **told)
