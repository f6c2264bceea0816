"""Risk checks that wait for their answer: one in flight, as a REQ socket wants it, the others in line behind it."""

from collections import deque

from tradingmesh.core.orders.effects import Ask

ASKS_MAX = 256


class RiskAsks:
    """A bounded line of requests. Each has `timeout_ns` from when it was added; times are of a monotonic clock."""

    def __init__(self, timeout_ns: int, capacity: int = ASKS_MAX) -> None:
        self._timeout_ns = timeout_ns
        self._capacity = capacity
        self._line: deque[tuple[int, Ask]] = deque()
        self._flying = False

    def __len__(self) -> int:
        return len(self._line)

    def add(self, ask: Ask, now_ns: int) -> bool:
        """Puts the request in line. False where the line is full: it is not taken."""
        if len(self._line) >= self._capacity:
            return False
        self._line.append((now_ns + self._timeout_ns, ask))
        return True

    def to_send(self) -> Ask | None:
        """The next request to send, if none is in flight; from now on it is."""
        if self._flying or not self._line:
            return None
        self._flying = True
        return self._line[0][1]

    def answered(self, request_id: str) -> bool:
        """Whether this answers the request in flight. If so it is done; a late or foreign answer changes nothing."""
        if not self._flying or self._line[0][1].request.request_id != request_id:
            return False
        self._line.popleft()
        self._flying = False
        return True

    def overdue(self, now_ns: int) -> list[Ask]:
        """The requests whose time is over: no longer in line, and an answer to them is too late."""
        late = []
        while self._line and self._line[0][0] <= now_ns:
            late.append(self._line.popleft()[1])
            self._flying = False
        return late
