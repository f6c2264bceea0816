"""The event bus within a process: subscribe by type, bounded, never blocking the publisher."""

from collections import deque
from collections.abc import Iterator

from tradingmesh.core.events import SystemEvent

CAPACITY = 1_000


class Subscription:
    """The events of some types that were published and not yet taken. A full one drops the newest, and counts it."""

    def __init__(self, capacity: int) -> None:
        self._events: deque[SystemEvent] = deque()
        self._capacity = capacity
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._events)

    def offer(self, event: SystemEvent) -> None:
        """Takes the event, or counts it as dropped."""
        if len(self._events) >= self._capacity:
            self.dropped += 1
        else:
            self._events.append(event)

    def drain(self) -> Iterator[SystemEvent]:
        """Every waiting event, oldest first, each given once."""
        while self._events:
            yield self._events.popleft()


class EventBus:
    """Hands each event to every subscription of its type."""

    def __init__(self) -> None:
        self._by_type: dict[type, list[Subscription]] = {}

    def subscribe(self, *types: type, capacity: int = CAPACITY) -> Subscription:
        """A subscription to these event types."""
        subscription = Subscription(capacity)
        for type_ in types:
            self._by_type.setdefault(type_, []).append(subscription)
        return subscription

    def publish(self, event: SystemEvent) -> None:
        """Offers the event to its subscribers; never waits."""
        for subscription in self._by_type.get(type(event), ()):
            subscription.offer(event)
