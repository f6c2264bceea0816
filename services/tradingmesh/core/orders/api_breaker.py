"""The circuit breaker round the broker's REST API: a broker that does not answer is left in peace for a while.

Closed lets every call through. So many losses in a row, of one kind of call, open it: questions that are answered do
not hide that orders are not. Open lets nothing through but cancels: to try one costs nothing, not to may. When the
recovery timeout is over, half-open lets one question through at a time, the probe: answered it closes the breaker, lost
it opens it again. An order is never the probe, for a lost question leaves nothing behind. (M. Nygard, "Release It!".)

Decisions only: times are of a monotonic clock, and whoever shares a breaker between threads holds a lock round it. Each
call that `admit` lets through must come back through `ended`.
"""

from enum import StrEnum
from typing import NamedTuple

PROBE_MAX_NS = 60_000_000_000
"""A probe that did not come back by then never will: the next question may be one."""
_NS_PER_S = 1_000_000_000


class ApiState(StrEnum):
    """What the breaker lets through."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


class ApiCall(StrEnum):
    """What a call is for."""

    CANCEL = "cancel"
    PLACE = "place"
    LOOK_UP = "look-up"
    """Asks what became of an order whose answer was lost."""
    ASK = "ask"
    """A question of a reconciliation."""


class ApiOutcome(StrEnum):
    """What became of a call."""

    ANSWERED = "answered"
    """The broker said something that makes sense: yes or no."""
    LOST = "lost"
    """No answer, an error of the server's, or something that cannot be read."""
    UNTOLD = "untold"
    """It says nothing of the broker: refused for its rate, which a gateway does, or never sent."""


class ApiInput(StrEnum):
    """What can move the breaker."""

    ANSWERED = "answered"
    LOST = "lost"
    TOO_MANY_LOST = "too-many-lost"
    """The loss that makes too many in a row."""
    WAITED = "waited"
    """The recovery timeout is over, and somebody has a question."""


TRANSITIONS: dict[tuple[ApiState, ApiInput], ApiState] = {
    (ApiState.CLOSED, ApiInput.ANSWERED): ApiState.CLOSED,
    (ApiState.CLOSED, ApiInput.LOST): ApiState.CLOSED,
    (ApiState.CLOSED, ApiInput.TOO_MANY_LOST): ApiState.OPEN,
    (ApiState.OPEN, ApiInput.WAITED): ApiState.HALF_OPEN,
    (ApiState.HALF_OPEN, ApiInput.ANSWERED): ApiState.CLOSED,
    (ApiState.HALF_OPEN, ApiInput.LOST): ApiState.OPEN,
}
QUESTIONS = frozenset({ApiCall.LOOK_UP, ApiCall.ASK})


class Permit(NamedTuple):
    """Leave to make one call. `move` is which of its moves the breaker had made last when it was given."""

    call: ApiCall
    move: int
    number: int


class ApiBreaker:
    """Where the breaker stands. `trips` counts how often it opened."""

    def __init__(self, failure_threshold: int, recovery_timeout_ns: int) -> None:
        self._threshold = failure_threshold
        self._recovery_ns = recovery_timeout_ns
        self.state = ApiState.CLOSED
        self.reason = ""
        self.retry_ns = 0
        self.trips = 0
        self._lost = dict.fromkeys(ApiCall, 0)
        self._moves = 0
        self._permits = 0
        self._probe = 0
        self._probe_until_ns = 0

    @property
    def problem(self) -> str:
        """Why calls are refused; empty while the breaker is closed."""
        if self.state is ApiState.CLOSED:
            return ""
        wait_s = self._recovery_ns / _NS_PER_S
        return f"the broker's API breaker is {self.state} (tried again every {wait_s:g} s): {self.reason}"

    def refuses(self, call: ApiCall, now_ns: int) -> bool:
        """Whether `admit` would not let the call through now."""
        if self.state is ApiState.CLOSED or call is ApiCall.CANCEL:
            return False
        if self.state is ApiState.OPEN:
            return call not in QUESTIONS or now_ns < self.retry_ns
        return call not in QUESTIONS or (self._probe > 0 and now_ns < self._probe_until_ns)

    def admit(self, call: ApiCall, now_ns: int) -> Permit | None:
        """Leave to make the call now; None where it is refused."""
        if self.refuses(call, now_ns):
            return None
        if self.state is ApiState.OPEN and call in QUESTIONS:
            self._move(ApiInput.WAITED, now_ns)
        self._permits += 1
        if self.state is ApiState.HALF_OPEN and call in QUESTIONS:
            self._probe, self._probe_until_ns = self._permits, now_ns + PROBE_MAX_NS
        return Permit(call, self._moves, self._permits)

    def ended(self, permit: Permit, outcome: ApiOutcome, now_ns: int, reason: str = "") -> None:
        """The call came back. One that began before the breaker moved last tells nothing of what is now."""
        if permit.move != self._moves or (self.state is not ApiState.CLOSED and permit.number != self._probe):
            return
        self._probe = 0
        if outcome is ApiOutcome.ANSWERED:
            self._lost[permit.call] = 0
            self._move(ApiInput.ANSWERED, now_ns)
        elif outcome is ApiOutcome.LOST:
            self.reason = reason
            self._lost[permit.call] += 1
            too_many = self.state is ApiState.CLOSED and self._lost[permit.call] >= self._threshold
            self._move(ApiInput.TOO_MANY_LOST if too_many else ApiInput.LOST, now_ns)

    def _move(self, seen: ApiInput, now_ns: int) -> None:
        before, self.state = self.state, TRANSITIONS[self.state, seen]
        if self.state is before:
            return
        self._moves += 1
        self._lost = dict.fromkeys(ApiCall, 0)
        if self.state is ApiState.OPEN:
            self.trips += 1
            self.retry_ns = now_ns + self._recovery_ns
