"""The way of a signal: asked once, answered once, refused when it cannot be answered, never sent without approval."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.checks import Approved, Check, Decision, Refused, RiskCheckResponse
from tradingmesh.core.market import Bar, MarketEvent, Quote, Trade
from tradingmesh.core.signal import Side
from tradingmesh.core.signals.core import QUEUE_MAX, Ask, Effect, Origin, Reject, Send, SignalCore
from tradingmesh.core.signals.roster import Heard, Roster, Running, StrategyStopped
from tradingmesh.core.strategy import NONE, Strategy, Wish

MS = 1_000_000
ORIGIN = Origin(b"t" * 16, 2, 77)
APPROVED = Approved("r1", 10**18, (Check.REQUEST,))
REFUSED = Refused(Check.ORDER_QUANTITY, "100 is above 50")


class Eager(Strategy):
    """Wishes at every trade, and keeps what it is told."""

    def __init__(self, symbol: str = "IBM") -> None:
        self.symbol = symbol
        self.approved: list[Wish] = []
        self.refused: list[Wish] = []
        self.wished: list[Wish] = []

    def on_trade(self, trade: Trade) -> Sequence[Wish]:
        self.wished.append(Wish(self.symbol, Side.BUY, Decimal(len(self.wished) + 1), trade.price_e4, reason="eager"))
        return self.wished[-1:]

    def on_approved(self, wish: Wish) -> None:
        self.approved.append(wish)

    def on_refused(self, wish: Wish) -> None:
        self.refused.append(wish)


def core(*strategies: Strategy) -> SignalCore:
    running = [Running(f"s{n}", frozenset({"IBM"}), strategy) for n, strategy in enumerate(strategies)]
    return SignalCore(Roster(running), epoch=255, timeout_ns=1_000 * MS, valid_for_ns=3_000 * MS)


def trade(at_ns: int = 0) -> Trade:
    return Trade("IBM", 1_800_000, 100, at_ns)


def tick(signals: SignalCore, now_ns: int = 0, event: MarketEvent | None = None) -> list[Effect]:
    return signals.ask(signals.on_event(event or trade(now_ns)), now_ns, ORIGIN)


def answer(signals: SignalCore, ask: Effect, result: Decision, now_ns: int = 0) -> list[Effect]:
    assert isinstance(ask, Ask)
    if result is APPROVED:
        result = approval(ask.request.signal.signal_id)
    return signals.on_answer(RiskCheckResponse(ask.request.request_id, result, 5, now_ns), now_ns)


def approval(signal_id: str) -> Approved:
    return msgspec.structs.replace(APPROVED, reservation_id=f"r-{signal_id}")


def test_a_wish_becomes_a_checked_and_then_a_sent_signal() -> None:
    """The signal carries what the strategy wished; only the approval sends it, with the trace of its tick."""
    strategy = Eager()
    signals = core(strategy)
    (ask,) = tick(signals, 5)
    assert isinstance(ask, Ask)
    signal = ask.request.signal
    assert (signal.signal_id, signal.strategy, signal.symbol) == ("s0-ff-1", "s0", "IBM")
    assert (signal.quantity, signal.reference_price) == (Decimal(1), Decimal(180))
    assert (signal.generated_ns, signal.valid_until_ns, signal.reason) == (5, 5 + 3_000 * MS, "eager")
    assert (ask.request.request_id, ask.request.current_price) == ("s0-ff-1/signal", Decimal(180))
    (send,) = answer(signals, ask, APPROVED, 9)
    assert isinstance(send, Send)
    assert (send.approved.signal, send.approved.approval) == (signal, approval("s0-ff-1"))
    assert send.origin == ORIGIN
    assert (strategy.approved, signals.waiting) == ([], 0)
    assert signals.sent(send, delivered=True) == []
    assert (strategy.approved, strategy.refused) == (strategy.wished, [])


def test_what_nobody_takes_is_refused() -> None:
    """Approved but not delivered is not believed done: the strategy hears of a refusal, and of nothing else."""
    strategy = Eager()
    signals = core(strategy)
    (ask,) = tick(signals)
    (send,) = answer(signals, ask, APPROVED)
    assert isinstance(send, Send)
    (reject,) = signals.sent(send, delivered=False)
    assert isinstance(reject, Reject)
    assert (reject.refused.check, reject.signal) == (Check.DELIVERY, send.approved.signal)
    assert (strategy.approved, strategy.refused) == ([], strategy.wished)


def test_a_refusal_is_told_and_not_sent() -> None:
    """A refused signal is rejected with the risk manager's own reason, and its strategy hears of it."""
    strategy = Eager()
    signals = core(strategy)
    (ask,) = tick(signals)
    (reject,) = answer(signals, ask, REFUSED)
    assert isinstance(reject, Reject)
    assert (reject.refused, reject.origin) == (REFUSED, ORIGIN)
    assert (strategy.refused, strategy.approved) == (strategy.wished, [])


def test_one_check_at_a_time_and_ticks_go_on() -> None:
    """While a check is in flight further signals wait; each answer asks for the next, in order."""
    signals = core(Eager())
    (first,) = tick(signals, 1)
    assert tick(signals, 2) == []
    assert tick(signals, 3) == []
    _, second = answer(signals, first, APPROVED, 4)
    _, third = answer(signals, second, REFUSED, 5)
    assert [a.request.signal.signal_id for a in (first, second, third) if isinstance(a, Ask)] == [
        "s0-ff-1",
        "s0-ff-2",
        "s0-ff-3",
    ]


def test_silence_is_a_refusal_and_its_late_answer_counts_for_nothing() -> None:
    """After the timeout the signal is refused; the approval that comes late is not taken for the next request."""
    strategy = Eager()
    signals = core(strategy)
    (first,) = tick(signals, 0)
    tick(signals, 900 * MS)
    assert signals.on_time(1_000 * MS - 1) == []
    reject, second = signals.on_time(1_000 * MS)
    assert isinstance(reject, Reject)
    assert (reject.refused.check, reject.refused.reason) == (Check.RISK_CHECK_TIMEOUT, "no answer within 1000 ms")
    assert answer(signals, first, APPROVED, 1_001 * MS) == []
    assert (signals.late_answers, strategy.approved, signals.waiting) == (1, [], 1)
    (send,) = answer(signals, second, APPROVED, 1_002 * MS)
    assert isinstance(send, Send)
    assert send.approved.signal.signal_id == "s0-ff-2"


def test_an_answer_nobody_asked_for_is_counted() -> None:
    """An approval without a request in flight sends nothing."""
    signals = core(Eager())
    assert signals.on_answer(RiskCheckResponse("s0-ff-1/signal", APPROVED, 5, 0), 0) == []
    assert signals.late_answers == 1


def test_a_full_queue_refuses_its_oldest() -> None:
    """At the limit the oldest waiting signal is refused and counted, the one in flight and the newest stay."""
    strategy = Eager()
    signals = core(strategy)
    effects = [effect for n in range(QUEUE_MAX + 2) for effect in tick(signals, n)]
    rejected = [e.signal.signal_id for e in effects if isinstance(e, Reject)]
    assert (rejected, signals.dropped, signals.waiting) == (["s0-ff-2"], 1, QUEUE_MAX + 1)
    assert strategy.refused == [strategy.wished[1]]


def test_what_waited_too_long_is_not_asked() -> None:
    """A signal whose time is over when its turn comes is refused without a check."""
    signals = core(Eager())
    (first,) = tick(signals, 0)
    tick(signals, 1)
    tick(signals, 900 * MS)
    answered, waited, ask = answer(signals, first, REFUSED, 1_000 * MS + 1)
    assert isinstance(answered, Reject)
    assert isinstance(waited, Reject)
    assert (waited.refused.check, waited.refused.reason) == (Check.RISK_CHECK_TIMEOUT, "no answer within 1000 ms")
    assert isinstance(ask, Ask)
    assert ask.request.signal.signal_id == "s0-ff-3"


def test_whoever_waits_in_line_is_refused_in_its_own_time() -> None:
    """With nobody there to answer, each of many signals is refused one timeout after it was made, not one by one."""
    signals = core(Eager())
    for number in range(20):
        tick(signals, number * MS)
    assert [type(effect) for effect in signals.on_time(1_005 * MS)] == [Reject] * 6 + [Ask]
    assert [type(effect) for effect in signals.on_time(1_019 * MS)] == [Reject] * 14
    assert signals.waiting == 0


def test_an_approval_of_another_reservation_sends_nothing() -> None:
    """The answer is to this request, but what it approves is not this signal."""
    strategy = Eager()
    signals = core(strategy)
    (ask,) = tick(signals, 0)
    (reject,) = answer(signals, ask, approval("s0-ff-9"))
    assert isinstance(reject, Reject)
    assert reject.refused == Refused(Check.RESERVATION, "the answer approves another reservation, r-s0-ff-9")
    assert (strategy.approved, strategy.refused) == ([], strategy.wished)


@pytest.mark.parametrize(("age_ms", "decided"), [(0, True), (500, True), (501, False), (-400, True), (-501, False)])
def test_an_old_tick_is_not_decided_on(age_ms: int, decided: bool) -> None:  # noqa: FBT001 - what the table says
    """The strategy hears it, and learns that its wish is refused; a tick from the future is as old as it is ahead."""
    strategy = Eager()
    running = [Running("s0", frozenset({"IBM"}), strategy)]
    signals = SignalCore(
        Roster(running), epoch=255, timeout_ns=1_000 * MS, valid_for_ns=3_000 * MS, tick_age_max_ns={"IBM": 500 * MS}
    )
    now_ns = 10_000 * MS
    (effect,) = signals.ask(signals.on_event(trade()), now_ns, Origin(b"t", 0, now_ns - age_ms * MS))
    assert isinstance(effect, Ask if decided else Reject)
    if isinstance(effect, Reject):
        assert effect.refused.check is Check.TICK_AGE
        assert effect.refused.reason == "the tick was 501 ms old, maxQuoteAge of IBM is 500 ms"
        assert (len(strategy.refused), signals.waiting) == (1, 0)


def test_an_approval_past_valid_until_sends_nothing() -> None:
    """Approved, but too late to trade on: refused."""
    strategy = Eager()
    running = [Running("s0", frozenset({"IBM"}), strategy)]
    signals = SignalCore(Roster(running), epoch=1, timeout_ns=5_000 * MS, valid_for_ns=3_000 * MS)
    (ask,) = tick(signals, 0)
    (reject,) = answer(signals, ask, APPROVED, 3_000 * MS)
    assert isinstance(reject, Reject)
    assert (strategy.approved, strategy.refused) == ([], strategy.wished)


def test_stopping_refuses_all_that_waits() -> None:
    """At the end every wish that has no answer gets one."""
    strategy = Eager()
    signals = core(strategy)
    for n in range(3):
        tick(signals, n)
    assert [type(effect) for effect in signals.give_up()] == [Reject] * 3
    assert (strategy.refused, signals.waiting) == (strategy.wished, 0)


def test_a_symbol_of_somebody_else_is_refused() -> None:
    """A strategy may wish only for its own symbols."""
    strategy = Eager("BAC")
    (reject,) = tick(core(strategy))
    assert isinstance(reject, Reject)
    assert (reject.refused.check, reject.refused.reason) == (Check.REQUEST, "BAC is not among the symbols of s0")
    assert strategy.refused == strategy.wished


class Faulty(Strategy):
    """Raises where told to."""

    def __init__(self, where: str) -> None:
        self.where = where

    def on_trade(self, trade: Trade) -> Sequence[Wish]:
        if self.where == "on_trade":
            raise ValueError("a fault")
        if self.where == "type":
            return ["buy"]  # type: ignore[list-item]
        return (Wish("IBM", Side.BUY, Decimal(1), trade.price_e4),)

    def on_refused(self, wish: Wish) -> None:
        raise ValueError(f"a fault at {wish.symbol}")


def test_a_strategy_that_raises_is_stopped_alone() -> None:
    """It is told of nothing more; its neighbours before and after it go on."""
    eager, other = Eager(), Eager()
    signals = core(eager, Faulty("on_trade"), other)
    stopped, ask = tick(signals)
    assert stopped == StrategyStopped("s1", "ValueError: a fault")
    assert isinstance(ask, Ask)
    assert [len(s.wished) for s in (eager, other)] == [1, 1]
    assert tick(signals) == []
    assert [len(s.wished) for s in (eager, other)] == [2, 2]


def test_a_wish_that_is_none_stops_its_strategy() -> None:
    """Only a Wish is a wish."""
    (stopped,) = tick(core(Faulty("type")))
    assert stopped == StrategyStopped("s0", "TypeError: a strategy returned 'buy', which is no Wish")


def test_a_fault_at_a_refusal_stops_the_strategy_after_the_signal_is_rejected() -> None:
    """The refusal stands, whatever the strategy does when it is told."""
    signals = core(Faulty("on_refused"))
    (ask,) = tick(signals)
    reject, stopped = answer(signals, ask, REFUSED)
    assert isinstance(reject, Reject)
    assert stopped == StrategyStopped("s0", "ValueError: a fault at IBM")


class Listener(Strategy):
    """Hears quotes and bars."""

    def __init__(self) -> None:
        self.heard: list[MarketEvent] = []

    def on_quote(self, quote: Quote) -> Sequence[Wish]:
        self.heard.append(quote)
        return NONE

    def on_bar(self, bar: Bar) -> Sequence[Wish]:
        self.heard.append(bar)
        return NONE


def test_each_hears_its_symbols_and_nothing_else() -> None:
    """Quotes and bars reach who overrides them, of the manifest's symbols only."""
    listener = Listener()
    signals = core(listener)
    quote, bar = Quote("IBM", 1, 2, 1, 1, 5), Bar("IBM", 1, 1, 1, 1, 1, 6)
    heard: list[Heard] = [signals.on_event(e) for e in (quote, Quote("BAC", 1, 2, 1, 1, 5), trade(), bar)]
    assert listener.heard == [quote, bar]
    assert not any(heard)


@given(st.lists(st.sampled_from(["tick", "approve", "undelivered", "refuse", "wait", "late"]), max_size=60))
def test_each_wish_is_answered_exactly_once(steps: list[str]) -> None:
    """Whatever happens, each wish is approved or refused once, and exactly the approved ones are sent."""
    strategy = Eager()
    signals = core(strategy)
    now_ns = 0
    sent: list[Decimal] = []
    asked: list[Effect] = []
    for step in steps:
        now_ns += 300 * MS
        if step == "tick":
            effects = tick(signals, now_ns)
        elif step in ("approve", "undelivered", "refuse") and asked:
            effects = answer(signals, asked[-1], REFUSED if step == "refuse" else APPROVED, now_ns)
        elif step == "late" and asked:
            effects = answer(signals, asked[0], APPROVED, now_ns)
        else:
            effects = signals.on_time(now_ns)
        asked += [effect for effect in effects if isinstance(effect, Ask)]
        for send in [effect for effect in effects if isinstance(effect, Send)]:
            delivered = step == "approve"
            signals.sent(send, delivered=delivered)
            sent += [send.approved.signal.quantity] if delivered else []
    signals.give_up()
    assert sorted(w.quantity for w in strategy.approved + strategy.refused) == [w.quantity for w in strategy.wished]
    assert sent == [w.quantity for w in strategy.approved]
