"""The signal generator's decisions: market events -> strategies -> wishes -> signals -> checks -> approved signals.

Nothing here sends: each method returns what is to be done, as effects. One risk check is in flight at a time; signals
that come meanwhile wait in a bounded queue, and ticks go on. Each wish is answered to its strategy exactly once, within
the timeout: approved and sent, or refused (by the risk manager, by its silence, by a full queue, by the age of the tick
it came of, or because nobody took it).
"""

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from tradingmesh.core.checks import ApprovedSignal, Check, Decision, Refused, RiskCheckRequest, RiskCheckResponse, Stage
from tradingmesh.core.ids import signal_id
from tradingmesh.core.market import MarketEvent
from tradingmesh.core.money import of_e4
from tradingmesh.core.risk.reservations import reservation_id
from tradingmesh.core.signal import Signal
from tradingmesh.core.signals.roster import Heard, Roster, Running, StrategyStopped, Wished
from tradingmesh.core.strategy import Wish

QUEUE_MAX = 64
_NS_PER_MS = 1_000_000
_NO_LIMITS: Mapping[str, int] = MappingProxyType({})


class Origin(msgspec.Struct, frozen=True):
    """The message a signal came of: its trace, and when it was published (wall time)."""

    trace_id: bytes = b""
    flags: int = 0
    published_ns: int = 0


class Ask(msgspec.Struct, frozen=True):
    """To do: send this request to the risk manager."""

    request: RiskCheckRequest
    origin: Origin


class Send(msgspec.Struct, frozen=True):
    """To do: hand the approved signal to the execution engine, then say with `sent` how that went."""

    approved: ApprovedSignal
    origin: Origin
    by: Running
    wish: Wish


class Reject(msgspec.Struct, frozen=True):
    """To do: tell that the signal was refused."""

    signal: Signal
    refused: Refused
    origin: Origin


Effect = Ask | Send | Reject | StrategyStopped


class _Pending(msgspec.Struct, frozen=True):
    signal: Signal
    by: Running
    wish: Wish
    origin: Origin
    made_ns: int


class _InFlight(msgspec.Struct, frozen=True):
    pending: _Pending
    request_id: str


class SignalCore:
    """The signals of one signal generator on their way to approval. Times are wall time in ns.

    `on_event` only tells the strategies; where it returns something, that goes to `ask`. So a tick that moves nobody,
    as nearly every one, costs neither a reading of the clock nor an object. `tick_age_max_ns` says by symbol how long
    ago the tick that moved somebody may have been published.
    """

    def __init__(
        self,
        roster: Roster,
        *,
        epoch: int,
        timeout_ns: int,
        valid_for_ns: int,
        tick_age_max_ns: Mapping[str, int] = _NO_LIMITS,
    ) -> None:
        self._roster = roster
        self.on_event: Callable[[MarketEvent], Heard] = roster.on_event
        self._epoch = epoch
        self._timeout_ns = timeout_ns
        self._valid_for_ns = valid_for_ns
        self._tick_age_max_ns = tick_age_max_ns
        self._queue: deque[_Pending] = deque()
        self._in_flight: _InFlight | None = None
        self.signals = 0
        self.late_answers = 0
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Signals without an answer: in flight or queued."""
        return len(self._queue) + (self._in_flight is not None)

    def ask(self, heard: Heard, now_ns: int, origin: Origin) -> list[Effect]:
        """Makes signals of wishes and has them checked, in order. A full queue refuses its oldest."""
        effects: list[Effect] = []
        for one in heard:
            if isinstance(one, Wished):
                effects += self._queued(_Pending(self._signal(one, now_ns), one.by, one.wish, origin, now_ns))
            else:
                effects.append(one)
        return effects + self._next(now_ns)

    def on_answer(self, response: RiskCheckResponse, now_ns: int) -> list[Effect]:
        """Takes the risk manager's answer. One to another request than the one in flight is counted and dropped."""
        flight = self._in_flight
        if flight is None or response.request_id != flight.request_id:
            self.late_answers += 1
            return []
        self._in_flight = None
        return self._settled(flight.pending, response.result, now_ns) + self._next(now_ns)

    def sent(self, send: Send, *, delivered: bool) -> list[Effect]:
        """Takes whether the execution engine could be handed the signal. Where not, it is refused: it would be late."""
        if delivered:
            return list(self._roster.approved(send.by, send.wish))
        reject = Reject(
            send.approved.signal, Refused(Check.DELIVERY, "no execution engine takes orders now"), send.origin
        )
        return [reject, *self._roster.refused(send.by, send.wish)]

    def on_time(self, now_ns: int) -> list[Effect]:
        """Gives up what has waited for its time since it was made, in flight or in line: no answer is no.

        So it is where the clock was set back to before a signal was made: its time cannot be told any more.
        """
        effects: list[Effect] = []
        flight = self._in_flight
        if flight is not None and self._overdue(flight.pending, now_ns):
            self._in_flight = None
            effects += self._timed_out(flight.pending, self._silence)
        while self._queue and self._overdue(self._queue[0], now_ns):
            effects += self._timed_out(self._queue.popleft(), self._silence)
        return effects + self._next(now_ns)

    def give_up(self) -> list[Effect]:
        """Refuses all that waits: the generator stops."""
        flight, self._in_flight = self._in_flight, None
        waiting = [flight.pending, *self._queue] if flight else list(self._queue)
        self._queue.clear()
        return [effect for pending in waiting for effect in self._timed_out(pending, "the signal generator stops")]

    @property
    def _silence(self) -> str:
        return f"no answer within {self._timeout_ns // _NS_PER_MS} ms"

    def _overdue(self, pending: _Pending, now_ns: int) -> bool:
        return not 0 <= now_ns - pending.made_ns < self._timeout_ns

    def _signal(self, wished: Wished, now_ns: int) -> Signal:
        self.signals += 1
        wish = wished.wish
        return Signal(
            signal_id=signal_id(wished.by.name, self._epoch, self.signals),
            strategy=wished.by.name,
            symbol=wish.symbol,
            side=wish.side,
            quantity=wish.quantity,
            reference_price=of_e4(wish.reference_price_e4),
            generated_ns=wished.market_ns,
            valid_until_ns=now_ns + self._valid_for_ns,
            order_type=wish.order_type,
            time_in_force=wish.time_in_force,
            limit_price=wish.limit_price,
            stop_price=wish.stop_price,
            reason=wish.reason,
        )

    def _queued(self, pending: _Pending) -> list[Effect]:
        if pending.wish.symbol not in pending.by.symbols:
            reason = f"{pending.wish.symbol} is not among the symbols of {pending.by.name}"
            return self._refused(pending, Refused(Check.REQUEST, reason))
        stale = self._why_stale(pending)
        if stale:
            return self._refused(pending, Refused(Check.TICK_AGE, stale))
        self._queue.append(pending)
        if len(self._queue) <= QUEUE_MAX:
            return []
        self.dropped += 1
        return self._timed_out(self._queue.popleft(), f"{QUEUE_MAX} newer signals wait for their check")

    def _why_stale(self, pending: _Pending) -> str:
        """A tick from the future is from before the clock was set back, and as old as that at least."""
        symbol = pending.wish.symbol
        limit_ns = self._tick_age_max_ns.get(symbol)
        age_ns = abs(pending.made_ns - pending.origin.published_ns)
        if limit_ns is None or age_ns <= limit_ns:
            return ""
        return f"the tick was {age_ns // _NS_PER_MS} ms old, maxQuoteAge of {symbol} is {limit_ns // _NS_PER_MS} ms"

    def _next(self, now_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        while self._queue and self._in_flight is None:
            pending = self._queue.popleft()
            signal = pending.signal
            if self._overdue(pending, now_ns):
                effects += self._timed_out(pending, self._silence)
                continue
            request_id = f"{signal.signal_id}/signal"
            request = RiskCheckRequest(request_id, Stage.SIGNAL, signal, signal.reference_price, now_ns)
            self._in_flight = _InFlight(pending, request_id)
            effects.append(Ask(request, pending.origin))
        return effects

    def _settled(self, pending: _Pending, result: Decision, now_ns: int) -> list[Effect]:
        if isinstance(result, Refused):
            return self._refused(pending, result)
        if now_ns >= pending.signal.valid_until_ns:
            return self._timed_out(pending, "approved past its valid-until")
        if result.reservation_id != reservation_id(pending.signal.signal_id):
            reason = f"the answer approves another reservation, {result.reservation_id}"
            return self._refused(pending, Refused(Check.RESERVATION, reason))
        approved = ApprovedSignal(pending.signal, result)
        return [Send(approved, pending.origin, pending.by, pending.wish)]

    def _timed_out(self, pending: _Pending, reason: str) -> list[Effect]:
        return self._refused(pending, Refused(Check.RISK_CHECK_TIMEOUT, reason))

    def _refused(self, pending: _Pending, refused: Refused) -> list[Effect]:
        reject = Reject(pending.signal, refused, pending.origin)
        return [reject, *self._roster.refused(pending.by, pending.wish)]
