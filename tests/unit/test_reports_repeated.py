"""What comes ten times, in any order, partial fills of several orders between each other: the same final state."""

import random
from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tradingmesh.core.fills import BookedReport, ReportApplied
from tradingmesh.core.risk.reports import place_of
from tradingmesh.core.risk.status import status_of
from tradingmesh.core.signal import Side, Signal
from tradingmesh.testing.risk_desk import RiskDesk, limits

SYMBOLS = ("IBM", "BAC")
TIMES = 10
WIDE = limits(max_open_orders=100, max_orders_per_minute=1_000, max_daily_loss=Decimal(10**9))


def opened() -> RiskDesk:
    """A market in both symbols."""
    desk = RiskDesk(WIDE)
    for symbol in SYMBOLS:
        desk.quote(symbol, "99.99", "100.01")
    return desk


def submitted(desk: RiskDesk, count: int) -> list[Signal]:
    """Orders approved and confirmed, both sides of both symbols."""
    signals = []
    for number in range(count):
        signal = desk.signal(f"s{number}", Side.BUY if number % 3 else Side.SELL, "30", SYMBOLS[number % 2])
        desk.ask(signal)
        desk.confirm(signal)
        signals.append(signal)
    return signals


def story(desk: RiskDesk, signals: list[Signal], chance: random.Random) -> list[BookedReport]:
    """Each order fills in three parts, or two and a cancel; the parts of all of them come mixed."""
    left = {signal.signal_id: 3 for signal in signals}
    by_id = {signal.signal_id: signal for signal in signals}
    reports = []
    while left:
        name = chance.choice(sorted(left))
        left[name] -= 1
        if left[name] or chance.random() < 0.5:
            price = str(Decimal(chance.randint(9_900, 10_100)) / 100)
            reports.append(desk.filled(by_id[name], "10", price, "0.035"))
        if not left[name]:
            reports.append(desk.closed(by_id[name]))
            del left[name]
    return reports


def facts(desk: RiskDesk) -> dict[str, Any]:
    """All of the state that reports change; in which order the symbols first filled does not matter."""
    state = desk.core.state
    status = status_of(state)
    return {
        "status": replace(status, positions=tuple(sorted(status.positions, key=lambda position: position.symbol))),
        "reserved": sorted((r.reservation_id, r.open_e9, r.confirmed_by) for r in state.reservations),
        "gaps": state.reports.gaps(),
    }


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 9))
def test_ten_times_in_any_order_is_once_in_order(chance: random.Random, orders: int) -> None:
    """Each takes effect once; whoever hands it in again is told so."""
    once, again = opened(), opened()
    reports = story(once, submitted(once, orders), chance)
    submitted(again, orders)
    for report in reports:
        once.apply(report)
    came = reports * TIMES
    chance.shuffle(came)
    answers = [answer for report in came for answer in again.apply(report)]
    assert facts(again) == facts(once)
    fresh = Counter(
        (answer.outbox_epoch, answer.symbol, answer.symbol_sequence)
        for answer in answers
        if isinstance(answer, ReportApplied) and not answer.duplicate
    )
    assert fresh == Counter(map(place_of, reports))
