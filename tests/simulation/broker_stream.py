"""The model broker's `trade_updates`: it may break, and what it says may come late, twice or in another order."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.model_broker import Json
from tests.simulation.plan import MS
from tradingmesh.adapters.alpaca_trading_json import stream_update
from tradingmesh.core.orders.effects import BrokerEvent, StreamState

if TYPE_CHECKING:
    from tests.simulation.process import Process

Deliver = Callable[[BrokerEvent], None]


class VirtualStream:
    """`adapters.alpaca_stream.AlpacaStream` for one life of the execution engine; it dies with it."""

    def __init__(self, process: "Process", deliver: Deliver) -> None:
        self._process = process
        self._life = process.lives
        self._world = process.world
        self._time = process.world.time
        self._random = process.world.random
        self._deliver = deliver
        self._connection = 0
        self._due_ns = 0
        self._last_ns = 0
        self.listens = False

    @property
    def quiet(self) -> bool:
        """Whether nothing that was said is still on its way."""
        return self._last_ns < self._time.now_ns

    def start(self) -> None:
        """Connects."""
        self._world.stream = self
        self._connect_later(300 * MS)

    def stop(self) -> None:
        """Ends."""
        self._connection += 1
        self.listens = False

    def hear(self, data: Json) -> None:
        """The broker says something on the stream; it arrives some time later, if the connection holds until then."""
        if not self.listens:
            return
        faulty = self._strikes()
        delay_ns = self._random.randrange(1, 20) * MS
        if faulty:
            delay_ns *= 20
        else:
            self._due_ns = max(self._due_ns, self._time.now_ns + delay_ns)
        due_ns = self._time.now_ns + delay_ns if faulty else self._due_ns
        self._last_ns = max(self._last_ns, due_ns)
        for _ in range(2 if self._strikes() else 1):
            self._time.at(due_ns, self._arrive, self._connection, data)

    def cut(self, notice_ns: int, reconnect_ns: int) -> None:
        """The stream breaks now, is seen to be broken later, and comes again."""
        if self.listens:
            self.listens = False
            self._connection += 1
            self._time.after(notice_ns, self._say, self._connection, StreamState("connection lost"))
            self._time.after(notice_ns, self._connect_later, reconnect_ns)

    def _strikes(self) -> bool:
        return self._world.trouble and self._random.random() < self._world.plan.stream_fault_chance

    def _connect_later(self, within_ns: int) -> None:
        self._time.after(1 + int(within_ns * self._random.random()), self._connect, self._connection)

    def _connect(self, connection: int) -> None:
        if self._connection == connection and self._process.lives == self._life and self._process.alive:
            self.listens = True
            self._say(connection, StreamState(""))

    def _arrive(self, connection: int, data: Json) -> None:
        self._say(connection, stream_update(data))

    def _say(self, connection: int, event: BrokerEvent) -> None:
        if self._connection == connection and self._process.lives == self._life and self._process.alive:
            self._deliver(event)
