"""Alpaca as a `Broker`: requests wait for worker threads, because they block; answers and the stream are delivered.

Orders, cancels and questions each have their own threads, so that no cancel waits behind a broker that is slow to take
orders, nor behind a reconciliation that waits for its rate. All pass one gate: breaker and rate are the account's. The
threads are daemons: a request without an end does not keep the process from ending.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

from tradingmesh.adapters.alpaca_answers import KeysRefusedError
from tradingmesh.adapters.alpaca_gate import ApiGate
from tradingmesh.adapters.alpaca_stream import AlpacaStream
from tradingmesh.adapters.alpaca_trading import AlpacaTrading
from tradingmesh.adapters.alpaca_trading_json import order_request
from tradingmesh.contract import BrokerSpec
from tradingmesh.core.errors import BrokerError
from tradingmesh.core.orders.effects import (
    BrokerEvent,
    CancelFailed,
    Snapshot,
    SnapshotFailed,
    StreamState,
    SubmitUnanswered,
)
from tradingmesh.core.orders.record import Order
from tradingmesh.core.trading_status import TradingStatus
from tradingmesh.ports import Clock, ReadyOrder
from tradingmesh.telemetry.metrics import Metrics

PLACING_THREADS = 4
CANCELLING_THREADS = 2
ASKING_THREADS = 1
Deliver = Callable[[BrokerEvent], None]


class _Job(NamedTuple):
    """What to ask, and the event that tells of a failure: from its reason and whether it is the keys'."""

    run: Callable[[AlpacaTrading], BrokerEvent | None]
    failed: Callable[[str, bool], BrokerEvent]


class AlpacaAccount(NamedTuple):
    """Where the account is and what opens it; a URL that is None is Alpaca's own."""

    key_id: str
    secret_key: str
    trading_url: str | None
    stream_url: str | None
    paper: bool


class AlpacaBroker:
    """A `Broker`. The bound on what waits is the caller's: it knows how many answers are outstanding."""

    def __init__(self, account: AlpacaAccount, spec: BrokerSpec, clock: Clock, metrics: Metrics) -> None:
        self._account = account
        self._spec = spec
        self._clock = clock
        self._metrics = metrics
        self._placing: SimpleQueue[_Job] = SimpleQueue()
        self._cancelling: SimpleQueue[_Job] = SimpleQueue()
        self._asking: SimpleQueue[_Job] = SimpleQueue()
        self._stream: AlpacaStream | None = None
        self._gate: ApiGate | None = None
        self._connected = metrics.counter("stream_connections", stream="trade-updates")
        self._failed = metrics.counter("stream_failures", stream="trade-updates")
        self._deliver: Deliver = lambda _: None

    def start(self, deliver: Deliver) -> None:
        """Starts the threads and the stream."""
        gate = self._gate = ApiGate(self._spec.api_circuit_breaker, self._clock, self._metrics, deliver)
        self._deliver = deliver
        counts = (
            (self._placing, PLACING_THREADS),
            (self._cancelling, CANCELLING_THREADS),
            (self._asking, ASKING_THREADS),
        )
        for queue, count in counts:
            for _ in range(count):
                arguments = (queue, gate, deliver)
                threading.Thread(target=self._work, args=arguments, name="alpaca-rest", daemon=True).start()
        key_id, secret_key, _, url, paper = self._account
        self._stream = AlpacaStream(key_id, secret_key, url, self._hear_stream, paper=paper)
        self._stream.start()

    def prepare(self, order: Order) -> ReadyOrder:
        """The order with its JSON body."""
        return ReadyOrder(order, order_request(order))

    def submit(self, ready: ReadyOrder) -> None:
        """Places the order in a worker thread."""
        client = ready.order.client_order_id
        self._placing.put(
            _Job(lambda trading: trading.submit(ready), lambda reason, _: SubmitUnanswered(client, reason))
        )

    def hold(self, reason: str) -> None:
        """What waits for a thread, or for its rate, is refused when its turn comes."""
        if self._gate is not None:
            self._gate.hold("engine", reason)

    def withdraw(self, status: TradingStatus) -> None:
        """What waits for a thread, for its rate or to be tried again is refused where the status withdraws it."""
        if self._gate is not None:
            self._gate.withdraw(status)

    def cancel(self, order: Order) -> None:
        """Asks for the cancel in a worker thread."""
        client = order.client_order_id
        self._cancelling.put(
            _Job(lambda trading: trading.cancel(order.order_id), lambda reason, _: CancelFailed(client, reason))
        )

    def reconcile(self, since_ns: int, fills_since_ns: int, look_up: Sequence[str]) -> None:
        """Asks in a worker thread; delivers a `Snapshot` or a `SnapshotFailed`."""
        ask = partial(self._snapshot, since_ns=since_ns, fills_since_ns=fills_since_ns, look_up=look_up)
        self._asking.put(_Job(ask, SnapshotFailed))

    def stop(self) -> None:
        """Ends the stream; requests under way are left to themselves."""
        if self._stream is not None:
            self._stream.stop()

    def _hear_stream(self, event: BrokerEvent) -> None:
        """A stream that is lost holds orders back at once, not when its owner gets round to it.

        So does one that is back, until the broker was asked since: its owner may have seen neither yet.
        """
        if isinstance(event, StreamState) and self._gate is not None:
            (self._failed if event.problem else self._connected).inc()
            self._gate.hold("stream", event.problem or self._unasked())
        self._deliver(event)

    def _unasked(self) -> str:
        return f"not reconciled with the broker since its order stream listens (connection {self._connected.value})"

    def _snapshot(self, trading: AlpacaTrading, since_ns: int, fills_since_ns: int, look_up: Sequence[str]) -> Snapshot:
        unasked = self._unasked()
        snapshot = trading.snapshot(since_ns, fills_since_ns, look_up)
        if self._gate is not None:
            self._gate.release("stream", unasked)
        return snapshot

    def _work(self, queue: "SimpleQueue[_Job]", gate: ApiGate, deliver: Deliver) -> None:
        key_id, secret_key, url, _, paper = self._account
        trading = AlpacaTrading(key_id, secret_key, url, gate, self._spec.retry, paper=paper, clock=self._clock)
        while True:
            job = queue.get()
            try:
                event = job.run(trading)
            except Exception as error:  # noqa: BLE001 - whatever it was, somebody waits for the answer
                reason = str(error) if isinstance(error, BrokerError) else repr(error)
                event = job.failed(reason, isinstance(error, KeysRefusedError))
            if event is not None:
                deliver(event)
