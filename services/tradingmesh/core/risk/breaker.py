"""The circuit breaker: a day's loss past its limit stops trading, and time without a further one lets it go on.

Closed lets orders through, Open none, HalfOpen only those that reduce a position, so that one can get out. Time comes
in with each observation; the breaker is moved only by its record, so that a replay of records ends in the same state.

Its two waits (recovery period, stable time) are reckoned by a monotonic clock: a wall clock that is set neither ends
one early nor draws it out. What the process did not watch is no part of a wait, so a restart begins the wait anew.
"""

from enum import StrEnum

import msgspec

from tradingmesh.contract import CircuitBreakerSpec
from tradingmesh.core.errors import InputError

_NS_PER_MS = 1_000_000


class BreakerState(StrEnum):
    """What the breaker lets through."""

    CLOSED = "Closed"
    OPEN = "Open"
    HALF_OPEN = "HalfOpen"


class BreakerInput(StrEnum):
    """What can move it."""

    LOSS = "loss"
    """The day's loss is past its limit."""
    RECOVERED = "recovered"
    """The recovery period since the trip is over."""
    CALM = "calm"
    """The loss is back within its limit."""
    STABLE = "stable"
    """The loss stayed within its limit for long enough, and resetting is automatic."""
    RESET = "reset"
    """A person closes it."""


TRANSITIONS: dict[tuple[BreakerState, BreakerInput], BreakerState] = {
    (BreakerState.CLOSED, BreakerInput.LOSS): BreakerState.OPEN,
    (BreakerState.OPEN, BreakerInput.RECOVERED): BreakerState.HALF_OPEN,
    (BreakerState.OPEN, BreakerInput.RESET): BreakerState.CLOSED,
    (BreakerState.HALF_OPEN, BreakerInput.LOSS): BreakerState.HALF_OPEN,
    (BreakerState.HALF_OPEN, BreakerInput.CALM): BreakerState.HALF_OPEN,
    (BreakerState.HALF_OPEN, BreakerInput.STABLE): BreakerState.CLOSED,
    (BreakerState.HALF_OPEN, BreakerInput.RESET): BreakerState.CLOSED,
}


class BreakerMoved(msgspec.Struct, frozen=True, tag="breaker-moved"):
    """The record of a move. `since_ns` is when the state began, `calm_ns` since when the loss is within its limit.

    Both are wall time, to be shown; no wait is reckoned by them.
    """

    state: BreakerState
    since_ns: int
    reason: str
    calm_ns: int | None = None


class Breaker:
    """Where the breaker stands. `observe` and `reset` say how it would move; `fold` moves it.

    `_waiting_ns` is when the wait under way began, `_seen_ns` the time of the last observation; both monotonic.
    """

    def __init__(self, spec: CircuitBreakerSpec) -> None:
        self.spec = spec
        self.at = BreakerMoved(BreakerState.CLOSED, 0, "never tripped")
        self._waiting_ns: int | None = None
        self._seen_ns: int | None = None

    @property
    def state(self) -> BreakerState:
        """Closed, Open or HalfOpen."""
        return self.at.state

    def observe(self, now_ns: int, monotonic_ns: int | None, loss: str) -> BreakerMoved | None:
        """The move that is due, if any. `loss` is a sentence while the day's loss is past its limit.

        Without `monotonic_ns` no wait goes on: a loss moves it all the same.
        """
        self._seen_ns = monotonic_ns
        if self.at.state is BreakerState.CLOSED:
            return self._move(BreakerInput.LOSS, now_ns, loss) if loss else None
        if self.at.state is BreakerState.OPEN:
            over = self._waited(self.spec.recovery_period_ms)
            return self._move(BreakerInput.RECOVERED, now_ns, "the recovery period is over") if over else None
        return self._observe_half_open(now_ns, loss)

    def _observe_half_open(self, now_ns: int, loss: str) -> BreakerMoved | None:
        calm_ns = self.at.calm_ns
        if loss:
            return None if calm_ns is None else self._move(BreakerInput.LOSS, now_ns, loss)
        if calm_ns is None:
            return self._move(BreakerInput.CALM, now_ns, "the loss is within its limit", calm_ns=now_ns)
        stable = self._waited(self.spec.stable_for_ms) and self.spec.reset == "Automatic"
        return self._move(BreakerInput.STABLE, now_ns, "the loss stayed within its limit") if stable else None

    def reset(self, now_ns: int, loss: str) -> BreakerMoved:
        """The move a person asks for. Raises `InputError` where the breaker is closed, or would trip again at once."""
        if self.at.state is BreakerState.CLOSED:
            raise InputError("the circuit breaker is Closed: there is nothing to reset")
        if loss:
            raise InputError(f"the circuit breaker would trip again at once: {loss}")
        return self._move(BreakerInput.RESET, now_ns, "reset by hand")

    def fold(self, record: BreakerMoved) -> None:
        """Takes the record's state. A wait that it begins is reckoned from the observation it came of, or the next."""
        self.at = record
        self._waiting_ns, self._seen_ns = self._seen_ns, None

    def _waited(self, period_ms: int) -> bool:
        if self._seen_ns is None:
            return False
        if self._waiting_ns is None:
            self._waiting_ns = self._seen_ns
        return self._seen_ns - self._waiting_ns >= period_ms * _NS_PER_MS

    def _move(self, seen: BreakerInput, now_ns: int, reason: str, calm_ns: int | None = None) -> BreakerMoved:
        state = TRANSITIONS[self.at.state, seen]
        since_ns = self.at.since_ns if state is self.at.state else now_ns
        return BreakerMoved(state, since_ns, reason, calm_ns)
