"""What the shells need from outside, as Protocols. Adapters provide them; tests provide others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from tradingmesh.core.journal.chain import Entry, Kind
from tradingmesh.core.market import MarketEvent
from tradingmesh.core.orders.effects import BrokerEvent
from tradingmesh.core.orders.record import Order
from tradingmesh.core.trading_status import TradingStatus


class Clock(Protocol):
    """Where time comes from."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since some moment; never set back or forward, so what measures a span asks this."""


class Tape(Protocol):
    """Recorded or generated market data, in time order."""

    @property
    def length(self) -> int | None:
        """How many events, where that is known before reading."""

    def __iter__(self) -> Iterator[MarketEvent]: ...


class TickStore(Protocol):
    """Keeps market data and gives it back as a tape."""

    def append(self, events: Iterable[MarketEvent]) -> None:
        """Takes the events; they are durable after the next `flush`."""

    def flush(self) -> None:
        """Everything appended is readable by others from now on."""

    def tape(self, symbols: Sequence[str]) -> Tape:
        """What was stored of these symbols, merged in time order."""


class Journal(Protocol):
    """Append-only record of what was decided, in order, each entry chained to the one before."""

    def append(self, record: bytes, kind: Kind = Kind.RECORD) -> int:
        """Takes a record and returns its position, from 1; it is durable after the next `commit`."""

    def commit(self) -> None:
        """Everything appended is on disk. Raises `JournalError` where it cannot be; it may be called again."""

    def flush(self) -> None:
        """Everything appended survives this process, though not the machine's power; cheap. Raises as `commit`."""

    def recover(self) -> Iterator[Entry]:
        """What a new life begins from: the newest snapshot and all after it, or every entry where there is none."""

    def entries(self) -> Iterator[Entry]:
        """Every entry since the first. Raises `JournalError` naming a damaged one."""

    def compact(self) -> None:
        """Puts a little of what no start needs any more out of the way of the next one. Raises `JournalError`."""

    def close(self) -> None:
        """Commits and lets go. Raises as `commit`."""


class ReadyOrder(NamedTuple):
    """An order with the request that will place it, complete but unsent."""

    order: Order
    body: dict[str, str]


class Broker(Protocol):
    """Executes orders. No method waits; what comes of it is delivered as `BrokerEvent`s, from any thread.

    An order is `prepare`d as soon as it is approved, and `submit`ted once its intent is on disk.
    """

    def start(self, deliver: Callable[[BrokerEvent], None]) -> None:
        """Connects, and keeps connected; from now on events are delivered."""

    def prepare(self, order: Order) -> ReadyOrder:
        """The order ready to POST. Nothing is sent."""

    def submit(self, ready: ReadyOrder) -> None:
        """Places the order, at most once in effect; one of the three `Submit...` events tells what came of it."""

    def hold(self, reason: str) -> None:
        """While there is a reason no order is placed: those that wait are refused. An empty reason ends it."""

    def withdraw(self, status: TradingStatus) -> None:
        """No order that this status withdraws is placed, until another one is told: those that wait are refused."""

    def cancel(self, order: Order) -> None:
        """Asks for a cancel; an order update tells whether it came about."""

    def reconcile(self, since_ns: int, fills_since_ns: int, look_up: Sequence[str]) -> None:
        """Asks for everything since two times of the broker's (0: at first contact), and for orders of these names."""

    def stop(self) -> None:
        """Lets go of the broker, in bounded time."""
