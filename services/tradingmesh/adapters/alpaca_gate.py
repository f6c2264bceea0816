"""The gate that every call to one account's REST API passes: the breaker and the pace, shared by all threads.

The decisions are `core/orders/api_breaker.py` and `api_pace.py`; here are the lock round them, the waiting, and what is
told: metrics, counted under the same lock, and an event for each move of the breaker. The lock is not held while a call
is under way (that would make one call wait for another, see docs/decisions/0068).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tradingmesh.adapters.alpaca_answers import (
    AnswerLostError,
    CallRefusedError,
    Headers,
    RateLimitedError,
    RequestRefusedError,
    quota,
)
from tradingmesh.contract import ApiCircuitBreakerSpec
from tradingmesh.core.orders.api_breaker import ApiBreaker, ApiCall, ApiOutcome, ApiState, Permit
from tradingmesh.core.orders.api_pace import ApiPace
from tradingmesh.core.orders.effects import ApiMoved
from tradingmesh.core.trading_status import TradingStatus
from tradingmesh.ports import Clock
from tradingmesh.telemetry.metrics import Metrics

STATE_NUMBER = {ApiState.CLOSED: 0, ApiState.HALF_OPEN: 1, ApiState.OPEN: 2}
_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


class ApiGate:
    """Lets calls through, or refuses them. `tell` must not wait: it is called in whichever thread moved the breaker."""

    def __init__(
        self, spec: ApiCircuitBreakerSpec, clock: Clock, metrics: Metrics, tell: Callable[[ApiMoved], None]
    ) -> None:
        self._breaker = ApiBreaker(spec.failure_threshold, spec.recovery_timeout_ms * _NS_PER_MS)
        self._pace = ApiPace()
        self._clock = clock
        self._tell = tell
        self._changed = threading.Condition()
        self._told = ApiState.CLOSED
        self._held: dict[str, str] = {}
        self._status: TradingStatus | None = None
        count = metrics.counter
        self._calls = {
            (call, outcome): count("broker_calls", call=call, outcome=outcome)
            for call in ApiCall
            for outcome in ApiOutcome
        }
        self._refused = count("broker_calls_refused")
        self._retried = count("broker_calls_retried")
        self._limited = count("broker_rate_limited")
        self._waited = count("broker_rate_waits")
        self._trips = count("broker_api_breaker_trips")
        metrics.gauge("broker_api_breaker", lambda: STATE_NUMBER[self._breaker.state])

    @contextmanager
    def passing(self, call: ApiCall, until_ns: int | None = None, reservation_id: str = "") -> Iterator[None]:
        """Wraps one call, and takes its outcome from what it raises.

        Waits for the rate limit, but not where that would last past `until_ns` of the monotonic clock. Raises
        `CallRefusedError` where the call must not be made: an order that is withdrawn by then (by its reservation) too.
        """
        permit = self._enter(call, until_ns, reservation_id)
        outcome, reason = ApiOutcome.UNTOLD, ""
        try:
            yield
            outcome = ApiOutcome.ANSWERED
        except AnswerLostError as error:
            outcome, reason = ApiOutcome.LOST, str(error)
            raise
        except RateLimitedError as error:
            self._bar(error.wait_ns)
            raise
        except RequestRefusedError:
            outcome = ApiOutcome.ANSWERED
            raise
        finally:
            self._leave(permit, outcome, reason)

    def heard(self, headers: Headers) -> None:
        """Takes what an answer says of the rate."""
        told = quota(headers, self._clock.now_ns())
        if told is not None:
            with self._changed:
                self._pace.heard(told, self._clock.monotonic_ns())
                self._changed.notify_all()

    def hold(self, who: str, reason: str) -> None:
        """No order is placed while somebody has a reason; an empty one lets go. Those that wait here are refused."""
        with self._changed:
            self._held[who] = reason
            self._changed.notify_all()

    def withdraw(self, status: TradingStatus) -> None:
        """No order that this status withdraws is placed, from now on and until another status is told."""
        with self._changed:
            self._status = status
            self._changed.notify_all()

    def release(self, who: str, reason: str) -> None:
        """That reason is over; where another one has taken its place meanwhile, that one holds."""
        with self._changed:
            if self._held.get(who) == reason:
                self._held[who] = ""

    def count_retry(self) -> None:
        """A call is made again."""
        with self._changed:
            self._retried.inc()

    def _enter(self, call: ApiCall, until_ns: int | None, reservation_id: str) -> Permit:
        with self._changed:
            self._wait_for_rate(call, until_ns)
            held = self._why_held(reservation_id) if call is ApiCall.PLACE else ""
            if held:
                raise self._refusal(f"not sent: {held}")
            permit = self._breaker.admit(call, self._clock.monotonic_ns())
            if permit is None:
                raise self._refusal(self._breaker.problem)
            self._pace.sent()
            self._tell_if_moved()
            return permit

    def _why_held(self, reservation_id: str) -> str:
        held, status = next(filter(None, self._held.values()), ""), self._status
        if held or status is None or not status.withdraws(reservation_id):
            return held
        return f"withdrawn, trading is {status.trading.value} and the breaker {status.breaker.value}"

    def _wait_for_rate(self, call: ApiCall, until_ns: int | None) -> None:
        """Returns when the call may go out by its rate, or when the breaker refuses it anyhow."""
        waited = False
        while True:
            now_ns = self._clock.monotonic_ns()
            if self._breaker.refuses(call, now_ns):
                return
            due_ns = max(self._pace.due_ns(call, now_ns), now_ns)
            if until_ns is not None and due_ns > until_ns:
                raise self._refusal("the broker's rate limit keeps it back for longer than it is valid")
            if due_ns == now_ns:
                return
            self._waited.inc(not waited)
            waited = True
            self._changed.wait((due_ns - now_ns) / _NS_PER_S)

    def _refusal(self, reason: str) -> CallRefusedError:
        self._refused.inc()
        return CallRefusedError(reason)

    def _bar(self, wait_ns: int) -> None:
        with self._changed:
            self._limited.inc()
            self._pace.limited(wait_ns, self._clock.monotonic_ns())

    def _leave(self, permit: Permit, outcome: ApiOutcome, reason: str) -> None:
        with self._changed:
            self._calls[permit.call, outcome].inc()
            self._breaker.ended(permit, outcome, self._clock.monotonic_ns(), reason)
            self._tell_if_moved()

    def _tell_if_moved(self) -> None:
        breaker = self._breaker
        if breaker.state is self._told:
            return
        self._told = breaker.state
        self._trips.value = breaker.trips
        self._tell(ApiMoved(breaker.state, breaker.problem, breaker.retry_ns))
        self._changed.notify_all()
