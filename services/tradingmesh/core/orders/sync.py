"""Whether our orders agree with the broker's, and when to ask it: decisions only, times are of a monotonic clock.

No order may go out before the first reconciliation, while the order stream is down (fills would not be heard), and
after it came back until a reconciliation that began later has found nothing open to doubt. Nor while the breaker round
the broker's API is open: it would be refused there.
"""

from tradingmesh.core.orders.api_breaker import ApiState
from tradingmesh.core.orders.effects import ApiMoved

PERIOD_NS = 60_000_000_000
STREAMLESS_PERIOD_NS = 5_000_000_000
DOUBT_PERIOD_NS = 1_000_000_000
RETRY_MAX_NS = 30_000_000_000
KEYS_REFUSED_NS = 60_000_000_000


class BrokerSync:
    """`problem` is why orders must be held back; empty when they may go."""

    def __init__(self) -> None:
        self._stream_problem = "not connected yet"
        self._api = ApiMoved(ApiState.CLOSED, "", 0)
        self._sync_problem = "the broker was not reconciled with yet"
        self._failures = 0
        self._doubted = 0
        self._not_before_ns = 0
        self._connections = 0
        self._asked_in: int | None = None
        self._due_ns = 0

    @property
    def problem(self) -> str:
        """Why orders must be held back."""
        if self._stream_problem:
            return f"the broker's order stream: {self._stream_problem}"
        return self._api.problem or self._sync_problem

    def on_stream(self, problem: str, now_ns: int) -> bool:
        """The stream went or came. Whether that is news."""
        news = problem != self._stream_problem
        self._stream_problem = problem
        if problem:
            self._sync_problem = "not reconciled with the broker since the stream was lost"
            self._due_ns = min(self._due_ns, now_ns + STREAMLESS_PERIOD_NS)
        else:
            self._connections += 1
            self._due_ns = now_ns
            self._sync_problem = self._sync_problem or "not reconciled with the broker since the stream listens"
        return news

    def on_api(self, moved: ApiMoved) -> bool:
        """The breaker round the broker's API moved. Whether calls are refused from now on, or let through again.

        While it is open the broker is not asked before it may be, and then at once: that question is the probe.
        """
        news = bool(moved.problem) != bool(self._api.problem)
        self._api = moved
        return news

    def suspect(self, now_ns: int) -> None:
        """Something does not fit: ask soon, but where asking did not help, each time less soon."""
        self._due_ns = min(self._due_ns, max(now_ns + DOUBT_PERIOD_NS, self._not_before_ns))

    def begin(self, now_ns: int) -> bool:
        """Whether to ask the broker now; if so, one of the two methods below must be called when it has answered."""
        if self._asked_in is not None or now_ns < self._next_ns():
            return False
        self._asked_in = self._connections
        return True

    def _next_ns(self) -> int:
        if self._api.state is ApiState.OPEN:
            return self._api.retry_ns
        return self._not_before_ns if self._api.state is ApiState.HALF_OPEN else self._due_ns

    def answered(self, differing: int, unconfirmed: int, now_ns: int, *, again: bool = False) -> None:
        """The broker's answer was taken in: so many orders are still not as it has them, so many it may not have.

        An unconfirmed order is asked about again, and holds nothing back: all that it may do is reserved for it. With
        `again` the answer is not enough to go by: what the stream told before it was let go.
        """
        began_in, self._asked_in, self._failures = self._asked_in, None, 0
        if again or began_in != self._connections:
            self._due_ns = now_ns  # it may have been given before the stream listened again
            return
        self._sync_problem = f"{differing} orders are not as the broker has them" if differing else ""
        doubt = differing or unconfirmed
        self._doubted = self._doubted + 1 if doubt else 0
        self._not_before_ns = now_ns + _backoff_ns(self._doubted) if doubt else 0
        period_ns = STREAMLESS_PERIOD_NS if self._stream_problem else PERIOD_NS
        self._due_ns = self._not_before_ns or now_ns + period_ns

    def failed(self, reason: str, now_ns: int, *, keys_refused: bool) -> None:
        """The broker could not be asked: again later, each time less soon."""
        self._asked_in = None
        self._failures += 1
        self._due_ns = self._not_before_ns = now_ns + (KEYS_REFUSED_NS if keys_refused else _backoff_ns(self._failures))
        if self._sync_problem:
            self._sync_problem = reason


def _backoff_ns(times: int) -> int:
    return min(DOUBT_PERIOD_NS << min(times - 1, 5), RETRY_MAX_NS)
